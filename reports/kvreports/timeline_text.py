"""A timeline as lines for a terminal, and as a row of a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator

from kvreports.model import RaisedValue, Value
from kvreports.timeline import UNSUPPORTED, Stretch, Timeline, Transition
from kvreports.words import contrast, in_words, plain


def lines(timeline: Timeline) -> Iterator[str]:
    """The whole timeline, a line a fact; nothing in it steers a terminal."""
    for line in _lines(timeline):
        yield plain(line)


def _lines(timeline: Timeline) -> Iterator[str]:
    place = f"{timeline.file}:{timeline.line}" if timeline.line else timeline.file
    releases = [release for stretch in timeline.stretches for release in stretch.releases]
    yield f"{timeline.id}  {place}"
    if timeline.about:
        yield timeline.about
    yield ""
    yield runs(timeline)
    yield ""
    for transition in timeline.transitions:
        yield changed(transition)
    for stretch in timeline.stretches:
        yield from _outcome(stretch)
    for seen in timeline.visible:
        words = [f"{', '.join(seen.come)} can be seen"] if seen.come else []
        words += [f"{', '.join(seen.gone)} no longer can"] if seen.gone else []
        yield f"since {seen.release}: {'; '.join(words)}"
    for release in timeline.unsteady:
        yield f"{release} does otherwise when played again: it reads what was never written"
    yield _summary(timeline, len(releases))


def runs(timeline: Timeline) -> str:
    """The stretches in a row: `A 0.19.1 ... 0.19.3 | B 0.20.1 ... 0.28.0`."""
    return " | ".join(f"{stretch.letter} {_span(stretch)}" for stretch in timeline.stretches)


def changed(transition: Transition) -> str:
    """What changed at a transition, both sides, in one line."""
    return f"{transition.before} -> {transition.after}: {what_changed(transition)}"


def what_changed(transition: Transition) -> str:
    """What changed at a transition: where in the scenario, and what both sides have there."""
    change = transition.change
    where = f"step {change.step} ({change.op})"
    sides = (transition.before, change.before), (transition.after, change.after)
    if change.what == "value":
        what = contrast(change.field, change.place, *sides)
        on = f"{change.cache}: " if change.cache not in (None, "cache") else ""
        what = on + what
    elif change.what == "support":
        what = "; ".join(f"{version} {value}" for version, value in sides)
    else:
        what = ", ".join(_done(version, value) for version, value in sides)
    also = f"; also {', '.join(change.also)}" if change.also else ""
    return f"{where}: {what}{also}"


def _done(version: str, value: Value) -> str:
    did = "raised" if isinstance(value, RaisedValue) else "returned"
    return f"{version} {did} {in_words(value)}"


def _outcome(stretch: Stretch) -> Iterator[str]:
    if stretch.stopped is not None:
        yield f"{_span(stretch)}: {stretch.stopped}: {stretch.why}"
    for raised in stretch.raises:
        said = f"{raised.raised}: {raised.message}" if raised.message else raised.raised
        yield f"{_span(stretch)}: step {raised.step} ({raised.op}) raises {said}"


def _span(stretch: Stretch) -> str:
    several = len(stretch.releases) > 1
    return f"{stretch.first} ... {stretch.last}" if several else stretch.first


def _summary(timeline: Timeline, releases: int) -> str:
    letters = [s.letter for s in timeline.stretches if s.letter != UNSUPPORTED]
    behaviours = len(set(letters))
    changes = len(timeline.transitions)
    counts = ((releases, "release"), (changes, "change"), (behaviours, "behaviour"))
    counted = [_many(*count) for count in counts]
    undone = ", with a change undone" if _undone(letters) else ""
    return ", ".join(counted) + undone


def _undone(letters: list[str]) -> bool:
    return any(letter in letters[: at - 1] for at, letter in enumerate(letters) if at > 1)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def markdown_row(timeline: Timeline) -> str:
    """A row of a table: the scenario, its stretches, and what changed at each transition."""
    changes = "<br>".join(_escaped(changed(each)) for each in timeline.transitions)
    cells = (f"`{timeline.id}`", _escaped(runs(timeline)).replace(" \\| ", "<br>"), changes)
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    for char in "\\|<*_`[":
        text = text.replace(char, f"\\{char}" if char != "<" else "&lt;")
    return plain(text)
