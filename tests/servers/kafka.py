"""A broker of its own on loopback: the embedded one, or Apache Kafka where COMMS_TEST_KAFKA says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deployments.kafka.apache_kafka as apache
from comms.local_stack.broker import broker_command
from comms.local_stack.ports import HOST, answers, free_port
from tests.local_stack.parts import becomes_true
from tests.servers.processes import dies_with_parent

APACHE = os.environ.get("COMMS_TEST_KAFKA") == "apache"
"""`make test-kafka`; the embedded broker forgets everything when it ends, Apache Kafka nothing."""


class Broker:
    """Can be killed and started again, and be cut off by freezing it."""

    def __init__(self, certificate: Path | None = None) -> None:
        """With a certificate (key and chain, PEM) it is reached by SASL_SSL too: Apache Kafka only."""
        self.port, self.secured_port, self._controller = free_port(), free_port(), free_port()
        self._certificate = certificate
        self._data = tempfile.TemporaryDirectory(prefix="comms-kafka-", ignore_cleanup_errors=True) if APACHE else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = started = subprocess.Popen(
            self._command(), stdin=quiet, stdout=quiet, stderr=quiet, preexec_fn=dies_with_parent()
        )
        assert becomes_true(lambda: answers(self.port) or started.poll() is not None, 240), "the broker does not answer"
        assert started.poll() is None, "the broker ended by itself"

    def _command(self) -> list[str]:
        if self._data:
            jars, data = ["--home", str(apache.HOME.absolute())], ["--data", self._data.name]
            ports = ["--port", str(self.port), "--controller-port", str(self._controller)]
            if self._certificate:
                ports += ["--secured-port", str(self.secured_port), "--certificate", str(self._certificate)]
            return [sys.executable, apache.__file__, "run", *jars, *data, *ports]
        command = broker_command(self.port)
        assert command, "there is no broker binary for this platform"
        return command

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps what it has and answers nobody."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def forget(self) -> None:
        """Throw away what it wrote."""
        if self._data:
            self._data.cleanup()


@contextmanager
def broker(certificate: Path | None = None) -> Iterator[Broker]:
    made = Broker(certificate)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        made.forget()
