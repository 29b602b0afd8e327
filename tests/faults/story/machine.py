"""The rules of the story: each does something to the service and says in the notebook what ought to follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from comms.errors import Conflict, ContactRefused
from comms.rules.states import Outcome
from comms.services.answers import record_answer
from comms.services.calls import canceling as calls_canceling
from comms.services.calls.completing import complete_call
from comms.services.calls.missing import miss_call
from comms.services.checking import passing
from comms.services.emails.canceling import Requests, cancel_email
from comms.services.emails.queueing import requeue_email
from comms.services.emails.resolving import bounce_email, resolve_email
from comms.services.intake import Kind
from comms.services.suppressions import suppress_mailbox, unsuppress_mailbox
from comms.store.session import Sessions, writing
from tests.faults.story import effects
from tests.faults.story.comparing import compare, contacts_too_close, sent_too_often
from tests.faults.story.following import adopt_calls, close_unnoted, miss
from tests.faults.story.model import Call, Email, Model, Request, Therapist
from tests.faults.story.relay import Answer, Killed
from tests.faults.story.world import CALLS, CONTACTS, HOURS, START, World
from tests.invariants import broken

PATIENTS = range(201, 206)
THERAPISTS = range(101, 105)
MAILBOXES = ("gemeinsam@praxis.example", "berg@praxis.example", "tal@praxis.example", None)
STEPS = (timedelta(minutes=4), timedelta(hours=3), timedelta(days=1), timedelta(days=7), timedelta(days=28))
PASSING = {invariant.code for invariant in passing.INVARIANTS}
LONG_ENOUGH = timedelta(days=4)
"""By then every lease has run out and every next try is due."""
STAFF = "staff"
SAYS = {"abgelehnt": "rejected", "angenommen": "accepted"}
"""How the platform ends a request."""

outcomes = st.lists(st.sampled_from([None, *(outcome.value for outcome in Outcome)]), min_size=5, max_size=5)


class Story(RuleBasedStateMachine):
    """`fresh` gives a migrated, empty database for each story."""

    fresh: Callable[[], Sessions]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).fresh(), START)
        self.model = Model(START)
        self.next_request = 301
        patients = [
            {"id": id_, "registered_on": f"2026-01-{id_ - 180:02}", "birth_date": "1988-04-17"} for id_ in PATIENTS
        ]
        self.world.bring(Kind.PATIENTS, *patients)
        for id_, mailbox in zip(THERAPISTS, MAILBOXES, strict=True):
            self._therapist(id_, mailbox, "active")
        self._requests([(patient, therapist) for patient in PATIENTS for therapist in THERAPISTS][::3])

    def teardown(self) -> None:
        """Whatever happened, a sender that goes on working leaves nothing in between."""
        try:
            self.pass_time(LONG_ENOUGH)
            self.send([])
            assert not self._emails("queued", "sending")
            assert broken(self.world.sessions) == {}
            self.it_is_as_the_notebook_says()
            self.nobody_was_contacted_twice_in_a_week()
        finally:
            self.world.end()

    # the platform and the staff say things

    @rule(id_=st.sampled_from(THERAPISTS), mailbox=st.sampled_from(MAILBOXES),
          standing=st.sampled_from(["active", "active", "inactive", "blocked"]))  # fmt: skip
    def import_therapist(self, id_: int, mailbox: str | None, standing: str) -> None:
        self._therapist(id_, mailbox, standing)

    def _therapist(self, id_: int, mailbox: str | None, standing: str) -> None:
        facts = {"id": id_, "last_name": "Müller", "email": mailbox, "status": standing, "phone_availability": HOURS}
        self.world.bring(Kind.THERAPISTS, facts)
        known = self.model.therapists.get(id_) or Therapist(id_, mailbox)
        if known.standing == "active" and standing != "active":
            effects.stop(self.model, id_)
        refused = known.refused and known.mailbox == mailbox
        self.model.therapists[id_] = Therapist(id_, mailbox, standing, refused)

    @rule(pairs=st.lists(st.tuples(st.sampled_from(PATIENTS), st.sampled_from(THERAPISTS)), min_size=1, max_size=4))
    def import_requests(self, pairs: list[tuple[int, int]]) -> None:
        self._requests(pairs)

    def _requests(self, pairs: list[tuple[int, int]]) -> None:
        new = [Request(self.next_request + place, *pair) for place, pair in enumerate(pairs)]
        self.next_request += len(new)
        rows = [{"id": one.id, "patient_id": one.patient, "therapist_id": one.therapist} for one in new]
        self.world.bring(Kind.PLACEMENT_REQUESTS, *rows)
        self.model.requests |= {one.id: one for one in new}

    @rule(data=st.data(), word=st.sampled_from(["offen", "abgelehnt", "angenommen", "in_bearbeitung"]))
    def platform_says(self, data: st.DataObject, word: str) -> None:
        request = self._one_of(data, self.model.requests)
        self.world.tell("match.status_changed", match_id=request.id, new_status=word)
        was_accepted = request.word == "accepted"
        if word == "offen":
            effects.reopen(self.model, request.id)
        elif word in SAYS and (request.word is None or (request.why == "platform" and request.word != SAYS[word])):
            effects.close(self.model, request.id, SAYS[word], "platform")
        if was_accepted and request.word != "accepted":
            effects.settle_patient(self.model, request.patient)

    @rule(id_=st.sampled_from(THERAPISTS), how=st.sampled_from(["blocked", "unblocked"]))
    def platform_blocks(self, id_: int, how: str) -> None:
        self.world.tell(f"therapist.{how}", therapist_id=id_)
        if how == "blocked":
            effects.stop(self.model, id_)
        self.model.therapists[id_].standing = "blocked" if how == "blocked" else "active"

    @rule(mailbox=st.sampled_from(MAILBOXES[:-1]))
    def therapist_objects(self, mailbox: str) -> None:
        with writing(self.world.sessions) as session:
            suppress_mailbox(session, mailbox.upper(), self.world.now, STAFF)
        effects.suppress(self.model, mailbox)

    @precondition(lambda self: self.model.suppressed)
    @rule(data=st.data())
    def therapist_objects_no_more(self, data: st.DataObject) -> None:
        mailbox = data.draw(st.sampled_from(sorted(self.model.suppressed)))
        with writing(self.world.sessions) as session:
            assert unsuppress_mailbox(session, mailbox, self.world.now, STAFF)
        self.model.suppressed.discard(mailbox)

    @rule(step=st.sampled_from(STEPS))
    def pass_time(self, step: timedelta) -> None:
        self.world.pass_time(step)
        self.model.now = self.world.now

    # the service works

    @rule()
    def write_letters(self) -> None:
        planned = self.model.plan(self.world.look().open)
        made = self.world.write_letters()
        seen = self.world.look()
        assert {therapist: sorted(seen.holds[email]) for therapist, email in made.items()} == {
            therapist: sorted(requests) for therapist, requests in planned.items()
        }
        for therapist, email in made.items():
            asked = set(planned[therapist])
            mailbox = str(self.model.therapists[therapist].mailbox)
            self.model.emails[email] = Email(email, therapist, mailbox, set(asked), holds=set(asked))

    @rule(script=st.lists(st.sampled_from([*Answer]), max_size=4))
    def send(self, script: list[Answer]) -> None:
        try:
            self.world.send(script)
        except Killed:
            assert any(answer.startswith("die") for answer in self.world.relay.told.values())
        self._note_sending()

    @rule()
    def send_to_nobody(self) -> None:
        self.world.send(away=True)
        assert self.world.relay.told == {}
        self._note_sending()

    def _note_sending(self) -> None:
        seen = self.world.look()
        for email in self.model.emails.values():
            told = self.world.relay.told.get(email.id)
            effects.after_sending(self.model, email, told, seen.emails[email.id].status)

    @rule(stage=st.sampled_from(["claimed", "marked", "taken", "noted"]))
    def die_with_letters_in_hand(self, stage: str) -> None:
        letters = self.world.abandon(stage)
        seen = self.world.look()
        for email in self.model.emails.values():
            if email.id in {claimed.email_id for claimed in letters}:
                email.status, email.marked, email.taken = "sending", stage != "claimed", stage == "noted"
                email.at = self.world.now if email.marked else email.at
            else:
                effects.after_sending(self.model, email, None, seen.emails[email.id].status)

    @rule()
    def follow_up(self) -> None:
        before = self.world.look()
        self.world.follow_up()
        close_unnoted(self.model)
        adopt_calls(self.model, before.open, self.world.look(), self.model.therapists)

    # somebody answers, or decides

    @precondition(lambda self: self._answerable())
    @rule(data=st.data(), said=outcomes)
    def answer(self, data: st.DataObject, said: list[str | None]) -> None:
        email = data.draw(st.sampled_from(self._answerable()))
        told = {id_: word for id_, word in zip(sorted(email.asked), said, strict=False) if word}
        with writing(self.world.sessions) as session:
            given = {id_: Outcome(word) for id_, word in told.items()}
            record_answer(session, email.id, given, self.world.now, STAFF)
        effects.answer(self.model, email, told)

    def _answerable(self) -> list[Email]:
        return self._emails("sent", "in_doubt", "bounced")

    @precondition(lambda self: self._emails("queued", "failed"))
    @rule(data=st.data(), requests=st.sampled_from([*Requests]))
    def cancel(self, data: st.DataObject, requests: Requests) -> None:
        email = data.draw(st.sampled_from(self._emails("queued", "failed")))
        with writing(self.world.sessions) as session:
            cancel_email(session, email.id, self.world.now, STAFF, requests)
        effects.cancel(self.model, email, withdraw=requests is Requests.WITHDRAW)

    @precondition(lambda self: self._emails("failed"))
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        email = data.draw(st.sampled_from(self._emails("failed")))
        if self._accepted(lambda session: requeue_email(session, email.id, self.world.now, STAFF, CONTACTS)):
            effects.queue_again(self.model, email)

    @precondition(lambda self: self._emails("in_doubt"))
    @rule(
        data=st.data(),
        to=st.sampled_from(["sent", "bounced", "queued", "canceled"]),
        requests=st.sampled_from([*Requests]),
    )
    def resolve(self, data: st.DataObject, to: str, requests: Requests) -> None:
        email = data.draw(st.sampled_from(self._emails("in_doubt")))
        done = self._accepted(
            lambda session: resolve_email(session, email.id, to, self.world.now, STAFF, CONTACTS, requests=requests)
        )
        if not done:
            assert to == "queued"
        elif to == "sent":
            email.status = "sent"
        elif to == "bounced":
            effects.bounce(self.model, email)
        elif to == "queued":
            effects.queue_again(self.model, email)
        else:
            effects.cancel(self.model, email, withdraw=requests is Requests.WITHDRAW)

    def _accepted(self, move: Callable[[Any], object]) -> bool:
        """Whether the service did it; what it refuses must have changed nothing, which the comparison shows."""
        try:
            with writing(self.world.sessions) as session:
                move(session)
        except (Conflict, ContactRefused):
            return False
        return True

    @precondition(lambda self: self._emails("sent"))
    @rule(data=st.data())
    def bounce(self, data: st.DataObject) -> None:
        email = data.draw(st.sampled_from(self._emails("sent")))
        with writing(self.world.sessions) as session:
            bounce_email(session, email.id, self.world.now, STAFF)
        effects.bounce(self.model, email)

    @precondition(lambda self: self._calls())
    @rule(data=st.data(), said=outcomes)
    def reach(self, data: st.DataObject, said: list[str | None]) -> None:
        call = data.draw(st.sampled_from(self._calls()))
        told = {id_: word for id_, word in zip(sorted(call.speaks_of), said, strict=False) if word}
        with writing(self.world.sessions) as session:
            given = {id_: Outcome(word) for id_, word in told.items()}
            complete_call(session, call.id, self.world.now, actor=STAFF, answers=given)
        effects.reached(self.model, call, told, min(self.world.now, call.starts_at))

    @precondition(lambda self: self._calls())
    @rule(data=st.data())
    def nobody_answers(self, data: st.DataObject) -> None:
        call, before = data.draw(st.sampled_from(self._calls())), self.world.look()
        with writing(self.world.sessions) as session:
            miss_call(session, call.id, self.world.now, CALLS, actor=STAFF)
        miss(call)
        adopt_calls(self.model, before.open, self.world.look(), [call.therapist])

    @precondition(lambda self: self._calls())
    @rule(data=st.data(), requests=st.sampled_from([*calls_canceling.Requests]))
    def drop_call(self, data: st.DataObject, requests: calls_canceling.Requests) -> None:
        call = data.draw(st.sampled_from(self._calls()))
        with writing(self.world.sessions) as session:
            calls_canceling.cancel_call(session, call.id, self.world.now, requests, actor=STAFF)
        effects.cancel_call(self.model, call, withdraw=requests is calls_canceling.Requests.WITHDRAW)

    def _emails(self, *statuses: str) -> list[Email]:
        return [email for email in self.model.emails.values() if email.status in statuses]

    def _calls(self) -> list[Call]:
        return [call for call in self.model.calls.values() if call.status == "scheduled"]

    def _one_of(self, data: st.DataObject, things: dict[int, Any]) -> Any:
        return things[data.draw(st.sampled_from(sorted(things)))]

    # what must hold after each step

    @invariant()
    def nothing_is_broken(self) -> None:
        """What only a sender can end, a lease that ran out, is looked at when the story is over."""
        assert broken(self.world.sessions).keys() <= PASSING

    @invariant()
    def it_is_as_the_notebook_says(self) -> None:
        compare(self.model, self.world.look())

    @invariant()
    def nobody_was_contacted_twice_in_a_week(self) -> None:
        assert contacts_too_close(self.model, self.world.relay.received) == []
        assert sent_too_often(self.model, self.world.relay.received) == []
