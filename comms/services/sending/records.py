"""What the writer's thread does for one group: marks, results, leases and the channel, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session

from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault
from comms.rules.retry import Kind, classify
from comms.services.places import lock_emails
from comms.services.sending.channel import end_rest, let_channel_rest, pause_channel, resting_until
from comms.services.sending.claim import renew_leases
from comms.services.sending.marks import grant_marks
from comms.services.sending.report import Tally
from comms.services.sending.settle import Ending, settle
from comms.services.sending.values import ChannelFailed, Claimed, RenewLeases, Result, Told
from comms.store.engines import clock
from comms.store.models import Email
from comms.store.session import Sessions, writing

_COUNTS = {"accept": "sent", "defer": "deferred", "refuse": "failed", "lose": "in_doubt"}


class Records:
    """Everything that one owner writes down between claim and end of a run."""

    def __init__(self, sessions: Sessions, owner: str, policy: SendingPolicy, tally: Tally) -> None:
        self._sessions, self._owner, self._policy, self._tally = sessions, owner, policy, tally
        self._may_rest = True
        """A rest may stand in the database; looked for until an email was taken."""

    def write(self, asked: Sequence[Claimed], told: Sequence[Told]) -> Collection[Claimed]:
        """Commit one group; return the marks that were granted. Times are the database's."""
        results = [item for item in told if isinstance(item, Result)]
        with writing(self._sessions) as session:
            at = clock(session)
            _lock(session, asked, results)
            if any(isinstance(item, RenewLeases) for item in told):
                renew_leases(session, self._owner, at, self._policy.lease)
            granted = grant_marks(session, self._owner, asked, at)
            done = settle(session, self._owner, results, at, self._policy)
            for item in told:
                if isinstance(item, ChannelFailed):
                    self._note_failure(session, item)
            self._wake(session, done)
        self._count(done)
        return [claimed for claimed in asked if claimed.email_id in granted]

    def _note_failure(self, session: Session, failed: ChannelFailed) -> None:
        at = clock(session)
        if classify(failed.reply) is Kind.CHANNEL_TRANSIENT:
            let_channel_rest(session, failed.reply, at, self._policy.breaker_pause)
        else:
            pause_channel(session, failed.reply, at)

    def _wake(self, session: Session, done: Mapping[str, Sequence[Ending]]) -> None:
        if not (self._may_rest and done.get("accept")):
            return
        until = resting_until(session)
        if until and until <= clock(session):
            end_rest(session)
        self._may_rest = bool(until)

    def _count(self, done: Mapping[str, Sequence[Ending]]) -> None:
        for verb, endings in done.items():
            self._tally.add(_COUNTS[verb], [ending.email_id for ending in endings])
            for ending in endings:
                if verb != "accept":
                    self._tally.add_kind(ending.decision.kind)
        refused = [e.email_id for e in done.get("defer", ()) if e.result.reply.fault is Fault.MARK_REFUSED]
        self._tally.add("refused_marks", refused)


def _lock(session: Session, asked: Sequence[Claimed], results: Sequence[Result]) -> None:
    """Several emails at once are locked in the order of their ids, as everybody does."""
    ids = {claimed.email_id for claimed in asked} | {result.claimed.email_id for result in results}
    if len(ids) > 1:
        lock_emails(session, Email.id.in_(ids))
