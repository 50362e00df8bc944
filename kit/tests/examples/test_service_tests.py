"""The example test-suite, run as its service's developer runs it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

SUITE = Path(__file__).parents[3] / "examples" / "service_tests"


async def test_the_suite_passes_without_any_server() -> None:
    # Its developer has these two plugins and no others; loading all of ours takes seconds.
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "identry_kit.pytest_plugin")
    env = {"PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-c", "pytest.ini", *plugins, cwd=SUITE, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert int(re.findall(r"(\d+) passed", output)[0]) >= 11
    assert "skipped" not in output
