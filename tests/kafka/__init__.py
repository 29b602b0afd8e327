"""What must hold on the platform's bus: on the embedded broker, and on Apache Kafka with `make test-kafka`."""
