"""`kvparity models`: mlx-lm's own architectures on the subject's caches, held against mlx-lm's."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress

from kvoracle import sources
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.models.compare import WAYS, First, Outcome, compare
from kvparity.models.zoo import Recipe, pick
from kvreports.words import plain


def command(names: Sequence[str], subject: str, tokens: int, *, as_json: bool) -> int:
    """Run the models on both sides and say where they first part."""
    recipes = pick(names)
    reference = sources.installed().name
    outcomes = list(_watched(compare(recipes, subject, tokens), recipes))
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        _print(outcomes, subject, reference)
    return DIVERGES if any(outcome.first for outcome in outcomes) else CONFORMS


def _watched(outcomes: Iterator[Outcome], recipes: Sequence[Recipe]) -> Iterator[Outcome]:
    """The outcomes, with progress where somebody watches."""
    if not sys.stderr.isatty():
        yield from outcomes
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("running", total=len(recipes) * len(WAYS))
        for outcome in outcomes:
            yield outcome
            progress.advance(task)


def _print(outcomes: Sequence[Outcome], subject: str, reference: str) -> None:
    print(f"subject    {plain(subject)}\nreference  {reference}\n")
    widths = [
        max(len(cell) for cell in column) for column in zip(*map(_row, outcomes), strict=True)
    ]
    for outcome in outcomes:
        cells = zip(_row(outcome), widths, strict=True)
        print("  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip())
        if outcome.first is not None:
            print(_where(outcome.first))
    failing = sum(outcome.first is not None for outcome in outcomes)
    run = sum(outcome.not_run is None for outcome in outcomes)
    tokens = sum(outcome.tokens for outcome in outcomes)
    verdict = f"{failing} of {run} runs diverge" if failing else f"{run} runs conform"
    print(f"\n{verdict}: {tokens} tokens, their logprobs bit for bit, and what the caches held")


def _row(outcome: Outcome) -> tuple[str, str, str, str, str]:
    if outcome.not_run is not None:
        return outcome.model, outcome.way, "not run", "", outcome.not_run
    verdict = "diverge" if outcome.first else "conform"
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(outcome.kinds).items())
    return outcome.model, outcome.way, verdict, f"{outcome.tokens} tokens", kinds


def _where(first: First) -> str:
    where = ", ".join([first.token, *([first.layer] if first.layer else []), first.field])
    if first.place:
        where += " at " + ", ".join(f"{axis} {index}" for axis, index in first.place.items())
    return plain(f"    {where}: {first.subject}, mlx-lm: {first.reference}")
