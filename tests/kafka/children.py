"""Relay and launcher in processes of their own, to be killed with -9, or to kill themselves at a named place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from comms.bootstrap.enduring import endure
from comms.config.kafka import KafkaSettings
from comms.gateways.kafka import KafkaPublisher, KafkaSource, publisher
from comms.ports import Message, Publication
from comms.services.inbox.launching import Launcher
from comms.services.relaying import Relay
from comms.store.engines import make_engine
from comms.store.session import Sessions, make_sessions

LEASE = timedelta(seconds=0.6)
"""Short, so that nobody waits long for a dead relay's."""

PAUSE = 0.02


def start_relay(
    url: str,
    kafka: KafkaSettings,
    topic: str,
    *,
    wave: int = 500,
    lease: timedelta = LEASE,
    dies: str = "",
    impatient: bool = False,
) -> BaseProcess:
    """Start a relay; `dies` is "" or "after_ack": acknowledged by the broker, and nothing marked yet.

    An impatient one gives up what is not acknowledged within a second.
    """
    return _start(_relay, url, kafka, topic, wave, lease, dies, impatient)


def start_launcher(
    url: str, kafka: KafkaSettings, topics: Sequence[str], launched: Path, *, dies: str = ""
) -> BaseProcess:
    """Start a launcher that writes the key of each launch into a file.

    `dies` is "", "before_commit" (all is stored, no offset committed), "after_commit" or "after_launch".
    """
    return _start(_launcher, url, kafka, list(topics), str(launched), dies)


def _start(target: Callable[..., None], *args: Any) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def _relay(url: str, kafka: KafkaSettings, topic: str, wave: int, lease: timedelta, dies: str, impatient: bool) -> None:
    if impatient:
        publisher.BLOCK_MS, publisher.DELIVERY_MS = 400, 900
    made = (DyingPublisher if dies else KafkaPublisher)(kafka, topic)
    relay = Relay(_sessions(url), made, topic, f"relay-{os.getpid()}", lease)
    endure(
        lambda: PAUSE if (done := relay.round(wave)).idle or done.standing != "active" else 0.0, _for_ever(), "tests"
    )


def _launcher(url: str, kafka: KafkaSettings, topics: list[str], launched: str, dies: str) -> None:
    def launch(key: str) -> None:
        with open(launched, "a") as file:
            file.write(f"{key}\n")
        if dies == "after_launch":
            die()

    launcher = Launcher(_sessions(url), DyingSource(kafka, topics, dies), launch)
    endure(lambda: launcher.turn(0.2) and 0.0, _for_ever(), "tests")


class DyingPublisher(KafkaPublisher):
    def publish(self, messages: Sequence[Message]) -> Publication:
        done = super().publish(messages)
        assert len(done.receipts) == len(messages)
        die()
        return done


class DyingSource(KafkaSource):
    def __init__(self, settings: KafkaSettings, topics: Sequence[str], dies: str) -> None:
        super().__init__(settings, topics)
        self._dies = dies

    def commit(self) -> None:
        if self._dies == "before_commit":
            die()
        super().commit()
        if self._dies == "after_commit":
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sessions(url: str) -> Sessions:
    return make_sessions(make_engine(url))


def _for_ever() -> threading.Event:
    return threading.Event()
