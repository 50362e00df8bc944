"""Making methods of descriptions: a function from a configuration to a `Call` becomes a method that makes the call.

Parameters, defaults and documentation stay those of the description; types are carried by `ParamSpec`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args


def described(method: Callable[..., Any], description: Callable[..., Any], owner: str) -> None:
    """Give `method` the name, the text and the signature of `description`, as seen from an instance's class.

    The configuration becomes `self`; the result `Call[X]` becomes `X`.
    """
    signature = inspect.signature(description, eval_str=True)
    parameters = list(signature.parameters.values())
    parameters[0] = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    (result,) = get_args(signature.return_annotation)
    method.__name__ = description.__name__
    method.__qualname__ = f"{owner}.{description.__name__}"
    method.__doc__ = description.__doc__
    method.__annotations__ = {item.name: item.annotation for item in parameters[1:]} | {"return": result}
    method.__dict__["__signature__"] = signature.replace(parameters=parameters, return_annotation=result)
