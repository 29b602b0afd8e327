"""How brokers are reached: the settings arrive at the library, and certificates are verified."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from kafka import KafkaConsumer, KafkaProducer

from comms.config.kafka import Kafka, KafkaSettings
from comms.gateways.kafka import KafkaPublisher, KafkaSource, connecting
from comms.gateways.kafka.connecting import client_options
from comms.ports import BrokerAway


def settings(**given: object) -> KafkaSettings:
    names = {"KAFKA_BOOTSTRAP_SERVERS": "b1.example:9093, b2.example:9093", **given}
    found = Kafka(**names).get_kafka_settings()  # type: ignore[arg-type]
    assert found
    return found


SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
    "KAFKA_SASL_USERNAME": "comms",
    "KAFKA_SASL_PASSWORD": "geheim",
}


def test_settings_of_sasl_ssl_reach_the_library() -> None:
    options = client_options(settings(**SASL, COMMS_KAFKA_CA_FILE=__file__))
    assert options["bootstrap_servers"] == ["b1.example:9093", "b2.example:9093"]
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-256")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("comms", "geheim")
    assert (options["ssl_cafile"], options["ssl_check_hostname"]) == (__file__, True)


def test_without_sasl_no_name_and_no_password_is_given_to_anybody() -> None:
    options = client_options(settings(**(SASL | {"KAFKA_SECURITY_PROTOCOL": "SSL"})))
    assert not [name for name in options if name.startswith("sasl")]


@pytest.mark.parametrize("client", [KafkaProducer, KafkaConsumer])
def test_the_library_knows_every_option(client: type[KafkaProducer | KafkaConsumer]) -> None:
    assert not client_options(settings(**SASL, COMMS_KAFKA_CA_FILE=__file__)).keys() - client.DEFAULT_CONFIG.keys()


class Listener:
    """Speaks TLS and nothing else; notes what clients say who accepted its certificate."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = list[bytes]()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(client, server_side=True) as secured:
                    if said := secured.recv(100):
                        self.heard.append(said)
            except OSError:
                client.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers here: it need not be waited for long."""
    monkeypatch.setattr(connecting, "BOOTSTRAP_MS", 700)


@contextmanager
def listening(certificate: trustme.LeafCert) -> Iterator[Listener]:
    listener = Listener(certificate)
    try:
        yield listener
    finally:
        listener.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def connect(listener: Listener, ca_file: Path, *, sends: bool) -> str:
    ours = {"KAFKA_BOOTSTRAP_SERVERS": f"localhost:{listener.port}", "COMMS_KAFKA_CA_FILE": str(ca_file)}
    given = settings(**(SASL | ours))
    with pytest.raises(BrokerAway) as raised:
        KafkaPublisher(given, "t").check() if sends else KafkaSource(given, ["t"]).poll(0.1)
    return raised.value.fault


@pytest.mark.parametrize("sends", [True, False])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_a_word_is_said(ca_file: Path, sends: bool) -> None:
    with listening(trustme.CA().issue_cert("localhost")) as listener:
        assert connect(listener, ca_file, sends=sends) == "SSLCertVerification"
        assert listener.heard == []


@pytest.mark.parametrize("sends", [True, False])
def test_a_certificate_for_another_name_is_refused_before_a_word_is_said(
    authority: trustme.CA, ca_file: Path, sends: bool
) -> None:
    with listening(authority.issue_cert("other.example")) as listener:
        assert connect(listener, ca_file, sends=sends) == "SSLCertVerification"
        assert listener.heard == []


def test_the_right_certificate_is_accepted_and_who_then_hangs_up_refuses_the_login(
    authority: trustme.CA, ca_file: Path
) -> None:
    with listening(authority.issue_cert("localhost")) as listener:
        assert connect(listener, ca_file, sends=True) == "SaslAuthenticationFailed"
        assert listener.heard
