"""What the writer's thread does: marks and answers at once, and for many at a time what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from comms import logs
from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault, Reply
from comms.rules.retry import Kind, classify
from comms.services.heartbeats import FAILING, MAIL, OK, beat
from comms.services.places import lock_emails
from comms.services.sending.channel import end_rest, let_channel_rest, pause_channel, resting_until
from comms.services.sending.claim import renew_leases
from comms.services.sending.marks import grant_marks, note_answers
from comms.services.sending.report import Tally
from comms.services.sending.settle import Ending, settle
from comms.services.sending.values import ChannelFailed, Claimed, RenewLeases, Result, Told
from comms.services.stories import mark_email, origin_ids, stories_of_emails
from comms.store.engines import clock
from comms.store.models import Email
from comms.store.outbox import Story
from comms.store.session import Sessions, writing

log = logs.logger("comms.sender")

_NO_ANSWER = (Kind.CONFIGURATION, Kind.CHANNEL_TRANSIENT, Kind.UNKNOWN, Kind.RETURNED)
_COUNTS = {"accept": "sent", "defer": "deferred", "refuse": "failed", "lose": "in_doubt"}


class Records:
    """Everything that one owner writes down between claim and end of a run."""

    def __init__(self, sessions: Sessions, owner: str, policy: SendingPolicy, tally: Tally) -> None:
        self._sessions, self._owner, self._policy, self._tally = sessions, owner, policy, tally
        self._may_rest = True
        """A rest may stand in the database; looked for until an email was taken."""
        self._has_beaten = False
        """This run has said how the relay does; after a failure it has nothing better to say."""

    def write(self, asked: Sequence[Claimed], told: Sequence[Told]) -> Collection[Claimed]:
        """Commit marks and answers; return the marks that were granted. Times are the database's."""
        results = _results(told)
        with writing(self._sessions) as session:
            at = clock(session)
            _lock(session, {claimed.email_id for claimed in asked})
            if any(isinstance(item, RenewLeases) for item in told):
                renew_leases(session, self._owner, at, self._policy.lease)
            granted = grant_marks(session, self._owner, asked, at)
            note_answers(session, results, at)
            for item in told:
                if isinstance(item, ChannelFailed):
                    self._note_failure(session, item.reply, at)
        return [claimed for claimed in asked if claimed.email_id in granted]

    def _note_failure(self, session: Session, reply: Reply, at: datetime) -> None:
        if classify(reply) is Kind.CHANNEL_TRANSIENT:
            let_channel_rest(session, reply, at, self._policy.breaker_pause)
        else:
            pause_channel(session, reply, at)
        beat(session, MAIL, FAILING, str(reply), at)
        self._has_beaten = True

    def finish(self, told: Sequence[Told]) -> None:
        """Move the emails as their answers say, with everything that follows."""
        results = _results(told)
        if not results:
            return
        with writing(self._sessions) as session:
            at = clock(session)
            _lock(session, {result.claimed.email_id for result in results})
            done = settle(session, self._owner, results, at, self._policy)
            self._wake(session, done, at)
            self._beat(session, results, at)
            stories = stories_of_emails(session, [ending.email_id for endings in done.values() for ending in endings])
        self._count(done)
        _tell(done, stories.values())
        _mark(done, stories)

    def _wake(self, session: Session, done: Mapping[str, Sequence[Ending]], at: datetime) -> None:
        if not (self._may_rest and done.get("accept")):
            return
        until = resting_until(session)
        if until and until <= at:
            end_rest(session)
        self._may_rest = bool(until)

    def _beat(self, session: Session, results: Sequence[Result], at: datetime) -> None:
        """Say once a run that the relay answers; a refusal of one letter is an answer too."""
        if not self._has_beaten and any(classify(result.reply) not in _NO_ANSWER for result in results):
            beat(session, MAIL, OK, None, at)
            self._has_beaten = True

    def _count(self, done: Mapping[str, Sequence[Ending]]) -> None:
        for verb, endings in done.items():
            self._tally.add(_COUNTS[verb], [ending.email_id for ending in endings])
            for ending in endings:
                if verb != "accept":
                    self._tally.add_kind(ending.decision.kind)
        refused = [e.email_id for e in done.get("defer", ()) if e.result.reply.fault is Fault.MARK_REFUSED]
        self._tally.add("refused_marks", refused)


def _tell(done: Mapping[str, Sequence[Ending]], stories: Collection[Story]) -> None:
    """One line for what was finished together: which emails ended how, who made them, what had asked for them."""
    log.info(
        "emails_sent" if done.keys() <= {"accept"} else "emails_tried",
        **{_COUNTS[verb]: [ending.email_id for ending in endings] for verb, endings in done.items() if endings},
        made_by=sorted({story.correlation_id for story in stories if story.correlation_id}),
        origin_ids=origin_ids(stories),
    )


def _mark(done: Mapping[str, Sequence[Ending]], stories: Mapping[str, Story]) -> None:
    for verb, endings in done.items():
        for ending in endings:
            story = stories.get(f"email:{ending.email_id}", Story())
            mark_email(_COUNTS[verb], ending.email_id, story, reply=str(ending.result.reply))


def _results(told: Sequence[Told]) -> list[Result]:
    return [item for item in told if isinstance(item, Result)]


def _lock(session: Session, ids: Collection[int]) -> None:
    """Several emails at once are locked in the order of their ids, as everybody does."""
    if len(ids) > 1:
        lock_emails(session, Email.id.in_(ids))
