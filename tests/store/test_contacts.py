"""At most one contact in 7 x 24 hours, whoever asks and however many ask at once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from comms.store import contacts
from comms.store.engines import make_engine
from comms.store.models import ContactEntry, ContactState
from comms.store.session import Sessions, make_sessions, writing
from tests.factories import NOW, WEEK

SECOND = timedelta(seconds=1)


def claim(sessions: Sessions, holder: str, *keys: str, at: datetime = NOW) -> bool:
    with writing(sessions) as session:
        return holder in contacts.claim(session, {holder: keys}, at, WEEK)


def state(sessions: Sessions, key: str) -> tuple[str | None, datetime | None]:
    with sessions() as session:
        return contacts.states(session, [key]).get(key, (None, None))


def test_what_nobody_ever_contacted_is_free_and_then_held(sessions: Sessions) -> None:
    assert claim(sessions, "email:1", "therapist:1", "mailbox:a")
    assert not claim(sessions, "email:2", "therapist:1")
    assert state(sessions, "mailbox:a") == ("email:1", NOW)


def test_a_hold_has_no_end_however_long_a_pause_lasts(sessions: Sessions) -> None:
    claim(sessions, "email:1", "therapist:1")

    assert not claim(sessions, "email:2", "therapist:1", at=NOW + 50 * WEEK)


def test_half_a_win_is_given_back(sessions: Sessions) -> None:
    claim(sessions, "email:1", "mailbox:shared")

    assert not claim(sessions, "email:2", "therapist:2", "mailbox:shared")
    assert state(sessions, "therapist:2") == (None, None)
    assert claim(sessions, "email:3", "therapist:2")


def test_half_a_win_falls_back_to_the_last_contact_that_stands(sessions: Sessions) -> None:
    claim(sessions, "email:1", "therapist:2")
    with writing(sessions) as session:
        contacts.happened(session, {"email:1": NOW})
    claim(sessions, "email:2", "mailbox:shared", at=NOW + WEEK)

    assert not claim(sessions, "email:3", "therapist:2", "mailbox:shared", at=NOW + WEEK)
    assert state(sessions, "therapist:2") == (None, NOW)


def test_the_next_contact_is_possible_exactly_604800_seconds_after_the_hand_over(sessions: Sessions) -> None:
    claim(sessions, "email:1", "therapist:1")
    handed_over = NOW + timedelta(hours=3)
    with writing(sessions) as session:
        contacts.happened(session, {"email:1": handed_over})

    assert not claim(sessions, "email:2", "therapist:1", at=handed_over + WEEK - SECOND)
    assert claim(sessions, "email:2", "therapist:1", at=handed_over + WEEK)


def test_what_did_not_happen_is_recomputed_from_the_ledger_never_simply_freed(sessions: Sessions) -> None:
    claim(sessions, "email:1", "therapist:1")
    with writing(sessions) as session:
        contacts.happened(session, {"email:1": NOW})
    claim(sessions, "email:2", "therapist:1", at=NOW + WEEK)
    with writing(sessions) as session:
        contacts.release(session, ["email:2"])

    assert state(sessions, "therapist:1") == (None, NOW)


def test_releasing_one_of_two_holders_leaves_the_hold_of_the_other(sessions: Sessions) -> None:
    claim(sessions, "email:1", "therapist:1")
    with writing(sessions) as session:
        contacts.override(session, "email:2", ["therapist:1"], NOW)
        contacts.release(session, ["email:1"])

    assert state(sessions, "therapist:1") == ("email:2", NOW)


def test_a_reply_stands_in_the_ledger_and_takes_no_claim(sessions: Sessions) -> None:
    with writing(sessions) as session:
        contacts.record_reply(session, "email:9", ["therapist:1"], NOW)

    assert claim(sessions, "email:1", "therapist:1")


def test_a_chunk_claims_500_emails_in_one_statement_and_says_who_won(sessions: Sessions) -> None:
    claim(sessions, "email:7", "therapist:7")
    wanted = {f"email:{n}": (f"therapist:{n}", f"mailbox:{n}@x") for n in range(500)}
    with writing(sessions) as session:
        won = contacts.claim(session, wanted, NOW, WEEK)

    assert won == wanted.keys() - {"email:7"}


def _race(url: str, seed: int) -> int:
    """Claim random chunks of 20 therapists in 8 shared mailboxes, and count what was granted."""
    engine = make_engine(url)
    sessions, dice = make_sessions(engine), random.Random(seed)
    granted = 0
    for turn in range(15):
        therapists = dice.sample(range(20), 4)
        free: dict[int, int] = {}
        for therapist in therapists:
            free.setdefault(therapist % 8, therapist)  # a key stands once in a statement
        wanted = {
            f"email:{seed}-{turn}-{therapist}": (f"therapist:{therapist}", f"mailbox:{mailbox}")
            for mailbox, therapist in free.items()
        }
        with writing(sessions) as session:
            granted += len(contacts.claim(session, wanted, NOW, WEEK))
    engine.dispose()
    return granted


def test_eight_writers_at_once_get_one_grant_per_mailbox_and_no_half_ones(
    sessions: Sessions, database_url: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(_race, [database_url] * 8, range(8)))

    with sessions() as session:
        held = select(func.count()).select_from(ContactState).where(ContactState.held_by.is_not(None))
        assert granted == 8
        assert session.scalar(held) == 16
        assert session.scalar(select(func.count()).select_from(ContactEntry)) == 16


def test_an_instant_without_an_offset_is_refused(sessions: Sessions) -> None:
    with pytest.raises(StatementError, match="an aware datetime is needed"):
        claim(sessions, "email:1", "therapist:1", at=NOW.replace(tzinfo=None))
