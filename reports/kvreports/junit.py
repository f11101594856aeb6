"""A run as JUnit XML: a suite a family, a test case a scenario; what CI systems read.

The form is the one of the Jenkins xUnit plug-in, which Surefire and pytest write as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from kvreports.brief import story
from kvreports.model import LedgerProblem, Record, Run
from kvreports.words import failing_verdicts, plain

_ERRORS = {"crashed", "timeout"}


def as_junit(run: Run) -> str:
    """The run as an XML document; its text ends with a newline."""
    suites: dict[str, list[TestCase]] = {}
    for record in run.records:
        family, _, name = record.id.partition("/")
        suites.setdefault(family, []).append(_case(run, record, family, name or family))
    if run.footer.ledger:
        suites.setdefault("ledger", []).extend(map(_problem, run.footer.ledger))
    document = JUnitXml("kvparity")
    made = [_suite(run, family, cases) for family, cases in suites.items()]
    for suite in made:
        document.add_testsuite(suite)
    document.tests = sum(suite.tests for suite in made)
    document.failures = sum(suite.failures for suite in made)
    document.errors = sum(suite.errors for suite in made)
    document.time = run.header.duration
    file = BytesIO()
    document.write(file)
    return file.getvalue().decode("utf-8") + "\n"


def _suite(run: Run, family: str, cases: list[TestCase]) -> TestSuite:
    suite = TestSuite(plain(family))
    suite.timestamp = plain(run.header.started)
    suite.add_property("subject", plain(run.header.subject.name))
    suite.add_property("reference", plain(run.header.reference.name))
    suite.add_testcases(cases)
    return suite


def _case(run: Run, record: Record, family: str, name: str) -> TestCase:
    case = TestCase(plain(name), plain(f"kvparity.{family}"))
    result = _result(run, record)
    if result is not None:
        case.result = [result]
    elif record.verdict == "declared":
        case.system_out = "\n".join(map(plain, _declared(record)))
    return case


def _result(run: Run, record: Record) -> Error | Failure | Skipped | None:
    summary = plain(record.summary)
    if record.verdict == "unsupported":
        return Skipped(summary, record.verdict)
    if record.verdict not in failing_verdicts():
        return None
    result = (Error if record.verdict in _ERRORS else Failure)(summary, record.verdict)
    place = f"{record.file}:{record.line}" if record.line else record.file
    result.text = "\n".join(map(plain, [place, *story(run, record)]))
    return result


def _declared(record: Record) -> Iterator[str]:
    """The entries that declare what was found, each with its reason."""
    reasons = {f.declared: f.reason for f in record.findings if f.declared is not None}
    for entry, reason in reasons.items():
        yield f"declared by {entry}: {reason}"


def _problem(problem: LedgerProblem) -> TestCase:
    case = TestCase(plain(problem.id), "kvparity.ledger")
    case.result = [Failure(plain(problem.message), problem.why)]
    return case
