"""A run as SARIF 2.1.0, for code scanning: a result a failing scenario, where its file says it.

What has no place in a file, such as a stale entry of the ledger, is told as a notification.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from kvreports.brief import again, failing_records
from kvreports.model import Record, Run
from kvreports.words import MEANING, failing_verdicts, plain

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(run: Run) -> str:
    """The run as one SARIF log, in ASCII."""
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(run)]}, indent=1)


def _run(run: Run) -> dict[str, Any]:
    rules = [{"id": v, "shortDescription": {"text": MEANING[v]}} for v in failing_verdicts()]
    return {
        "tool": {"driver": {"name": "kvparity", "version": plain(run.header.tool), "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": run.footer.exit_code,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": plain(f"ledger: {p.id}: {p.message}")}}
                    for p in run.footer.ledger
                ],
            }
        ],
        "results": [_result(run, record) for record in failing_records(run)],
    }


def _result(run: Run, record: Record) -> dict[str, Any]:
    return {
        "ruleId": record.verdict,
        "level": "error",
        "message": {"text": f"{plain(record.id)}: {plain(record.summary)}"},
        "locations": [{"physicalLocation": _place(record)}],
        "partialFingerprints": {"scenario/v1": plain(record.digest)},
        "properties": {"again": plain(again(run, record))},
    }


def _place(record: Record) -> dict[str, Any]:
    file = PurePath(record.file)
    uri = f"file://{quote(file.as_posix())}" if file.is_absolute() else quote(file.as_posix())
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if record.line:
        place["region"] = {"startLine": record.line}
    return place
