"""Kafka: what is published, and what is read. Knows bytes and coordinates, no rows and no meaning."""

from comms.gateways.kafka.consumer import KafkaSource
from comms.gateways.kafka.publisher import KafkaPublisher
from comms.gateways.kafka.topics import list_topics

__all__ = ["KafkaPublisher", "KafkaSource", "list_topics"]
