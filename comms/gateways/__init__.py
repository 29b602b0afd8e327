"""The network: SMTP, Kafka, the platform. No rows and no decisions."""
