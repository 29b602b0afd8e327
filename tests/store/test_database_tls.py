"""PostgreSQL over TLS: with verify-full its certificate and its name count, and the doctor says what is in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import trustme
from sqlalchemy.exc import OperationalError

from comms.config import Settings
from comms.doctor.database import look
from comms.store.database import upgrade
from comms.store.engines import make_engine
from tests.servers.postgres import own_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Speaks TLS with a certificate for the name localhost; an own one, for its settings are changed."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    (folder / "key.pem").chmod(0o600)
    with own_server(folder) as url:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        for name, value in {"cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}.items():
            connection.cursor().execute(f"ALTER SYSTEM SET ssl_{name} = '{value}'")
        connection.cursor().execute("ALTER SYSTEM SET ssl = on")
        connection.cursor().execute("SELECT pg_reload_conf()")
        connection.close()
        yield url


def verified(server: str, host: str, authority: trustme.CA, folder: Path) -> str:
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return f"{server.replace('127.0.0.1', host)}?sslmode=verify-full&sslrootcert={folder / 'ca.pem'}"


def test_a_certificate_that_is_vouched_for_is_accepted_and_the_doctor_says_so(
    server: str, authority: trustme.CA, tmp_path: Path
) -> None:
    url = verified(server, "localhost", authority, tmp_path)
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()

    words = [finding.words for finding in look(Settings(_env_file=None, database_url=url))]  # type: ignore[call-arg]

    assert "the connection is encrypted (TLSv1.3)" in words


@pytest.mark.parametrize(("host", "ours"), [("127.0.0.1", True), ("localhost", False)])
def test_a_certificate_for_another_name_or_of_somebody_else_is_refused(
    server: str, authority: trustme.CA, tmp_path: Path, host: str, ours: bool
) -> None:
    engine = make_engine(verified(server, host, authority if ours else trustme.CA(), tmp_path))

    with pytest.raises(OperationalError, match="certificate"):
        engine.connect()
