"""Every transition of the event table wrote its event, once: counted against what the rows say has happened."""

from __future__ import annotations

from sqlalchemy import text

from comms.services.checking.invariant import Invariant


def _told(kind: str, event: str, alias: str) -> str:
    return (
        f"(SELECT count(*) FROM outbox_events o WHERE o.key = '{kind}:' || {alias}.id"  # noqa: S608 - parts of this file
        f" AND o.event_type = 'communication.{event}')"
    )


def _tries(*outcomes: str) -> str:
    listed = ", ".join(f"'{outcome}'" for outcome in outcomes)
    return f"(SELECT count(*) FROM delivery_attempts d WHERE d.email_id = e.id AND d.outcome IN ({listed}))"  # noqa: S608


def _emails(event: str, expected: str) -> Invariant:
    query = f"SELECT 'email:' || e.id FROM emails e WHERE {_told('email', event, 'e')} {expected}"  # noqa: S608
    return Invariant(f"{event}_not_told_once", f"what `{event}` announces is announced once", text(query))


def _calls(event: str, expected: str) -> Invariant:
    query = f"SELECT 'call:' || c.id FROM phone_calls c WHERE {_told('call', event, 'c')} {expected}"  # noqa: S608
    return Invariant(f"{event}_not_told_once", f"what `{event}` announces is announced once", text(query))


def _one_if(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


_ANSWERS = text(f"""
    SELECT 'email:' || e.id FROM emails e WHERE e.response_received
    AND {_told("email", "response_recorded", "e")} < (
        SELECT CASE WHEN count(*) > 1 THEN count(*) ELSE 1 END FROM email_batches b
        WHERE b.email_id = e.id AND b.response_outcome IS NOT NULL)
    UNION ALL
    SELECT 'call:' || c.id FROM phone_calls c WHERE {_told("call", "response_recorded", "c")} < (
        SELECT count(*) FROM phone_call_batches b WHERE b.phone_call_id = c.id AND b.outcome IS NOT NULL)""")  # noqa: S608

INVARIANTS = (
    _emails("email_created", "<> 1"),
    _emails("email_sent", "<> " + _one_if("e.sent_at IS NOT NULL")),
    _emails("email_failed", "<> " + _tries("refuse") + " + " + _one_if("e.status = 'bounced'")),
    # an answer that came after a rescue ends the doubt, and its attempt says accept
    _emails("email_in_doubt", f"NOT BETWEEN {_tries('lose')} AND {_tries('lose', 'accept')}"),
    _emails("email_canceled", "<> " + _one_if("e.status = 'canceled'")),
    # a call is announced again when it is moved or speaks of more
    _calls("call_scheduled", "= 0"),
    _calls("call_completed", "<> " + _one_if("c.status = 'completed'")),
    # one that was reached after all had failed before
    _calls("call_failed", "NOT BETWEEN " + _one_if("c.status = 'failed'")
           + " AND " + _one_if("c.status IN ('failed', 'completed')")),
    _calls("call_canceled", "<> " + _one_if("c.status = 'canceled'")),
    Invariant("answer_not_told", "every answer is announced", _ANSWERS),
)  # fmt: skip
