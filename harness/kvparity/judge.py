"""From two traces to a verdict: what differs, what is declared, and whose fault it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kvoracle.face import Face
from kvparity import facts
from kvparity.compare import Difference, differences, place, same
from kvparity.ledger import Entry, Found, Ledger
from kvparity.observe import LEVEL_OF, Level
from kvparity.operations import subject_of
from kvparity.program import Op, Program
from kvparity.trace import Raised, Stop, Trace
from kvparity.views import viewed
from kvreports.model import Finding, RaisedValue, Value, Verdict
from kvreports.words import in_words
from kvscenarios.loader import CORPUS

LACKING = "lacking"
_PROMISES = {
    "handed_out": "an array that was returned here changed later",
    "handed_in": "an array that was given here was written to",
}


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on."""

    verdict: Verdict
    findings: tuple[Finding, ...]


def judge(
    program: Program,
    subject: Trace,
    reference: Trace,
    *,
    face: Face,
    levels: Collection[Level],
    ledger: Ledger,
) -> Judgement:
    """The verdict on two traces; `face` is the subject's, and says what it promises."""
    judge_ = _Judge(program, ledger, face, subject, reference)
    found = [
        *judge_.stops(subject, reference),
        *judge_.differences(subject, reference, levels),
        *judge_.misses(subject, reference),
    ]
    found.sort(key=lambda finding: (finding.declared is not None, finding.index))
    verdict = _verdict(found)
    by_hand = verdict == "reference-moved" and program.scenario.traced == "hand"
    if not by_hand:
        return Judgement(verdict, tuple(found))
    found.sort(key=lambda one: (one.declared is not None, one.side != "reference", one.index))
    return Judgement("hand-differs", tuple(found))


