"""A real Apache Kafka broker without Docker, for tests and for trying things out."""
