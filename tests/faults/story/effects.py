"""What follows from what somebody said or did, in the notebook: places that end, letters and calls that are dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from comms.rules.policy import BERLIN
from tests.faults.story.model import Call, Email, Model
from tests.faults.story.relay import AFTER_MARK, Answer

LAID_DOWN = ("rejected", "accepted")


def close(model: Model, request: int, word: str, why: str) -> None:
    """End a request: it leaves what waits, and its place in what was sent. A place found ends the patient's others."""
    one = model.requests[request]
    one.word, one.why = word, why
    for email in model.emails.values():
        if request in email.asked:
            _leave_email(model, email, request)
    for call in list(model.calls.values()):
        if call.ahead and request in call.speaks_of:
            _leave_call(model, call, request)
    if word == "accepted":
        for other in model.requests.values():
            if other.patient == one.patient and other.word is None:
                close(model, other.id, "withdrawn", "placed")


def _leave_email(model: Model, email: Email, request: int) -> None:
    held = request in email.holds
    email.holds.discard(request)
    if email.waits:
        email.asked.discard(request)
        if email.status != "sending" and (not email.asked or email.doubted_at):
            drop(email)
    elif held and not email.holds and not email.answered and email.closed is None:
        email.closed = "withdrawn"


def drop(email: Email) -> None:
    email.status = "canceled"
    email.holds.clear()


def _leave_call(model: Model, call: Call, request: int) -> None:
    del call.speaks_of[request]
    if call.status == "scheduled" and not call.speaks_of:
        call.status = "canceled"


def reopen(model: Model, request: int) -> None:
    """Somebody waits again: in the latest letter that still awaits an answer, else for the next batch."""
    one = model.requests[request]
    one.word = one.why = None
    asked_in = [email for email in model.emails.values() if request in email.asked]
    if model.is_held(request) or not asked_in:
        return
    email = max(asked_in, key=lambda email: email.id)
    awaits = email.status in ("sent", "in_doubt") and email.closed in (None, "withdrawn") and not email.followed_up
    if awaits and request not in email.outcomes:
        email.holds.add(request)
        email.closed = None


def answer(model: Model, email: Email, outcomes: Mapping[int, str]) -> None:
    """An email is answered: nobody is called about it any more, and each outcome counts for its request."""
    changed = {id_: said for id_, said in outcomes.items() if email.outcomes.get(id_) != said}
    email.outcomes |= changed
    email.answered = True
    email.holds -= changed.keys()
    email.status = "sent" if email.status == "in_doubt" else email.status
    _note(email, changed, model.now)
    for call in list(model.calls.values()):
        if call.ahead:
            for request in [id_ for id_, through in call.speaks_of.items() if through == email.id]:
                _leave_call(model, call, request)
    settle(model, changed)


def _note(email: Email, outcomes: Mapping[int, str], at: datetime) -> None:
    email.said |= {id_: (word, at.astimezone(BERLIN).date()) for id_, word in outcomes.items()}


def settle(model: Model, outcomes: Mapping[int, str]) -> None:
    """A yes or a no ends a request; what staff or the platform withdrew stays; a place that was none is given back."""
    for word in (*LAID_DOWN, "needs_follow_up"):
        for id_ in sorted(id_ for id_, said in outcomes.items() if said == word):
            request = model.requests[id_]
            if request.word == "withdrawn" and request.why != "placed":
                continue
            if word not in LAID_DOWN:
                request.word = request.why = None
            elif request.word != word:
                close(model, id_, word, "answer")
    for patient in {model.requests[id_].patient for id_ in outcomes}:
        settle_patient(model, patient)


def settle_patient(model: Model, patient: int) -> None:
    """Who has a place needs no other; who has none any more waits again where that was the only reason."""
    theirs = [request for request in model.requests.values() if request.patient == patient]
    placed = any(request.word == "accepted" for request in theirs)
    for request in theirs:
        if placed and request.word is None:
            close(model, request.id, "withdrawn", "placed")
        elif not placed and request.why == "placed":
            reopen(model, request.id)


def stop(model: Model, therapist: int) -> None:
    """Whoever must not be contacted gets no letter that waits, and no call."""
    for email in model.emails_of(therapist):
        if email.status == "queued":
            drop(email)
    for call in model.calls_of(therapist):
        if call.status == "scheduled":
            call.status = "canceled"
            call.speaks_of.clear()


