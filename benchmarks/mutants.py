"""Deliberate small faults: mutants of the reference's two files, and of kvimpl's modules.

The changes are cosmic-ray's operators, and two that it has not: a statement taken out, and min for
max. A mutant is the whole text of one file with one change in it.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import parso.python.tree as parsed
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

import kvimpl
from kvoracle.sources import Sources

REFERENCE_PARTS = {"base": {"create_causal_mask", "create_attention_mask", "create_ssm_mask"}}
"""Of base.py, what caches and models make masks with; the rest of the file is attention."""
_PAIRS = {
    "Comparison": ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq", "NotEq_Eq", "Is_IsNot",
                   "IsNot_Is"),
    "Binary": ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_FloorDiv",
               "BitAnd_BitOr"),
}  # fmt: skip
_SINGLE = (
    "NumberReplacer", "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ZeroIterationForLoop",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: in which file and part of it, on which line, from what to what."""

    stem: str
    part: str
    line: int
    change: str
    text: str

    @property
    def key(self) -> str:
        """What it is known by in a list of survivors, wherever its line has moved to."""
        return f"{self.stem}.{self.part}: {self.change}"


class StatementRemoved(Operator):  # type: ignore[misc]  # cosmic-ray has no types
    """An assignment or a call that stands by itself becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """The statements within functions."""
        whole = node.parent is not None and node.parent.type == "simple_stmt"
        if (
            whole
            and node.type in {"expr_stmt", "atom_expr"}
            and parsed.search_ancestor(node, "funcdef")
        ):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """`pass` in the statement's place."""
        return parsed.Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> Iterable[Any]:
        """None: these are for cosmic-ray's own tests."""
        return ()


class MinForMax(StatementRemoved):
    """`min` becomes `max`, and the other way round."""

    _OTHER = {"min": "max", "max": "min"}  # noqa: RUF012 - a constant

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """The two names."""
        if node.type == "name" and node.value in self._OTHER:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """The other name."""
        return parsed.Name(self._OTHER[node.value], node.start_pos, node.prefix)


def _operators() -> Iterator[Any]:
    provider = OperatorProvider()
    for family, pairs in _PAIRS.items():
        for pair in pairs:
            yield provider[f"Replace{family}Operator_{pair}"]()
    yield from (provider[name]() for name in _SINGLE)
    yield StatementRemoved()
    yield MinForMax()


def of_reference(sources: Sources, count: int, seed: int) -> tuple[list[Mutant], int]:
    """So many mutants of a release's cache.py and base.py, and how many there are."""
    return _sampled({"cache": sources.cache.decode(), "base": sources.base.decode()}, count, seed)


def of_kvimpl(count: int, seed: int) -> tuple[list[Mutant], int]:
    """So many mutants of kvimpl's modules, and how many there are."""
    modules = sorted(Path(kvimpl.__file__).parent.glob("*.py"))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in modules}
    return _sampled(texts, count, seed)


def _sampled(texts: dict[str, str], count: int, seed: int) -> tuple[list[Mutant], int]:
    """So many of them, the classes in turn."""
    places = [(stem, *place) for stem, text in texts.items() for place in _places(stem, text)]
    shuffled = random.Random(seed).sample(places, len(places))  # noqa: S311 - a sample, no secret
    by_part: dict[tuple[str, str], list[Any]] = {}
    for place in shuffled:
        by_part.setdefault(place[:2], []).append(place)
    turns = chain.from_iterable(zip_longest(*by_part.values()))
    made = (_made(texts[place[0]], *place) for place in turns if place is not None)
    return [mutant for mutant, _ in zip(filter(None, made), range(count), strict=False)], len(
        places
    )


def _places(stem: str, text: str) -> Iterator[tuple[str, Any, int]]:
    """Where an operator can change something: the part, the operator, and its how-manieth place."""
    parts = {
        line: part.name
        for part in ast.parse(text).body
        if isinstance(part, ast.ClassDef | ast.FunctionDef)
        for line in range(part.lineno, (part.end_lineno or part.lineno) + 1)
    }
    wanted = REFERENCE_PARTS.get(stem)
    nodes = list(_walk(get_ast(text)))
    for operator in _operators():
        positions = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(positions):
            part = parts.get(start[0])
            if part is not None and (wanted is None or part in wanted):
                yield part, operator, occurrence


def _walk(node: Any) -> Iterator[Any]:
    """The nodes in the order in which cosmic-ray's visitor comes to them."""
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def _made(text: str, stem: str, part: str, operator: Any, occurrence: int) -> Mutant | None:
    changed = mutate_code(text, operator, occurrence)
    if changed is None or changed == text:
        return None
    lines = zip(text.splitlines(), changed.splitlines(), strict=False)
    line, (before, after) = next(
        (at, pair) for at, pair in enumerate(lines, 1) if pair[0] != pair[1]
    )
    return Mutant(stem, part, line, f"{before.strip()}  ->  {after.strip()}", changed)
