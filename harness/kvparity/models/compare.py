"""Holds a subject under real models against mlx-lm's own caches, bit for bit.

A model is first run as anybody would run it. Only if what it gives out differs is it run again with
every call to every cache looked at, to find the layer, the token and the field of the first
difference.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from struct import calcsize, unpack_from
from typing import Any

from kvparity import interruptions, subjects
from kvparity.compare import differences, place, same
from kvparity.models import side
from kvparity.models.record import Moment, Played
from kvparity.models.side import Way
from kvparity.models.zoo import Recipe
from kvparity.observe import LEVELS
from kvparity.trace import Frozen, Raised

WAYS: tuple[Way, ...] = ("generate", "batch")
_FORMATS = {"float32": "<f", "int32": "<i", "uint32": "<I", "bool": "?"}


@dataclass(frozen=True)
class First:
    """The first difference. `layer` is None where only what the model gave out is known."""

    token: str
    layer: str | None
    field: str
    place: dict[str, int]
    subject: str
    reference: str


@dataclass(frozen=True)
class Outcome:
    """What came of running one model one way: how many tokens were compared, and where they part.

    `not_run` says why it was not run, if it was not.
    """

    model: str
    way: Way
    kinds: tuple[str, ...]
    tokens: int = 0
    first: First | None = None
    not_run: str | None = None


@dataclass(frozen=True)
class _Sides:
    """The two processes. A side plays what it is asked in order, while the other does the same."""

    subject: ProcessPoolExecutor
    reference: ProcessPoolExecutor

    def play(self, recipe: Recipe, way: Way, tokens: int, *, watch: bool) -> _Pair:
        """Both sides' records, to come."""
        return (
            self.subject.submit(side.play, recipe.name, way, tokens, watch=watch),
            self.reference.submit(side.play, recipe.name, way, tokens, watch=watch),
        )

    def kinds(self, recipe: Recipe) -> Future[tuple[str, ...]]:
        """The classes of the model's caches on the reference, to come."""
        return self.reference.submit(side.kinds, recipe.name)


_Pair = tuple["Future[Played]", "Future[Played]"]


def compare(recipes: Sequence[Recipe], subject: str, tokens: int) -> Iterator[Outcome]:
    """Run every model both ways on both sides, decoding `tokens` tokens; an outcome each.

    Raises UnknownName, Missing: a subject that cannot be had, or that mlx-lm does not import on; a
    model that does not run on mlx-lm's own caches; a process that died.
    """
    with _sides(subject) as sides:
        runs = [
            (recipe, way, sides.play(recipe, way, tokens, watch=False), sides.kinds(recipe))
            for recipe in recipes
            for way in WAYS
            if way == "generate" or recipe.not_batched is None
        ]
        for recipe, way, pair, kinds in runs:
            mine, theirs = (future.result() for future in pair)
            _check_reference(recipe, way, theirs)
            first = _first(mine, theirs)
            if first is not None:
                closer = (future.result() for future in sides.play(recipe, way, tokens, watch=True))
                first = _first(*closer) or first
            counted = sum(moment.field == "token" for moment in theirs.moments)
            yield Outcome(recipe.name, way, kinds.result(), counted, first)
            if recipe.not_batched is not None:
                yield Outcome(recipe.name, "batch", kinds.result(), not_run=recipe.not_batched)


def _check_reference(recipe: Recipe, way: Way, played: Played) -> None:
    error = played.trace.entries[-1].raised
    if error is not None:
        raise subjects.Missing(
            f"{recipe.name} does not run on mlx-lm itself ({way}): {error.name}: {error.message}"
        )


@contextmanager
def _sides(subject: str) -> Iterator[_Sides]:
    # spawn: a fork after mlx has evaluated anything hangs.
    spawn = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=spawn) for _ in range(2)]
    try:
        with interruptions.held_back():
            started = [
                pool.submit(side.start, name)
                for pool, name in zip(pools, (subject, None), strict=True)
            ]
        for one in started:
            one.result()
        yield _Sides(*pools)
    except BrokenProcessPool as error:
        raise subjects.Missing(f"a process that ran a model died: {error}") from error
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _first(mine: Played, theirs: Played) -> First | None:
    """The first difference of two records; None where they are equal."""
    parted = next(
        (
            index
            for index, (ours, other) in enumerate(zip_longest(mine.moments, theirs.moments))
            if ours != other
        ),
        len(mine.moments),
    )
    found = next(differences(mine.trace, theirs.trace, LEVELS), None)
    if found is not None and found.index <= parted:
        moment = (mine if found.refused else theirs).moments[found.index]
        field = moment.field if found.field == "returned" else found.field
        return First(
            moment.token,
            found.cache or moment.layer,
            field if not found.refused else f"{moment.field}: raised",
            place(found.subject, found.reference),
            *_texts(found.subject, found.reference),
        )
    if parted == len(mine.moments) == len(theirs.moments):
        return None
    ours, other = (_moment(played.moments, parted) for played in (mine, theirs))
    return First(other[0], other[1], "what came next", {}, ours[2], other[2])


def _moment(moments: list[Moment], index: int) -> Moment:
    return moments[index] if index < len(moments) else Moment("the end", None, "nothing")


def _texts(subject: Any, reference: Any) -> tuple[str, str]:
    """Both sides in words: the first number that differs where dtype and shape are the same."""
    if isinstance(subject, Frozen) and isinstance(reference, Frozen):
        format_ = _FORMATS.get(subject.dtype)
        alike = (subject.dtype, subject.shape) == (reference.dtype, reference.shape)
        if alike and format_ is not None:
            # By bytes: -0.0 is not 0.0 here, and one NaN may be another.
            bytes_ = enumerate(zip(subject.data, reference.data, strict=True))
            at = next(index for index, (mine, theirs) in bytes_ if mine != theirs)
            at -= at % calcsize(format_)
            (mine,), (theirs,) = (unpack_from(format_, x.data, at) for x in (subject, reference))
            return repr(mine), repr(theirs)
    elif type(subject) is type(reference) is tuple and len(subject) == len(reference):
        pairs = zip(subject, reference, strict=True)
        return _texts(*next(pair for pair in pairs if not same(*pair)))
    return _text(subject), _text(reference)


def _text(value: Any) -> str:
    if isinstance(value, Frozen):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, Raised):
        return f"{value.name}: {value.message}"
    return "an answer" if isinstance(value, tuple) else repr(value)