def suppress(model: Model, mailbox: str) -> None:
    model.suppressed.add(mailbox)
    for email in model.emails.values():
        if email.status == "queued" and email.mailbox == mailbox:
            drop(email)


def refuse_address(model: Model, email: Email) -> None:
    """The address does not exist: its therapist is called instead."""
    therapist = model.therapists[email.therapist]
    therapist.refused = therapist.refused or therapist.mailbox == email.mailbox


def bounce(model: Model, email: Email) -> None:
    email.status = "bounced"
    email.holds.clear()
    refuse_address(model, email)


def cancel(model: Model, email: Email, *, withdraw: bool) -> None:
    left = [id_ for id_ in email.asked if id_ not in email.outcomes]
    drop(email)
    if withdraw:
        _withdraw(model, left)


def _withdraw(model: Model, requests: Collection[int]) -> None:
    for id_ in sorted(requests):
        if model.requests[id_].word is None:
            close(model, id_, "withdrawn", "staff")


def reached(model: Model, call: Call, outcomes: Mapping[int, str], at: datetime) -> None:
    """A therapist spoke: that is a contact, and what was said counts as if it had been written."""
    call.status, call.tries_again, call.reached_at = "completed", False, at
    for email in (model.emails[id_] for id_ in call.emails):
        email.closed = email.closed or "called"
        email.holds -= outcomes.keys()
        _note(email, {id_: word for id_, word in outcomes.items() if call.speaks_of[id_] == email.id}, at)
    settle(model, outcomes)


def cancel_call(model: Model, call: Call, *, withdraw: bool) -> None:
    concerned = set(call.speaks_of)
    call.status = "canceled"
    call.speaks_of.clear()
    for email in (model.emails[id_] for id_ in call.emails):
        concerned |= email.holds
        email.closed = email.closed or "staff"
        email.holds.clear()
    if withdraw:
        _withdraw(model, concerned)


POSSIBLE = {
    Answer.TAKE: {"sent"},
    Answer.BUSY: {"queued", "failed"},
    Answer.BUSY_LATE: {"queued", "failed"},
    Answer.NO_SUCH_BOX: {"failed"},
    Answer.REFUSE: {"failed"},
    Answer.LOSE: {"in_doubt"},
    Answer.LOSE_BOTH: {"in_doubt"},
    Answer.DIE_UNMARKED: {"sending"},
    Answer.DIE_MARKED: {"sending"},
    Answer.DIE_TAKEN: {"sending"},
}


def after_sending(model: Model, email: Email, told: Answer | None, status: str) -> None:
    """A run of the sender is over: `told` is what the relay did with this letter, None where it never saw it."""
    assert status in (POSSIBLE[told] if told else _without_relay(model, email)), (email, told, status)
    if told:
        email.marked = told in AFTER_MARK or told in (Answer.DIE_MARKED, Answer.DIE_TAKEN)
        email.at = model.now if email.marked else email.at
    if status == "in_doubt" and email.status != "in_doubt":
        email.doubted_at = email.at
    if status == "failed" and told:
        email.holds.clear()
    if told is Answer.NO_SUCH_BOX:
        refuse_address(model, email)
    if status == "canceled" and email.status != "canceled":
        drop(email)
    email.status = status
    email.marked = email.marked and status == "sending"


def _without_relay(model: Model, email: Email) -> set[str]:
    """What may become of a letter that no relay saw: found abandoned, or found not to be sent at all."""
    if email.status == "queued":
        return {"canceled"} if _is_barred(model, email) else {"queued"}
    if email.status != "sending":
        return {email.status}
    if email.marked:
        return {"sending", "sent" if email.taken else "in_doubt"}
    return {"sending", "queued"} | ({"canceled"} if _is_barred(model, email) or _is_hopeless(email) else set())


def _is_barred(model: Model, email: Email) -> bool:
    return model.therapists[email.therapist].standing != "active" or email.mailbox in model.suppressed


def _is_hopeless(email: Email) -> bool:
    return not email.asked or email.doubted_at is not None


def queue_again(model: Model, email: Email) -> None:
    """A person has it sent once more."""
    email.once_more += 1
    email.status = "queued"
    email.holds = {id_ for id_ in email.asked if id_ not in email.outcomes}
