"""The step that asks whether all holds that must hold after anything."""

from __future__ import annotations

from comms.bootstrap.parts import sessions, settings
from comms.bootstrap.steps import Step
from comms.errors import InvariantsBroken
from comms.services import job_runs
from comms.services.checking import INVARIANTS, Terms, check
from comms.store.engines import clock
from comms.store.session import reading

CHECK_INVARIANTS = job_runs.CHECK_INVARIANTS
SHOWN = 20
"""Rows named for one invariant in a message; `comms check --json` has all."""

PROMISES = {invariant.code: invariant.promise for invariant in INVARIANTS}


def check_invariants() -> Step:
    """Ask for all; `broken` is {code: what breaks it} without those that hold."""
    given = settings()
    kafka = given.get_kafka_settings() is not None
    with reading(sessions()) as session:
        terms = Terms(clock(session), given.contact_policy().window, kafka)
        broken = {found.invariant.code: list(found.rows) for found in check(session, terms)}
    asked = sum(kafka or not invariant.kafka for invariant in INVARIANTS)
    return {"asked": asked, "broken": broken}


def require_all(checked: Step) -> None:
    """InvariantsBroken unless all of them hold."""
    if checked["broken"]:
        raise InvariantsBroken("\n".join(f"{code}: {name_rows(rows)}" for code, rows in checked["broken"].items()))


def name_rows(rows: list[str]) -> str:
    """The first of them."""
    return ", ".join(rows[:SHOWN]) + (" …" if rows[SHOWN:] else "")
