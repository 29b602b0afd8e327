"""The running app against its own OpenAPI: thousands of requests, valid and not, alone and along links.

All its checks are on. What it is told to accept stands in `is_deliberate`, with the reason.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any, get_args

import pytest
import schemathesis
from fastapi.testclient import TestClient
from pydantic_core.core_schema import ErrorType
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData
from sqlalchemy import Engine

from api.building import create_app
from api.schemas.fields import ONE_LINE
from comms.config import Settings
from comms.rules.scopes import Scope
from comms.rules.states import EmailStatus
from comms.store.session import Sessions, make_sessions, writing
from tests.api.conftest import make_key
from tests.api.world import World
from tests.servers.api import serving
from tests.services.email_rows import email_in

AT_LEAST = {
    "sqlite": {"COVERAGE": 3000, "FUZZING": 250, "STATEFUL_TESTING": 200},
    "postgresql": {"FUZZING": 120, "STATEFUL_TESTING": 130},
}
"""Requests. What is refused before any database is asked is tried on one of them: that is most of the coverage."""

GENERATION = {"deterministic": True, "database": "none"}


def alone(examples: int, *, coverage: bool) -> dict[str, Any]:
    """Ask each operation by itself: what is printed, `coverage` of every field's edges, and `examples` made up."""
    return {
        "examples": {"enabled": True},
        "coverage": {"enabled": coverage},
        "fuzzing": {
            "generation": {"max-examples": examples},
            "error-feedback": {"enabled": False},  # it reads `body.subject` in an error as a field `body`
            "extra-data-sources": {"responses": False},  # answers hold the time: no two runs would be the same
        },
        "stateful": {"enabled": False},
    }


ALONG_LINKS: dict[str, Any] = {
    "examples": {"enabled": False},
    "coverage": {"enabled": False},
    "fuzzing": {"enabled": False},
    "stateful": {"max-steps": 8, "generation": {"max-examples": 20}},
}
RUNS = {
    "sqlite": [(alone(6, coverage=True), 1), (ALONG_LINKS, 1), (ALONG_LINKS, 2)],
    "postgresql": [(alone(3, coverage=False), 2), (ALONG_LINKS, 3)],
}
"""What is done, with which seed. One walk along links ends where the rows are no longer those that it began with."""

OF_SHAPE = {*get_args(ErrorType), "boolean", "date", "given_twice", "instant", "integer", "local_time", "unknown"}
"""Codes that say: this is not what OpenAPI asks for. What OpenAPI allows must never be refused with one of them."""


def is_deliberate(failure: Failure, response: Response) -> bool:
    """Whether schema-valid input was refused by a rule that no JSON Schema can say, and with its name.

    Two requests in one list, a date without its time, an address that no relay takes, a cursor of another list …: each
    has its own test elsewhere. An If-Match that was made up (412) is a well-formed one that names no present state.
    """
    if not isinstance(failure, RejectedPositiveData):
        return False
    codes = {error["code"] for error in response.json().get("errors", [])}
    return response.status_code == 412 or (bool(codes) and not codes & OF_SHAPE)


def without_pattern_of_lines(document: dict[str, Any]) -> dict[str, Any]:
    """Strings of up to 300 characters by a pattern take nine tenths of the time; ours are refused all the same."""

    def drop(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("pattern") == ONE_LINE.pattern:
                del part["pattern"]
            part = list(part.values())
        for inner in part if isinstance(part, list) else []:
            drop(inner)

    copy = deepcopy(document)
    drop(copy)
    return copy


@pytest.fixture
def served(engine: Engine) -> Any:
    many = {"api_requests_per_minute": 10**6, "api_failed_attempts_per_minute": 10**6}
    settings = Settings(_env_file=None, **many)  # type: ignore[arg-type]
    return create_app(settings, engine)


@pytest.mark.slow
def test_the_app_does_what_its_openapi_says(served: Any, engine: Engine) -> None:
    sessions = make_sessions(engine)
    headers = {"Authorization": f"Bearer {make_key(sessions, Scope.ADMIN)}"}
    populate(served, sessions, headers)
    with serving(served) as url:
        found = Found()
        for phases, seed in RUNS[engine.dialect.name]:
            run(without_pattern_of_lines(served.openapi()), url, headers, phases, seed, found)
    assert not found.problems, "\n\n".join(found.problems)
    least = AT_LEAST[engine.dialect.name]
    assert all(found.requests[phase] >= number for phase, number in least.items()), found.requests
    assert found.links >= 50
    assert found.statuses["2"] >= 60, found.statuses


def populate(app: Any, sessions: Sessions, headers: dict[str, str]) -> None:
    """Let there be something of every kind, so that ids out of answers and examples lead somewhere."""
    world = World(TestClient(app, headers=headers), sessions)
    world.call()
    world.suppression()
    world.staff_item()
    with writing(sessions) as session:
        for status in EmailStatus:
            email_in(session, status, patients=2, template=None)


class Found:
    """What a run brought to light."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.problems: list[str] = []
        self.links = 0

    def take(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.ScenarioFinished):
            self._scenario(event)
        elif isinstance(event, events.PhaseStarted) and event.payload:
            self.links = max(self.links, event.payload.transitions_selected)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            self.problems.append(str(getattr(event, "value", None) or getattr(event, "exception", None)))

    def _scenario(self, event: events.ScenarioFinished) -> None:
        answers = [one.response for one in event.recorder.interactions.values() if one.response]
        self.requests[event.phase.name] += len(answers)
        self.statuses.update(str(answer.status_code)[0] for answer in answers)
        for check in (check for checks in event.recorder.checks.values() for check in checks):
            if check.failure_info:
                failure = check.failure_info.failure
                said = f"{failure.operation}: {failure.title}\n{failure.message}\n{check.failure_info.code_sample}"
                self.problems.append(said)


def run(
    document: dict[str, Any], url: str, headers: dict[str, str], phases: dict[str, Any], seed: int, found: Found
) -> None:
    config = {"seed": seed, "cache": {"enabled": False}, "generation": GENERATION, "phases": phases}
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    schema.config.update(base_url=url, headers=headers)

    @schema.hook
    def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
        return not is_deliberate(failure, response)

    @schema.hook
    def map_headers(context: HookContext, headers: dict[str, Any]) -> dict[str, Any]:
        """Let no request be a repeat by chance: it would be answered with what was there then."""
        return headers and {name: value for name, value in headers.items() if name != "idempotency-key"}

    for event in from_schema(schema).execute():
        found.take(event)
