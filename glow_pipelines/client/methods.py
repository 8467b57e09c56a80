"""Methods made of functions: what `help()` and an editor show of them.

Belongs here: names, documents and signatures. Does not: what the methods do.
"""

import inspect
from collections.abc import Callable
from typing import Any


def look_like(method: Callable[..., Any], build: Callable[..., Any]) -> None:
    """Give a method the name, the document and, after `self`, the parameters of the function it is made of."""
    signature = inspect.signature(build)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = method.__qualname__ = build.__name__
    method.__doc__ = build.__doc__
    parameters = [self, *signature.parameters.values()]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=inspect.Signature.empty
    )
