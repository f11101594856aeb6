"""The operations: one class each, named as the reference names them.

A step is written as the operation's name and its arguments, beside `on` (which cache), `as` (the
name of a cache that the step makes), `expect` (facts pinned) and `note`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, Tag

from kvscenarios.errors import nearest, shown
from kvscenarios.steps import batch, masks, one, prompt, reuse
from kvscenarios.steps.base import DEFAULT_CACHE, FreeStep, MakingStep, Step

__all__ = ["DEFAULT_CACHE", "OPERATIONS", "AnyStep", "FreeStep", "MakingStep", "Step"]

_MODULES = (one, masks, prompt, batch, reuse)
OPERATIONS: dict[str, type[Step]] = {
    part.op: part
    for module in _MODULES
    for part in vars(module).values()
    if isinstance(part, type) and issubclass(part, Step) and hasattr(part, "op")
}
MODIFIERS = ("on", "as", "expect", "note")


def _one_operation(value: Any) -> Any:
    """A step as a mapping with exactly one operation; a bare word is one without arguments."""
    if isinstance(value, Step):
        return value
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict):
        raise ValueError(f"a step is an operation with its arguments, got {shown(value)}")
    found = [key for key in value if key in OPERATIONS]
    if len(found) > 1:
        raise ValueError(f"a step is one operation, got {' and '.join(found)}")
    others = [str(key) for key in value if key not in OPERATIONS and key not in MODIFIERS]
    if not found and others:
        raise ValueError(f"unknown operation {shown(others[0])}; {nearest(others[0], OPERATIONS)}")
    if not found:
        raise ValueError("a step needs an operation: " + ", ".join(OPERATIONS))
    return value


def _operation(value: Any) -> str:
    return value.op if isinstance(value, Step) else next(key for key in value if key in OPERATIONS)


if TYPE_CHECKING:
    AnyStep = Step
else:
    AnyStep = Annotated[
        Union[tuple(Annotated[cls, Tag(cls.op)] for cls in OPERATIONS.values())],  # noqa: UP007 - made
        Discriminator(_operation),
        BeforeValidator(_one_operation),
    ]
