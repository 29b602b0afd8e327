"""A login over TLS, as production has it: both ways work, and what is wrong is named. On Apache Kafka only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from comms.config.kafka import Kafka, KafkaSettings
from comms.gateways.kafka import KafkaPublisher, KafkaSource
from comms.ports import BrokerAway, IncomingMessage, Message
from tests.factories import number
from tests.local_stack.parts import becomes_true
from tests.servers.kafka import Broker, broker

PASSWORD = "comms"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with a certificate of this authority for 127.0.0.1."""
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    path = tmp_path_factory.mktemp("kafka") / "server.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for certificate in issued.cert_chain_pems:
        certificate.write_to_path(str(path), append=True)
    with broker(path) as running:
        yield running


Asking = Callable[..., KafkaSettings]


@pytest.fixture
def asking(secured: Broker, authority: trustme.CA, tmp_path: Path) -> Asking:
    """Makes settings that trust an authority, the right one unless told otherwise."""

    def settings(password: str = PASSWORD, trusted: trustme.CA = authority) -> KafkaSettings:
        trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        found = Kafka(
            KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{secured.secured_port}",
            KAFKA_SECURITY_PROTOCOL="SASL_SSL",
            KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
            KAFKA_SASL_USERNAME="comms",
            KAFKA_SASL_PASSWORD=password,
            COMMS_KAFKA_CA_FILE=tmp_path / "ca.pem",
            COMMS_KAFKA_GROUP=f"group-{number()}",
        ).get_kafka_settings()
        assert found
        return found

    return settings


def test_what_is_written_with_our_settings_is_read_with_them(asking: Asking) -> None:
    topic = f"secured-{number()}"
    publisher, source = KafkaPublisher(asking(), topic), KafkaSource(asking(), [topic])
    read: list[IncomingMessage] = []
    try:
        done = publisher.publish([Message(row, f"email:{row}", b"{}") for row in (1, 2, 3)])
        assert ([receipt.refused for receipt in done.receipts], done.interrupted) == ([None] * 3, None)
        assert becomes_true(lambda: read.extend(source.poll(0.5)) or len(read) == 3, 60)
        source.commit()
        assert source.behind() == 0
    finally:
        publisher.close()
        source.close()


@pytest.mark.parametrize("sends", [True, False])
def test_a_wrong_password_is_named(asking: Asking, sends: bool) -> None:
    assert fault(asking(password="falsch"), sends) == "SaslAuthenticationFailed"


@pytest.mark.parametrize("sends", [True, False])
def test_a_certificate_of_somebody_else_is_named(asking: Asking, sends: bool) -> None:
    assert fault(asking(trusted=trustme.CA()), sends) == "SSLCertVerification"


def fault(settings: KafkaSettings, sends: bool) -> str:
    with pytest.raises(BrokerAway) as raised:
        KafkaPublisher(settings, "t").check() if sends else KafkaSource(settings, ["t"]).poll(0.1)
    return raised.value.fault
