"""One table per run that a person can read: counts, reasons in plain words, ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prefect.artifacts import acreate_table_artifact

from comms.bootstrap.jobs import Step
from comms.rules.wording import explain

SHOWN_IDS = 40
"""Ids shown in one row; the others are in the database under the run's key."""

Row = dict[str, str | int]

_SENDING = {
    "sent": "emails sent: the relay took them",
    "deferred": "emails deferred: they are tried again",
    "failed": "emails failed: on the staff list or now calls",
    "in_doubt": "emails in doubt: on the staff list",
    "rescued": "emails taken over from a sender that died",
    "canceled": "emails canceled: must not be written to any more",
}
_ENDS = {
    "dry_run": "nothing was sent: dry run",
    "future_instant": "nothing was sent: the instant lies in the future",
    "paused": "sending is paused: comms resume",
    "resting": "the relay failed; sending rests and goes on by itself",
    "stopped": "the run was asked to end; the rest stays in the queue",
    "database": "the database failed; what was sent is noted, the rest stays in the queue",
}


async def show(job: str, summary: Step, rows: Sequence[Row]) -> None:
    """Publish the table of a run under the job's name."""
    how = {"dry_run": "Dry run as of", "future_instant": "Acted as of the future instant"}.get(
        summary["standing"], "As of"
    )
    await acreate_table_artifact(list(rows), key=job, description=f"{how} {summary['at']}. Run key: {summary['key']}")


def daily_rows(summary: Step) -> list[Row]:
    dry = summary["standing"] == "dry_run"
    made = "emails that would be made" if dry else "emails made"
    return [
        _row("therapists with an open request", summary["therapists"]),
        _row(made, summary["emails"], summary["email_ids"]),
        _row("patients in these emails", summary["patients"]),
        *_reasons("therapist not contacted: ", summary["refused"]),
        *_reasons("request waits: ", summary["waiting"]),
        *sending_rows(summary["sending"]),
        *call_rows(summary["calls"]),
    ]


def sending_rows(sent: Step) -> list[Row]:
    rows = [_row(words, sent[name]) for name, words in _SENDING.items() if sent[name] or name == "sent"]
    rows += _reasons("not sent: ", sent["by_kind"])
    if sent["troubled_ids"]:
        rows.append(_row("emails that need a look", len(sent["troubled_ids"]), sent["troubled_ids"]))
    return rows + [_row(_ENDS[sent["ended"]], "") for _ in range(sent["ended"] in _ENDS)]


def call_rows(calls: Step) -> list[Row]:
    rows = [_row("calls booked", calls["scheduled"], calls["call_ids"])]
    if calls["joined"]:
        rows.append(_row("therapists whose call takes up more", calls["joined"]))
    return rows + list(_reasons("no call: ", calls["refused"]))


def _reasons(prefix: str, counts: Mapping[str, int]) -> Iterator[Row]:
    for code, number in counts.items():
        yield _row(prefix + explain(code), number)


def _row(what: str, number: int | str, ids: Sequence[int] = ()) -> Row:
    shown = ", ".join(map(str, ids[:SHOWN_IDS])) + (f" … and {len(ids) - SHOWN_IDS} more" if ids[SHOWN_IDS:] else "")
    return {"what": what, "number": number, "ids": shown}
