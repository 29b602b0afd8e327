"""What mail servers say in the wild, said by a real one: each refusal ends as the table of `rules.retry` says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme
from sqlalchemy import Engine

from comms.rules.retry import Kind
from comms.services.sending import send_queued_emails
from comms.store.models import Email
from comms.store.session import make_sessions, reading
from tests.faults.certificates import Authority, shows
from tests.faults.figures import Note
from tests.rules.test_retry import SAID
from tests.servers.sending import QUICK, queue_emails, smtp_sender
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.whole

REFUSALS = [row for row in SAID if row[1][0] in "45"]
TEMPORARY = [row for row in REFUSALS if row[1][0] == "4"]
PHASE_OF_THE_SCRIPT = {"connect": "greeting", "tls": "starttls"}
GOES_ON = {
    Kind.MESSAGE_TRANSIENT: ("queued", 1),
    Kind.CHANNEL_TRANSIENT: ("queued", 0),
    Kind.CONFIGURATION: ("queued", 0),
}
"""Status and tries that are used up; every other refusal is the end of the email."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(trustme.CA(), tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(("phase", "said", "kind"), REFUSALS)
def test_a_refusal_ends_as_the_table_says(
    phase: str, said: str, kind: str, empty_sqlite: Engine, authority: Authority, figure: Note
) -> None:
    sessions, script = make_sessions(empty_sqlite), {PHASE_OF_THE_SCRIPT.get(phase, phase): whole_reply(said)}
    secure = phase in ("tls", "auth")
    login = {"security": "starttls", "ca_file": authority.file, "username": "app", "password": "x"} if secure else {}
    [id_] = queue_emails(sessions, 1)
    with SmtpServer(script, tls=shows(authority.server()) if secure else None, users={"app": "y"}) as server:
        send_queued_emails(sessions, smtp_sender(server.port, **login), QUICK, datetime.now(UTC), limit=1)

    with reading(sessions) as session:
        email = session.get_one(Email, id_)
    assert email.error_kind == kind
    assert (email.status, email.retry_count) == GOES_ON.get(Kind(kind), ("failed", 0))
    assert (email.handed_over_at, server.received) == (None, [])
    phases = len({phase for phase, _, _ in REFUSALS})
    measured = f"{len(TEMPORARY)} temporary, {len(REFUSALS) - len(TEMPORARY)} permanent, {phases} phases"
    figure("refusals of mail servers in the wild", "classified as the table says, nothing handed over", measured)


def whole_reply(said: str) -> str:
    """What is quoted from the middle of a longer reply needs an end."""
    return f"{said}\n{said[:3]} end" if said[3] == "-" else said
