"""One real Apache Kafka broker (KRaft) without Docker: Java 17 and Maven are all it needs.

    python deployments/kafka/apache_kafka.py fetch
    python deployments/kafka/apache_kafka.py run --port 9092
    python deployments/kafka/apache_kafka.py run --port 9092 --secured-port 9093 --certificate key-and-chain.pem

`fetch` copies the jars into the home (default .comms/kafka), once. `run` becomes the broker; what it writes lies in the
home, or where --data says. For tests and for trying things out: one node, loopback, plain text; and SASL_SSL with
SCRAM-SHA-512 where a certificate is given (PEM; the key as PKCS #8), for the user comms with the password comms.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
HOME = Path(".comms") / "kafka"
QUICK = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Half the time to start; what this broker carries is little."""

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
USER = "SCRAM-SHA-512=[name=comms,password=comms]"
LOOPBACK = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fetch", "run"])
    parser.add_argument("--home", type=Path, default=HOME, help="where the jars lie (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9092, help="where clients connect (default: %(default)s)")
    parser.add_argument("--controller-port", type=int, help="where the broker meets itself (default: the next one)")
    parser.add_argument("--data", type=Path, help="where the log lies (default: HOME/data)")
    parser.add_argument("--secured-port", type=int, help="where clients connect by SASL_SSL")
    parser.add_argument("--certificate", type=Path, help="key and chain for it")
    asked = parser.parse_args()
    if asked.what == "fetch":
        fetch(asked.home)
    else:
        secured = (asked.secured_port, asked.certificate.absolute()) if asked.secured_port else None
        lines = properties(asked.port, asked.controller_port or asked.port + 1, secured)
        run(asked.home, lines, asked.data or asked.home / "data")


def fetch(home: Path) -> None:
    """Copy the jars of pom.xml and all they need; doing it again changes nothing."""
    maven = _program("mvn", "Maven")
    command = [maven, "--quiet", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={jars(home)}"]
    done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode:
        sys.exit("the jars of Apache Kafka cannot be had: Maven said why above")


def run(home: Path, lines: Mapping[str, object], data: Path) -> None:
    """Format the folder where it is new, then become the broker."""
    if not jars(home).is_dir():
        sys.exit(f"there are no jars in {jars(home)}: run `fetch` first")
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "server.properties"
    settings.write_text("".join(f"{name}={value}\n" for name, value in {**lines, "log.dirs": _log(data)}.items()))
    java = [_program("java", "Java 17"), *QUICK, "-cp", f"{jars(home)}/*"]
    if not (_log(data) / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}", "-c", str(settings)]
        subprocess.run([*java, *tool, "--add-scram", USER], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    os.execv(java[0], [*java, "kafka.Kafka", str(settings)])  # noqa: S606


def properties(port: int, controller_port: int, secured: tuple[int, Path] | None) -> dict[str, object]:
    """One node that is broker and controller; topics are made when they are first named."""
    controller = f"{LOOPBACK}:{controller_port}"
    listeners = f"PLAINTEXT://{LOOPBACK}:{port}"
    lines: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": controller,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
        "num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "log.message.timestamp.after.max.ms": 2**63 - 1,  # any producer's clock, as brokers before 4.0
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
    }
    if secured:
        listeners += f",SASL_SSL://{LOOPBACK}:{secured[0]}"
        lines |= {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{SCRAM} required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": secured[1],
        }
    return lines | {"listeners": f"{listeners},CONTROLLER://{controller}", "advertised.listeners": listeners}


def _log(data: Path) -> Path:
    return data.absolute() / "log"


def jars(home: Path) -> Path:
    return (home / "jars").absolute()


def _program(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{what} is needed: there is no `{name}` on the PATH")
    return found


if __name__ == "__main__":
    main()
