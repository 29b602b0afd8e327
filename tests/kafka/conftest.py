"""One broker for all of them; whoever cuts or kills one starts its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories import number
from tests.kafka.bus import Bus
from tests.servers.kafka import APACHE, Broker, broker

collect_ignore = [] if APACHE else ["test_sasl_ssl.py"]
"""The embedded broker knows neither TLS nor logins."""


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


@pytest.fixture
def topic() -> str:
    """Where our own events go; nobody else's."""
    return f"communication-{number()}"


@pytest.fixture
def bus(kafka: Broker) -> Bus:
    """The platform's three topics, under names of their own, and a group that reads them."""
    return Bus(kafka.servers, f"run-{number()}")


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker that may be frozen and killed."""
    with broker() as running:
        yield running
