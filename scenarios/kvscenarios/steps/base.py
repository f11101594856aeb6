"""What every step may say."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from kvscenarios.base import CacheRef, Model, Name, NoArguments
from kvscenarios.expect import Expect

DEFAULT_CACHE = "cache"
"""The name of a scenario's only cache."""


def nothing(value: Any) -> Any:
    """The arguments of an operation that was given none."""
    return {} if value is None or value is True else value


Nothing = Annotated[NoArguments, BeforeValidator(nothing, json_schema_input_type=Any)]


class Step(Model):
    """What every step may say."""

    op: ClassVar[str]
    on: CacheRef | tuple[CacheRef, ...] | None = None
    expect: Expect | None = None
    note: str | None = None

    @property
    def args(self) -> Any:
        """The operation's arguments."""
        return getattr(self, self.op)

    @property
    def targets(self) -> tuple[str, ...]:
        """The caches that the step acts on, by name."""
        if self.on is None:
            return (DEFAULT_CACHE,)
        return (self.on,) if isinstance(self.on, str) else self.on


class MakingStep(Step):
    """A step that makes a cache, called `as`."""

    as_: Name = Field(DEFAULT_CACHE, alias="as")


class FreeStep(Step):
    """A function of its own: it acts on no cache."""

    @property
    def targets(self) -> tuple[str, ...]:
        """None: the function is given numbers."""
        return ()
