"""The daily batch: plan, store the plan, and make the emails chunk by chunk. Flows and commands call the same steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.exc import DataError, IntegrityError

from comms import logs
from comms.rules.batching import Decision, plan_batches
from comms.rules.contact import Reason, Verdict
from comms.rules.policy import ContactPolicy
from comms.services.batching.creating import Created, create_emails
from comms.services.batching.decisions import note_emails, note_refusals, store_decisions
from comms.services.batching.preparing import PlannedEmail, Prepared, load_people, prepare_emails
from comms.services.correspondence import Correspondence
from comms.services.planning import load_inquiries, plan_next_batch
from comms.services.stories import mark_email, origin_ids, stories_of_emails
from comms.store.outbox import Story
from comms.store.session import Sessions, reading, writing
from comms.store.staff import raise_item

log = logs.logger("comms.batching")

CHUNK_SIZE = 50
"""Keys of a chunk stay locked until its commit, so a chunk stays small."""


@dataclass
class BatchReport:
    """What a run did: `emails` {therapist: email}, `refused` reason to number of therapists."""

    therapists: int = 0
    emails: dict[int, int] = field(default_factory=dict)
    patients: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    """Why requests wait, reason to number of requests."""


def process_pending_requests(
    sessions: Sessions,
    at: datetime,
    policy: ContactPolicy,
    correspondence: Correspondence,
    run_key: str,
    *,
    limit: int | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> BatchReport:
    """Group all open requests into emails, at most one per therapist and mailbox a week.

    Safe to run twice and at once: whoever loses a claim reports the reason it finds then.
    """
    decisions = plan_run(sessions, at, policy, run_key, limit=limit)
    report = summarise(decisions)
    for chunk in chunks_of(decisions, chunk_size):
        created = create_batch_emails(sessions, chunk, at, policy, correspondence, run_key)
        add_created(report, chunk, created)
    return report


def plan_run(
    sessions: Sessions,
    at: datetime,
    policy: ContactPolicy,
    run_key: str,
    *,
    limit: int | None = None,
    therapist_ids: Collection[int] | None = None,
) -> list[Decision]:
    """Decide (only about these therapists, where some are named), and store what was decided under the run's key."""
    with reading(sessions) as session:
        inquiries = load_inquiries(session, at, policy, therapist_ids)
    decisions = plan_batches(inquiries, at, policy, limit)  # in no transaction: about a million it takes a while
    with writing(sessions) as session:
        store_decisions(session, run_key, decisions, at)
    return decisions


def chunks_of(decisions: Sequence[Decision], size: int) -> list[list[PlannedEmail]]:
    """Split the emails to be made into chunks that one transaction can take."""
    planned = [PlannedEmail(d.therapist_id, d.chosen) for d in decisions if d.chosen]
    return [planned[start : start + size] for start in range(0, len(planned), size)]


def create_batch_emails(
    sessions: Sessions,
    chunk: Sequence[PlannedEmail],
    at: datetime,
    policy: ContactPolicy,
    correspondence: Correspondence,
    run_key: str,
) -> Created:
    """Make the emails of one chunk: render without a lock, then claim and write in one transaction.

    Data that the database refuses costs only its own email: the chunk is then written one by one.
    """
    with reading(sessions) as session:
        therapists, patients = load_people(session, chunk)
    prepared = prepare_emails(chunk, therapists, patients, correspondence, at)
    try:
        return _write(sessions, prepared, at, policy, run_key)
    except (DataError, IntegrityError):
        return _write_one_by_one(sessions, prepared, at, policy, run_key)


def _write(sessions: Sessions, prepared: Prepared, at: datetime, policy: ContactPolicy, run_key: str) -> Created:
    with writing(sessions) as session:
        created = create_emails(session, prepared.written, at, policy, run_key)
        created.refused |= _unprepared(prepared)
        for therapist_id, code in prepared.unwritable.items():
            raise_item(
                session, "therapist", therapist_id, "letter_not_rendered", at,
                therapist_id=therapist_id, details={"code": code},
            )  # fmt: skip
        note_emails(session, run_key, created.emails)
        note_refusals(session, run_key, created.refused)
        stories = stories_of_emails(session, created.emails.values())
    _tell(created, stories)
    return created


def _tell(created: Created, stories: Mapping[str, Story]) -> None:
    emails, origins = sorted(created.emails.values()), origin_ids(stories.values())
    log.info("emails_created", email_ids=emails, refused=len(created.refused), origin_ids=origins)
    for id_ in emails:
        mark_email("created", id_, stories.get(f"email:{id_}", Story()))


def _write_one_by_one(
    sessions: Sessions, prepared: Prepared, at: datetime, policy: ContactPolicy, run_key: str
) -> Created:
    total = _write(sessions, replace(prepared, written=[]), at, policy, run_key)
    for email in prepared.written:
        try:
            created = _write(sessions, Prepared([email]), at, policy, run_key)
        except (DataError, IntegrityError):
            refused = Prepared(unwritable={email.therapist_id: "refused_by_database"})
            created = _write(sessions, refused, at, policy, run_key)
        total.emails |= created.emails
        total.refused |= created.refused
    return total


def create_batch_email(
    sessions: Sessions,
    therapist_id: int,
    at: datetime,
    policy: ContactPolicy,
    correspondence: Correspondence,
    run_key: str,
) -> Created:
    """Plan and make the email of one therapist; `refused` says why there is none."""
    with reading(sessions) as session:
        decisions = plan_next_batch(session, at, policy, therapist_ids=[therapist_id])
    refused = {d.therapist_id: d.verdict for d in decisions if not d.verdict.allowed}
    for chunk in chunks_of(decisions, 1):
        return create_batch_emails(sessions, chunk, at, policy, correspondence, run_key)
    return Created(refused=refused)


def _unprepared(prepared: Prepared) -> dict[int, Verdict]:
    changed = {id_: Verdict(Reason.CHANGED_MEANWHILE) for id_ in prepared.changed}
    return changed | {id_: Verdict(Reason.LETTER_NOT_RENDERED) for id_ in prepared.unwritable}


def summarise(decisions: Sequence[Decision]) -> BatchReport:
    """Count a plan as far as it is settled before any email is made."""
    report = BatchReport(therapists=len(decisions))
    for decision in decisions:
        if decision.verdict.reason:
            report.refused[decision.verdict.reason] += 1
        report.waiting.update(fate.reason for fate in decision.fates if fate.reason)
    return report


def add_created(report: BatchReport, chunk: Sequence[PlannedEmail], created: Created) -> None:
    """Count what became of a chunk."""
    requests: Mapping[int, int] = {email.therapist_id: len(email.request_ids) for email in chunk}
    report.emails |= created.emails
    report.patients += sum(requests[id_] for id_ in created.emails)
    for id_, verdict in created.refused.items():
        report.refused[str(verdict.reason)] += 1
        report.waiting[str(verdict.reason)] += requests[id_]
