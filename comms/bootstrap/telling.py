"""What a job did as rows that a person can read: counts, reasons in plain words, ids. For artifacts and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from comms.bootstrap.checking import CHECK_INVARIANTS, PROMISES, name_rows
from comms.bootstrap.events import HANDLE_EVENTS, RELAY_EVENTS
from comms.bootstrap.jobs import DAILY_BATCH, FOLLOW_UPS, SEND_QUEUE
from comms.bootstrap.platform import SYNC_PLATFORM
from comms.bootstrap.steps import Step
from comms.rules.policy import BERLIN
from comms.rules.wording import explain

SHOWN_RANGES = 20
"""Ranges of ids shown in one row; all of them are in the database under the run's key."""

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
    "future": "nothing was sent: the instant lies in the future",
    "paused": "sending is paused: comms resume",
    "resting": "the relay failed; sending rests and goes on by itself",
    "stopped": "the run was asked to end; the rest stays in the queue",
    "database": "the database failed; what was sent is noted, the rest stays in the queue",
}
_PLATFORM = {
    "requests": "requests that the platform calls open",
    "requests_new": "of them new here",
    "requests_changed": "of them changed here",
    "therapists_learned": "therapists whose facts came over",
    "patients_learned": "patients whose facts came over",
    "told": "requests set in progress at the platform",
    "untold": "requests that the platform is still to hear of",
}
_RELAY = {
    "published": "events published",
    "recovered": "events found on the topic that nobody had marked",
    "refused": "events that the broker refused: comms events list",
}
_RELAY_ENDS = {
    "not_configured": "nothing was published: no brokers are set",
    "standby": "comms relay is at work and publishes",
    "away": "the broker does not answer; events wait",
    "limit": "the limit of this run is reached; the rest waits",
}
_INBOX = {
    "unchanged": "events that changed nothing",
    "older": "events about which something newer was known",
    "failed": "events that failed and are tried again",
    "dead": "events given up: comms events dead-letters",
    "waiting": "statuses that wait for their request",
}
_INBOX_ENDS = {
    "standby": "another run is at work",
    "limit": "the limit of this run is reached; the rest waits",
}
_STANDING = {"dry_run": "Dry run as of", "future_instant": "Acted as of the future instant"}


def heading(counts: Step) -> str:
    """As of when the run acted, in local time, and its name in the database."""
    at = datetime.fromisoformat(counts["at"]).astimezone(BERLIN)
    return f"{_STANDING.get(counts['standing'], 'As of')} {at:%d.%m.%Y %H:%M:%S} (Berlin). Run key: {counts['key']}"


def rows_of(counts: Step) -> list[Row]:
    """The rows of a whole job's counts."""
    return _ROWS[counts["job"]](counts)


def _daily(counts: Step) -> list[Row]:
    dry = counts["standing"] == "dry_run"
    made = "emails that would be made" if dry else "emails made"
    return [
        _row("therapists with an open request", counts["therapists"]),
        _row(made, counts["emails"], counts["email_ids"]),
        _row("patients in these emails", counts["patients"]),
        *_reasons("therapist not contacted: ", counts["refused"]),
        *_reasons("request waits: ", counts["waiting"]),
        *_sent(counts["sending"]),
        *(_calls(counts["calls"]) if counts["calls"] else ()),
        *_platform(counts["platform"]),
    ]


def _queue(counts: Step) -> list[Row]:
    return [_row("emails due", counts["due"]), *_sent(counts)]


def _sent(sent: Step) -> list[Row]:
    rows = [_row(words, sent[name]) for name, words in _SENDING.items() if sent[name] or name == "sent"]
    rows += _reasons("not sent: ", sent["by_kind"])
    if sent["troubled_ids"]:
        rows.append(_row("emails that need a look", len(sent["troubled_ids"]), sent["troubled_ids"]))
    if sent["ended"] in _ENDS:
        rows.append(_row(_ENDS[sent["ended"]], ""))
    return rows


def _calls(calls: Step) -> list[Row]:
    rows = [_row("calls booked", calls["scheduled"], calls["call_ids"])]
    if calls["joined"]:
        rows.append(_row("therapists whose call takes up more", calls["joined"]))
    rows += _reasons("no call: ", calls["refused"])
    if calls["beyond_limit"]:
        rows.append(_row("therapists beyond the limit of this run", calls["beyond_limit"]))
    return rows


def _sync(counts: Step) -> list[Row]:
    if counts["platform"]["asked"]["ended"] == "not_configured":
        return [_row("nobody was asked: no URL of the platform is set", "")]
    return list(_platform(counts["platform"]))


def _platform(platform: Mapping[str, Step]) -> Iterator[Row]:
    """Nothing where the platform was not spoken to."""
    for said in (platform["asked"], platform["told"]):
        yield from (_row(words, said[name]) for name, words in _PLATFORM.items() if name in said)
        yield from _reasons("platform: ", said.get("faults", {}))


def _relay(counts: Step) -> list[Row]:
    rows = [_row(words, counts[name]) for name, words in _RELAY.items() if counts.get(name) or name == "published"]
    if counts["ended"] in _RELAY_ENDS:
        rows.append(_row(_RELAY_ENDS[counts["ended"]], ""))
    return rows


def _inbox(counts: Step) -> list[Row]:
    written, new = counts["written"], counts["new_request_ids"]
    rows = [_row("events applied", sum(counts["applied"].values()))]
    rows += [_row(f"of them {name}", number) for name, number in counts["applied"].items()]
    rows += [_row(words, counts[name]) for name, words in _INBOX.items() if counts[name]]
    if new:
        rows.append(_row("placement requests that are new", len(new), new))
    rows += _platform({"asked": counts["facts"], "told": {}})
    if written["emails"]:
        rows += [_row("emails made at once", written["emails"]), *_sent(written["sending"])]
    if counts["ended"] in _INBOX_ENDS:
        rows.append(_row(_INBOX_ENDS[counts["ended"]], ""))
    return rows


def _checked(counts: Step) -> list[Row]:
    broken = counts["broken"]
    rows: list[Row] = [_row("invariants asked for", counts["asked"]), _row("of them broken", len(broken))]
    told = ((f"{code}: not so: {PROMISES[code]}", found) for code, found in broken.items())
    return rows + [{"what": what, "number": len(found), "ids": name_rows(found)} for what, found in told]


_ROWS: dict[str, Callable[[Step], list[Row]]] = {
    DAILY_BATCH: _daily,
    SEND_QUEUE: _queue,
    FOLLOW_UPS: _calls,
    SYNC_PLATFORM: _sync,
    RELAY_EVENTS: _relay,
    HANDLE_EVENTS: _inbox,
    CHECK_INVARIANTS: _checked,
}


def _reasons(prefix: str, counts: Mapping[str, int]) -> Iterator[Row]:
    for code, number in counts.items():
        yield _row(prefix + explain(code), number)


def _row(what: str, number: int | str, ids: Sequence[int] = ()) -> Row:
    return {"what": what, "number": number, "ids": ranges(ids)}


def ranges(ids: Sequence[int]) -> str:
    """Write ids compactly: 3, 5–9, 12."""
    found: list[list[int]] = []
    for id_ in sorted(ids):
        if found and id_ == found[-1][1] + 1:
            found[-1][1] = id_
        else:
            found.append([id_, id_])
    shown = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in found[:SHOWN_RANGES])
    return shown + (" …" if found[SHOWN_RANGES:] else "")
