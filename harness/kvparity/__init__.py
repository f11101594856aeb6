"""kvparity: whether a KV cache behaves like mlx-lm's, step by step and token by token.

What tests of one's own need is here; nothing heavy is imported before it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from hypothesis.strategies import SearchStrategy

    from kvscenarios import Scenario

__version__ = "0.1.0"
__all__ = ["__version__", "scenarios", "sequences"]


def scenarios(*selectors: str) -> pytest.MarkDecorator:
    """Give a test its `scenario`, each of those selected in turn, under readable ids.

    Selectors are scenario files, directories, and globs over the corpus such as `rotating/*`.
    Raises ScenarioError where one selects nothing.
    """
    import pytest  # noqa: PLC0415 - only for those who write tests

    from kvscenarios.select import select  # noqa: PLC0415 - the same

    return pytest.mark.parametrize(
        "scenario", [pytest.param(one, id=one.id) for one in select(selectors)]
    )


def sequences(kind: str) -> SearchStrategy[Scenario]:
    """A Hypothesis strategy of scenarios that start with caches of a kind, valid from end to end.

    Raises ValueError where there is no such kind.
    """
    from kvparity.generate.starts import KINDS  # noqa: PLC0415 - only for those who draw
    from kvparity.generate.strategies import drawn, scenario  # noqa: PLC0415 - the same
    from kvscenarios.errors import nearest  # noqa: PLC0415 - the same

    if kind not in KINDS:
        raise ValueError(f"no kind is called {kind!r}; {nearest(kind, KINDS)}")
    return drawn(kind).map(scenario)
