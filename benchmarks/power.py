"""How many deliberate faults in the reference's own files are noticed, and by what.

Each mutant is one small change to mlx-lm's `models/cache.py` or `models/base.py`, made in memory.
It stands as the subject, the pristine release as the reference; it is killed where a scenario makes
the two differ. First the corpus is tried, then a short fuzz on what survived. Survivors are listed
with their line and change: some cannot be observed by any user, others show what is missing.

A mutant runs in a process of its own, since some of them never end, or take mlx down with them:
that kills a mutant, too. Mutants are sampled evenly over classes, with a fixed seed.

    python benchmarks/power.py [--mutants N] [--seconds S] [--seed X]
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, zip_longest
from multiprocessing import get_context
from typing import Any

from kvoracle import sources
from kvparity import subjects
from kvparity.campaign import Arena, Round, play_round
from kvparity.generate import intents
from kvparity.program import Program
from kvscenarios.loader import load_corpus

LIMIT = 60.0
"""Seconds after which a mutant counts as one that never ends, beside the time for the fuzz."""
_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_BASE = {"create_causal_mask"}
"""Of base.py, what caches use; the rest of the file is attention."""
_OUTSIDE = {"LRUPromptCache", "PromptTrie", "TokenBuffer"}
"""Classes whose kinds are not generated: the corpus alone speaks of them."""


@dataclass(frozen=True)
class Mutant:
    """One change: in which file and class, on which line, from what to what, and the whole text."""

    stem: str
    part: str
    line: int
    change: str
    text: bytes


def mutants(stem: str, source: bytes) -> Iterator[Mutant]:
    """Every mutant of a file."""
    tree = ast.parse(source)
    for part in tree.body:
        if not isinstance(part, ast.ClassDef | ast.FunctionDef):
            continue
        if stem == "base" and part.name not in _BASE:
            continue
        for node in ast.walk(part):
            for change, apply in _changes(node):
                undo = copy.copy(vars(node))
                before = ast.unparse(node).splitlines()[0]
                apply()
                after, text = ast.unparse(node).splitlines()[0], ast.unparse(tree)
                vars(node).update(undo)
                line = getattr(node, "lineno", part.lineno)
                shown = f"{change}: {before}  ->  {after}"
                yield Mutant(stem, part.name, line, shown, text.encode())


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """The changes that one node allows, each as something that makes it."""

    def put(name: str, value: Any) -> Callable[[], None]:
        return partial(setattr, node, name, value)

    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        yield "comparison", put("ops", [_COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _OPERATORS:
        yield "operator", put("op", _OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield "and/or", put("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "number", put("value", node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "truth", put("value", not node.value)
    elif isinstance(node, ast.If):
        yield "condition", put("test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"min", "max"}:
        other = "max" if node.func.id == "min" else "min"  # type: ignore[attr-defined]  # a Name
        yield "min/max", put("func", ast.Name(other, ast.Load()))


def sampled(found: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, the classes in turn."""
    shuffled = random.Random(seed).sample(found, len(found))  # noqa: S311 - a sample, no secret
    by_part: dict[str, list[Mutant]] = {}
    for mutant in shuffled:
        by_part.setdefault(mutant.part, []).append(mutant)
    turns = chain.from_iterable(zip_longest(*by_part.values()))
    return [mutant for mutant in turns if mutant is not None][:count]


def killer(mutant: Mutant, seconds: float, pipe: Any) -> None:
    """Say through the pipe what kills the mutant: corpus, fuzz, or nothing."""
    pristine = subjects.resolve(subjects.INSTALLED)
    changed = replace(sources.installed(), **{mutant.stem: mutant.text})
    try:
        arena = Arena(subjects.of_sources(changed), pristine, ())
    except sources.OracleError:
        pipe.send("corpus")
        return
    verdicts = (arena.judged(Program(scenario))[0].verdict for scenario in load_corpus())
    if any(verdict in {"diverge", "refused", "crashed"} for verdict in verdicts):
        pipe.send("corpus")
        return
    pipe.send(_fuzzed(arena, seconds))


def _fuzzed(arena: Arena, seconds: float) -> str:
    """Whether a fuzz of so many seconds, shared out among the kinds, kills the mutant."""
    end = time.time() + seconds
    number = 0
    while time.time() < end:
        kind = intents.KINDS[number % len(intents.KINDS)]
        task = Round(kind, number, 10, "debug", until=end)
        if play_round(arena, task).failures:
            return "fuzz"
        number += 1
    return "nothing"


def killed_by(mutant: Mutant, seconds: float) -> str:
    """What kills the mutant; a process that dies, or never ends, was killed by the corpus."""
    spawn = get_context("spawn")
    receives, sends = spawn.Pipe(duplex=False)
    process = spawn.Process(target=killer, args=(mutant, seconds, sends))
    process.start()
    sends.close()
    try:
        return str(receives.recv()) if receives.poll(seconds + LIMIT) else "corpus"
    except EOFError:
        return "corpus"
    finally:
        process.kill()
        process.join()


def main() -> None:
    """Mutate, kill, count, and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=20.0, help="of fuzz for each survivor")
    parser.add_argument("--seed", type=int, default=0)
    wish = parser.parse_args()
    original = sources.installed()
    found = [*mutants("cache", original.cache), *mutants("base", original.base)]
    chosen = sampled(found, wish.mutants, wish.seed)
    killed = []
    for number, mutant in enumerate(chosen, 1):
        print(f"\r{number} of {len(chosen)}", end="", file=sys.stderr)
        killed.append((mutant, killed_by(mutant, wish.seconds)))
    by = [what for _, what in killed]
    corpus, fuzz = by.count("corpus"), by.count("fuzz")
    print(f"\n{len(by)} of {len(found)} mutants of {original.name}")
    print(f"killed by the corpus:          {corpus / len(by):.1%}")
    print(f"killed by the corpus and fuzz: {(corpus + fuzz) / len(by):.1%}")
    for mutant, what in killed:
        if what != "corpus":
            outside = " (not generated)" if mutant.part in _OUTSIDE else ""
            verdict = "killed by fuzz" if what == "fuzz" else f"survives{outside}"
            print(f"{verdict}: {mutant.stem}.py:{mutant.line} {mutant.part}: {mutant.change}")


if __name__ == "__main__":
    main()
