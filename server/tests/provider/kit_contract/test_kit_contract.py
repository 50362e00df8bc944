"""Every call of the kit's client, made as a service would, against this server: the kit's own tests of the contract.

They were written against a stand-in; what passes here passes there, by the same lines (`kit/tests/client`).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[4] / "kit" / "tests" / "client" / "test_contract.py"
_SPEC = importlib.util.spec_from_file_location("kit_client_contract", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_CONTRACT = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_CONTRACT)

test_a_policy_decides = _CONTRACT.test_a_policy_decides
TestInTheCallersName = _CONTRACT.TestInTheCallersName
TestInTheApplicationsName = _CONTRACT.TestInTheApplicationsName
TestOnesOwn = _CONTRACT.TestOnesOwn
