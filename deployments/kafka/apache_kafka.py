"""One real Apache Kafka broker (KRaft) without Docker: Java 17 and Maven are all it needs.

    python deployments/kafka/apache_kafka.py fetch
    python deployments/kafka/apache_kafka.py run --port 9092

`fetch` copies the jars into the home (default .comms/kafka), once. `run` becomes the broker; what it writes lies in the
home, or where --data says. For tests and for trying things out: one node, plain text, loopback.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

HERE = Path(__file__).parent
HOME = Path(".comms") / "kafka"
HEAP = "512m"
LOOPBACK = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fetch", "run"])
    parser.add_argument("--home", type=Path, default=HOME, help="where the jars lie (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9092, help="where clients connect (default: %(default)s)")
    parser.add_argument("--controller-port", type=int, help="where the broker meets itself (default: the next one)")
    parser.add_argument("--data", type=Path, help="where the log lies (default: HOME/data)")
    asked = parser.parse_args()
    if asked.what == "fetch":
        fetch(asked.home)
    else:
        run(asked.home, asked.port, asked.controller_port or asked.port + 1, asked.data or asked.home / "data")


def fetch(home: Path) -> None:
    """Copy the jars of pom.xml and all they need; doing it again changes nothing."""
    maven = _program("mvn", "Maven")
    command = [maven, "--quiet", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={jars(home)}"]
    done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode:
        sys.exit("the jars of Apache Kafka cannot be had: Maven said why above")


def run(home: Path, port: int, controller_port: int, data: Path) -> None:
    """Format the folder where it is new, then become the broker."""
    if not jars(home).is_dir():
        sys.exit(f"there are no jars in {jars(home)}: run `fetch` first")
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "server.properties"
    settings.write_text(properties(port, controller_port, data.absolute()))
    java = [_program("java", "Java 17"), f"-Xmx{HEAP}", "-cp", f"{jars(home)}/*"]
    if not (data / "log" / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(settings)]
        subprocess.run([*java, *tool], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    os.execv(java[0], [*java, "kafka.Kafka", str(settings)])  # noqa: S606


def properties(port: int, controller_port: int, data: Path) -> str:
    """One node that is broker and controller; topics are made when they are first named."""
    controller = f"{LOOPBACK}:{controller_port}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": controller,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "log.dirs": data / "log",
        "num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "log.message.timestamp.after.max.ms": 2**63 - 1,  # any producer's clock, as brokers before 4.0
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def jars(home: Path) -> Path:
    return (home / "jars").absolute()


def _program(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{what} is needed: there is no `{name}` on the PATH")
    return found


if __name__ == "__main__":
    main()
