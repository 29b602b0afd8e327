"""The sample: always the same, lifelike, importable, with a past in which every invariant holds."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from comms.rules.addresses import mailbox
from comms.rules.availability import read_availability
from comms.rules.policy import ContactPolicy
from comms.sample import generate, load_sample, write_sample
from comms.sample.hours import _NOTATIONS
from comms.services.intake import Kind, Record, import_records, read_file
from comms.services.planning import plan_next_batch
from comms.store.models import ContactState, DeliveryAttempt, Email, OutboxEvent, PlacementRequest, StaffItem, Therapist
from comms.store.session import Sessions, reading
from tests.factories import NOW
from tests.invariants import broken

KINDS = ("therapists", "patients", "placement_requests")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    data = generate()
    return {kind: list(getattr(data, kind)) for kind in KINDS}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    one, two, other = generate(30), generate(30), generate(30, seed=8)

    for kind in KINDS:
        assert list(getattr(one, kind)) == list(getattr(two, kind))
        assert list(getattr(one, kind)) != list(getattr(other, kind))


def test_it_has_120_therapists_400_patients_and_600_requests(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert {kind: len(found) for kind, found in rows.items()} == {
        "therapists": 120,
        "patients": 400,
        "placement_requests": 600,
    }


def test_a_larger_sample_begins_with_the_same_therapists() -> None:
    large = generate(100_000)

    assert large.therapists[:50] == generate(120).therapists[:50]
    assert (len(large.patients), len(large.placement_requests)) == (333_333, 500_000)
    assert large.placement_requests[-1]["id"] == 50_001 + 499_999


@pytest.mark.parametrize("therapists", [1, 2, 7, 120, 333])
def test_everybody_named_exists_and_nobody_is_asked_twice_for_a_patient(therapists: int) -> None:
    data = generate(therapists)
    known = {kind: {row["id"] for row in getattr(data, kind)} for kind in KINDS}
    pairs = Counter((row["patient_id"], row["therapist_id"]) for row in data.placement_requests)

    assert {patient for patient, _ in pairs} <= known["patients"]
    assert {therapist for _, therapist in pairs} <= known["therapists"]
    assert max(pairs.values()) == 1
    assert [len(ids) for ids in known.values()] == [len(getattr(data, kind)) for kind in KINDS]


def test_every_address_ends_in_example(rows: dict[str, list[dict[str, Any]]]) -> None:
    text = json.dumps(rows, ensure_ascii=False)
    addresses = [row["email"] for row in rows["therapists"] if row["email"]]

    assert text.count("@") == len(addresses)
    assert all(address.endswith(".example") for address in addresses)


def test_it_is_as_varied_as_life(rows: dict[str, list[dict[str, Any]]]) -> None:
    therapists = rows["therapists"]
    mailboxes = Counter(mailbox(row["email"]) for row in therapists if row["email"])
    names = " ".join(row["nachname"] or "" for row in therapists)

    assert sum(row["email"] is None for row in therapists) == 8
    assert Counter(row["status"] for row in therapists) == {"aktiv": 114, "gesperrt": 4, "inaktiv": 2}
    assert sorted(Counter(mailboxes.values()).items()) == [(1, 98), (2, 4), (3, 2)]
    assert all(sign in names for sign in ("ä", "ö", "ß", "von ", "-"))
    assert {"Dr.", "Prof. Dr. med.", "Dipl.-Psych."} <= {row["titel"] for row in therapists}
    assert sum(row.get("sprache") == "en" for row in therapists) == 6
    assert len({row["bundesland"] for row in therapists}) >= 12
    assert any(not row["email"].isascii() for row in therapists if row["email"])


def test_phone_hours_come_in_many_notations_and_begin_at_25_minutes(rows: dict[str, list[dict[str, Any]]]) -> None:
    hours = [row["telefonische_erreichbarkeit"] for row in rows["therapists"]]
    lengths = Counter(
        _minutes(end) - _minutes(start)
        for given in hours
        for windows in read_availability(given).windows.values()
        for start, end in windows
    )

    assert lengths[25] > 50
    assert min(lengths) == 25
    assert sum(isinstance(given, str) for given in hours) > 10
    assert sum(given is None for given in hours) == 2
    assert sum(bool(read_availability(given).faults) for given in hours) == 2


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


@pytest.mark.parametrize("notation", _NOTATIONS, ids=range(len(_NOTATIONS)))
def test_every_notation_says_the_same(notation: Any) -> None:
    found = read_availability(notation({0: [(540, 565), (600, 650)], 4: [(1020, 1045)]}))

    assert found.faults == []
    assert found.windows == {"monday": [("09:00", "09:25"), ("10:00", "10:50")], "friday": [("17:00", "17:25")]}


def test_patients_lack_facts_as_in_life(rows: dict[str, list[dict[str, Any]]]) -> None:
    missing = Counter(field for row in rows["patients"] for field, value in row.items() if value is None)

    assert missing["id"] == 0
    assert all(missing[field] >= 8 for field in rows["patients"][0] if field != "id")
    assert {(row["diagnose"] or "?")[-1] for row in rows["patients"]} >= {"G", "V", "Z"}


def test_it_goes_in_without_a_refusal_from_files(sessions: Sessions, tmp_path: Path) -> None:
    paths = write_sample(generate(60), tmp_path)

    report = import_records(sessions, [record for path in paths for record in read_file(path)], NOW)

    assert report.refusals == []
    assert {n.reason for n in report.warnings} == {"hours_unreadable"}
    assert report.ignored == {}
    assert report.stubs == {}


def test_loaded_it_has_a_past_in_which_every_invariant_holds(sessions: Sessions) -> None:
    report = load_sample(sessions, NOW, therapists=60)

    assert report.imported.refused == 0
    assert report.past_emails["unanswered"] == 7
    assert report.past_emails["rejected"] == 3
    assert report.past_emails["asked_recently"] == 2
    assert broken(sessions) == {}
    with reading(sessions) as session:
        reasons = Counter(d.verdict.reason for d in plan_next_batch(session, NOW, ContactPolicy()))
        assert {"blocked", "no_email", "cooling_period", "unanswered_email_pending", "mailbox_contacted_recently"} <= {
            str(reason) for reason in reasons
        }
        assert (
            session.scalar(select(func.count()).select_from(ContactState).where(ContactState.held_by.is_not(None))) == 0
        )
        assert session.scalars(select(StaffItem.reason)).all() == ["phone_hours_unreadable"]


def test_the_unanswered_emails_went_out_eight_days_ago_and_still_hold_their_requests(sessions: Sessions) -> None:
    load_sample(sessions, NOW, therapists=12)

    with reading(sessions) as session:
        emails = session.scalars(select(Email).where(~Email.response_received)).all()
        old = [email for email in emails if email.sent_at == NOW - timedelta(days=8)]
        assert [(email.status, email.handed_over_at, email.attempt) for email in old] == [
            ("sent", email.sent_at, 1) for email in old
        ]
        assert {email.therapist_id for email in old} == {1001, 1011}
        attempts = session.scalars(select(DeliveryAttempt.outcome)).all()
        assert attempts == ["accept"] * session.scalar(select(func.count()).select_from(Email))
        events = Counter(session.scalars(select(OutboxEvent.event_type)))
        assert events["communication.email_sent"] == events["communication.email_created"] == len(attempts)
        held = select(func.count()).where(PlacementRequest.status == "in_progress")
        assert session.scalar(held) > 0


def test_loading_again_adds_nothing_even_on_another_day(sessions: Sessions) -> None:
    load_sample(sessions, NOW, therapists=24)
    before = _counts(sessions)

    report = load_sample(sessions, NOW + timedelta(days=40), therapists=24)

    assert _counts(sessions) == before
    assert report.imported.rows == 0
    assert not report.past_emails


def test_a_larger_sample_adds_only_what_is_new(sessions: Sessions) -> None:
    load_sample(sessions, NOW, therapists=6)

    report = load_sample(sessions, NOW, therapists=18)

    assert report.imported.counts["therapists"].created == 12
    assert broken(sessions) == {}


def _counts(sessions: Sessions) -> list[Any]:
    with reading(sessions) as session:
        tables = (Therapist, PlacementRequest, Email, OutboxEvent, StaffItem)
        versions = sorted(session.scalars(select(Therapist.version)))
        return [session.scalar(select(func.count()).select_from(table)) for table in tables] + versions


def test_the_day_is_all_that_moves_the_dates() -> None:
    early, late = generate(3, today=date(2026, 1, 1)), generate(3, today=date(2026, 1, 31))

    born = [date.fromisoformat(data.patients[0]["geburtsdatum"]) for data in (early, late)]

    assert born[1] - born[0] == timedelta(days=30)
    assert early.therapists[0]["email"] == late.therapists[0]["email"]


def test_records_of_the_sample_name_their_kind() -> None:
    (record,) = [Record(Kind.THERAPISTS, "x", row) for row in generate(1).therapists]

    assert record.fields["id"] == 1001
