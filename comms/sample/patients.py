"""One patient and one placement request of the sample, by their numbers."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from comms.sample import therapists
from comms.sample.hours import half_days

FIRST_PATIENT = 20_001
FIRST_REQUEST = 50_001

_DIAGNOSES = (
    "F32.1 G", "F32.1 V", "F32.2 G", "F33.1 G", "F33.0 V", "F34.1", "F40.01 G", "F40.1 V", "F41.0 G", "F41.1 V",
    "F41.2 G", "F42.2 G", "F43.1 V", "F43.2 G", "F43.2 Z", "F45.41 G", "F50.2 V", "F60.31 V", "F84.5 V", "F90.0 V",
)  # fmt: skip
_INSURERS = (
    "AOK Nordost", "AOK Bayern", "AOK PLUS", "Techniker Krankenkasse", "Techniker Krankenkasse", "Barmer",
    "DAK-Gesundheit", "IKK classic", "KKH", "Knappschaft", "Bahn-BKK", "Siemens-Betriebskrankenkasse (SBK)",
    "Privat (PKV)", "Allianz Private Krankenversicherung", "Selbstzahler", "Debeka",
)  # fmt: skip
_MAY_BE_MISSING = 0.06


def patient(seed: int, number: int, today: date) -> dict[str, Any]:
    """Describe patient `number` (from 0) in the platform's fields; some facts are missing, as in life."""
    dice = Random(f"{seed}:patient:{number}")
    born = today - timedelta(days=int(365.25 * min(max(dice.gauss(38, 14), 16), 82)))
    registered = today - timedelta(days=dice.randint(20, 420))
    facts: dict[str, Any] = {
        "geburtsdatum": born.isoformat(),
        "geschlecht": dice.choices(("weiblich", "männlich", "divers"), (62, 36, 2))[0],
        "diagnose": dice.choice(_DIAGNOSES),
        "krankenkasse": dice.choice(_INSURERS),
        "startdatum": registered.isoformat() if dice.random() < 0.8 else registered.strftime("%d.%m.%Y"),
        "zeitliche_verfuegbarkeit": half_days(dice),
        "offen_fuer_gruppentherapie": dice.random() < 0.35,
        "psychotherapieerfahrung": dice.random() < 0.45,
        "letzter_kontakt": None,
    }
    if facts["psychotherapieerfahrung"]:
        facts["letzter_kontakt"] = (registered - timedelta(days=dice.randint(200, 3000))).isoformat()
    missing = [name for name in facts if dice.random() < (0.7 if number % 80 == 33 else _MAY_BE_MISSING)]
    return {"id": FIRST_PATIENT + number} | facts | dict.fromkeys(missing)


def request(seed: int, number: int, today: date, sizes: tuple[int, int]) -> dict[str, Any]:
    """Describe placement request `number` (from 0). `sizes` says how many therapists and patients there are."""
    dice = Random(f"{seed}:request:{number}")
    made = today - timedelta(days=dice.randint(16, 200))
    return {
        "id": FIRST_REQUEST + number,
        "patient_id": FIRST_PATIENT + _patient_of(number, sizes[1]),
        "therapist_id": therapists.FIRST_ID + _therapist_of(seed, number, sizes),
        "status": "abgelehnt" if number % 75 == 40 else "offen",
        "created_at": f"{made.isoformat()}T{dice.randint(6, 20):02d}:{dice.randint(0, 59):02d}:00",
        "priority": dice.choice((None, None, None, 1, 2, 3)),
        "notes": dice.choice(
            (None,) * 7 + ("Wünscht eine Therapeutin.", "Nur mit Aufzug erreichbar.", "Englisch möglich.")
        ),
    }


def _patient_of(number: int, patients: int) -> int:
    """Everybody once, then every other patient a second time."""
    return number if number < patients else (number - patients) * 2 % patients


def _therapist_of(seed: int, number: int, sizes: tuple[int, int]) -> int:
    """Most therapists have one or more, some have many; nobody is asked for the same patient twice."""
    count, patients = sizes
    if number < patients:
        return number if number < count and number % 9 != 4 else _drawn(seed, number, count)
    first = _therapist_of(seed, _patient_of(number, patients), sizes)
    drawn = _drawn(seed, number, count)
    return drawn if drawn != first else (drawn + 1) % count


def _drawn(seed: int, number: int, count: int) -> int:
    return int(count * Random(f"{seed}:choice:{number}").random() ** 1.7)
