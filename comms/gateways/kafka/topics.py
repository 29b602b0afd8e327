"""Which topics there are, for whoever only looks."""

from __future__ import annotations

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from comms.config.kafka import KafkaSettings
from comms.gateways.kafka.connecting import away, client_options

ANSWER_MS = 3_000


def list_topics(settings: KafkaSettings) -> frozenset[str]:
    """Name the topics that this login may see; BrokerAway where nobody answers or lets us in."""
    options = client_options(settings)
    del options["metrics_enabled"]  # the one that this client does not know
    try:
        client = KafkaAdminClient(**options, request_timeout_ms=ANSWER_MS)
        try:
            return frozenset(client.list_topics())
        finally:
            client.close()
    except (KafkaError, OSError) as error:
        raise away(settings, error) from None