class _Judge:
    def __init__(
        self, program: Program, ledger: Ledger, face: Face, subject: Trace, reference: Trace
    ) -> None:
        self.program = program
        self.face = face
        self.ledger = ledger
        self.traces = subject, reference
        self.spreading: tuple[int, Entry] | None = None

    def stops(self, subject: Trace, reference: Trace) -> Iterator[Finding]:
        for side, trace in (("subject", subject), ("reference", reference)):
            stop = trace.stop
            if stop is not None:
                lacks = side == "subject" and self._lacks(stop, reference)
                why = LACKING if lacks else stop.why
                yield self.finding("stop", stop.index, "returned", why, stop.message, side=side)

    def _lacks(self, stop: Stop, reference: Trace) -> bool:
        """Whether the subject ends for want of what it is to have: the reference goes on."""
        goes_on = reference.stop is None or reference.stop.index > stop.index
        return self.face.complete and stop.why == "unsupported" and goes_on

    def differences(
        self, subject: Trace, reference: Trace, levels: Collection[Level]
    ) -> Iterator[Finding]:
        """Declared differences, and the first that is not."""
        found = differences(subject, reference, levels, complete=self.face.complete, layouts=True)
        for difference in found:
            finding = self._difference(difference)
            yield finding
            if finding.declared is None:
                return

    def misses(self, subject: Trace, reference: Trace) -> Iterator[Finding]:
        """Pinned facts that a side does not meet, and promises that the subject breaks.

        What our corpus pins is what the pinned release does. At an older one, two sides that agree
        on something else are not told so. What the reference is known to miss, a subject may miss
        likewise, but not a hardened one, which the entry says to do better.
        """
        typed_errors = self.face.typed_errors
        missed = partial(facts.misses, self.program, hardened_subject=typed_errors)
        mine = {(miss.index, miss.fact): miss for miss in missed(subject, errors=typed_errors)}
        theirs = {(miss.index, miss.fact): miss for miss in missed(reference, errors=False)}
        alike = {at for at in mine.keys() & theirs if same(mine[at].actual, theirs[at].actual)}
        known = self._known(reference, theirs.values()) if theirs else {}
        of_the_past = alike and self.ledger.of_the_past and self._is_ours()
        past = alike - known.keys() if of_the_past else set()
        for side, misses in (("subject", mine), ("reference", theirs)):
            for at in sorted(misses.keys() - past):
                shared = at in alike and not typed_errors
                entry = known.get(at) if side == "reference" or shared else None
                yield self._miss(misses[at], "fact", side, entry)
        # What the reference does to its own arrays, those of a hardened subject still promise.
        for miss in facts.broken_promises(subject, None if typed_errors else reference):
            yield self._miss(miss, "promise", "subject")

    def _is_ours(self) -> bool:
        return Path(self.program.scenario.file).absolute().is_relative_to(CORPUS)

    def _known(
        self, reference: Trace, misses: Iterable[facts.Miss]
    ) -> dict[tuple[int, str], Entry]:
        """The facts that the reference is known to miss, by themselves or from an earlier op on."""
        known: dict[tuple[int, str], Entry] = {}
        spreading: list[tuple[int, Entry]] = []
        for index, entry in enumerate(reference.entries):
            if entry.raised is not None and not entry.aside:
                raised = self._known_at(index, "raised", entry.raised)
                spreading += [(index, raised)] if raised else []
        for miss in misses:
            found = self._known_at(miss.index, miss.fact, miss.actual)
            if found is not None and found.spreads:
                spreading.append((miss.index, found))
            earlier = (entry for index, entry in spreading if index <= miss.index)
            found = found or next(earlier, None)
            if found is not None:
                known[miss.index, miss.fact] = found
        return known

    def _known_at(self, index: int, fact: str, actual: Any) -> Entry | None:
        reference = viewed(actual, fact, self.program.paint)
        field = facts.COMPARED_AS.get(fact, fact)
        return self.ledger.known(self.program.scenario, self._found(index, field, reference))

    def _difference(self, difference: Difference) -> Finding:
        return self.finding(
            "refused" if difference.refused else "difference",
            difference.index,
            difference.level,
            difference.field,
            _difference_text(difference),
            cache=difference.cache,
            place=place(difference.subject, difference.reference),
            subject=viewed(difference.subject, difference.field, self.program.paint),
            reference=viewed(difference.reference, difference.field, self.program.paint),
        )

    def _miss(self, miss: facts.Miss, what: str, side: str, known: Entry | None = None) -> Finding:
        level = LEVEL_OF.get(miss.fact, "returned" if what == "promise" else "state")
        pinned = "traced" if self.program.scenario.traced == "hand" else "pinned"
        message = f"the {side} does not meet the {pinned} {miss.fact}"
        if what == "promise":
            message = _PROMISES.get(miss.fact, f"the array that was {miss.fact} here changed later")
        actual = viewed(miss.actual, miss.fact, self.program.paint)
        return self.finding(
            what,
            miss.index,
            level,
            miss.fact,
            message,
            known=known,
            side=side,
            cache=miss.cache,
            expected=viewed(miss.expected, miss.fact, self.program.paint),
            subject=actual if side == "subject" else None,
            reference=actual if side == "reference" else None,
        )

    def finding(
        self,
        what: Any,
        index: int,
        level: str,
        field: str,
        message: str,
        *,
        known: Entry | None = None,
        **rest: Any,
    ) -> Finding:
        op = self._op(index)
        failed = what in {"fact", "promise"} and rest.get("side") == "subject"
        entry = None
        if what != "stop" or field == LACKING:
            field_ = facts.COMPARED_AS.get(field, field)
            entry = self._entry(index, field_, what, failed=failed, **rest) or known
            spreads = entry is not None and (entry.spreads or what == "refused")
            if entry is not None and spreads and self.spreading is None:
                self.spreading = index, entry
        return Finding(
            what=what,
            index=index,
            step=op.index + 1,
            op=self.program.label(op),
            level=level,
            field=field,
            message=message,
            declared=entry.id if entry else None,
            why=entry.why if entry else None,
            reason=entry.reason if entry else None,
            **rest,
        )

    def _entry(
        self, index: int, field: str, what: str, *, failed: bool, **rest: Any
    ) -> Entry | None:
        """The entry that declares a finding, by itself or as what follows from an earlier one.

        What a hardened subject promises of its arrays follows from nothing.
        """
        found = self._found(index, field, rest.get("reference"), rest.get("cache"))
        found = found._replace(subject_failed=failed)
        entry = self.ledger.declare(self.program.scenario, found)
        follows = what != "promise" or not self.face.typed_errors
        if entry is None and self.spreading is not None and follows:
            start, spreading = self.spreading
            excused = not failed or spreading.why == "by-design"
            return spreading if index >= start and excused else None
        return entry

    def _found(self, index: int, field: str, reference: Value, cache: str | None = None) -> Found:
        """What was found after an op, as entries are matched with it."""
        op = self._op(index)
        return Found(
            op.name,
            field,
            self._kind(index, cache or subject_of(op)),
            reference.raised if isinstance(reference, RaisedValue) else None,
            in_words(reference, width=None),
        )

    def _kind(self, index: int, cache: str | None) -> str | None:
        """The kind of a cache after an op, on whichever side has it."""
        for trace in self.traces:
            if index < len(trace.entries) and cache in trace.entries[index].held:
                return trace.entries[index].held[cache].kind
        return None

    def _op(self, index: int) -> Op:
        return self.program.ops[min(index, len(self.program.ops) - 1)]


def _difference_text(difference: Difference) -> str:
    if difference.refused:
        who = "subject" if isinstance(difference.subject, Raised) else "reference"
        return f"only the {who} raised"
    return f"{difference.field} differs"


def _verdict(findings: Collection[Finding]) -> Verdict:
    """The verdict that the findings add up to, in a fixed order of weight."""
    open_ = [finding for finding in findings if finding.declared is None]
    for stop in ("crashed", "timeout"):
        if any(finding.what == "stop" and finding.field == stop for finding in open_):
            return "crashed" if stop == "crashed" else "timeout"
    missed = {finding.side for finding in open_ if finding.what in {"fact", "promise"}}
    differing = [f for f in open_ if f.what in {"difference", "refused"}]
    if "reference" in missed and "subject" not in missed:
        return "reference-moved"
    if any(finding.what == "promise" for finding in open_):
        return "diverge"
    if differing:
        return "refused" if differing[0].what == "refused" else "diverge"
    if missed:
        return "reference-moved" if "reference" in missed else "subject-moved"
    stops = {finding.field for finding in open_ if finding.what == "stop"}
    if stops:
        return "lacking" if LACKING in stops else "unsupported"
    return "declared" if findings else "conform"
