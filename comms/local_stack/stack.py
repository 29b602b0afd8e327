"""Which parts a local stack has, given what the settings name already; and the environment they all get."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from comms.config import Settings
from comms.local_stack import HEARTBEAT, parts
from comms.local_stack.kafka import Kafka, choose_kafka
from comms.local_stack.part import Part
from comms.local_stack.ports import HOST, Port


@dataclass(frozen=True)
class Stack:
    parts: tuple[Part, ...]
    ports: tuple[Port, ...]
    """What has to be free before anything starts."""
    environment: Mapping[str, str]
    addresses: Mapping[str, str]
    """What to where, for people."""


def compose(settings: Settings, *, sample: int | None = None) -> Stack:
    """Make a stack of what is not there yet; `sample` adds data about so many therapists."""
    own_server, own_mail, kafka = not settings.prefect_api_url, _needs_catcher(settings), choose_kafka(settings)
    chosen = [parts.database()]
    chosen += [parts.broker(kafka.command, settings.kafka_port)] if kafka.command else []
    chosen += [parts.prefect_server(settings.prefect_port)] if own_server else []
    chosen += [parts.mail_catcher(settings)] if own_mail else []
    chosen += [parts.sample(sample)] if sample else []
    chosen += [parts.worker((parts.DATABASE, parts.MAIL) if own_mail else (parts.DATABASE,), alone=own_server)]
    chosen += [parts.api(settings.api_port)]
    chosen += parts.bus((parts.KAFKA,) if kafka.command else ()) if kafka.is_there else []
    return Stack(
        tuple(chosen),
        (*_server_ports(settings, own_server), *_mail_ports(settings, own_mail), _api_port(settings), *kafka.ports),
        _environment(settings, own_mail, kafka),
        _addresses(settings, own_mail, kafka),
    )


def prefect_url(settings: Settings) -> str:
    """The API of the Prefect server that this stack uses."""
    return settings.prefect_api_url or f"http://{HOST}:{settings.prefect_port}/api"


def _needs_catcher(settings: Settings) -> bool:
    return not {"smtp_host", "smtp_port"} & settings.model_fields_set


def _server_ports(settings: Settings, own: bool) -> list[Port]:
    return [Port(settings.prefect_port, "the Prefect server", "COMMS_PREFECT_PORT")] if own else []


def _mail_ports(settings: Settings, own: bool) -> list[Port]:
    ports = [
        Port(settings.catcher_smtp_port, "the mail catcher's SMTP", "COMMS_CATCHER_SMTP_PORT"),
        Port(settings.catcher_imap_port, "the mail catcher's IMAP", "COMMS_CATCHER_IMAP_PORT"),
        Port(settings.catcher_web_port, "the mail catcher's page", "COMMS_CATCHER_WEB_PORT"),
    ]
    return ports if own else []


def _api_port(settings: Settings) -> Port:
    return Port(settings.api_port, "the API", "COMMS_API_PORT")


def _environment(settings: Settings, own_mail: bool, kafka: Kafka) -> dict[str, str]:
    """What the caller has, our quiet defaults for Prefect beneath it, and the addresses of this stack on top."""
    ours = {
        "COMMS_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url,
        "PREFECT_API_URL": prefect_url(settings),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        **kafka.environment,
    }
    if own_mail:
        ours |= {"SMTP_HOST": HOST, "SMTP_PORT": str(settings.catcher_smtp_port)}
    inherited = {name: value for name, value in os.environ.items() if name.upper() != "DATABASE_URL_FILE"}
    return _prefect_defaults(settings.home) | inherited | ours


def _prefect_defaults(home: Path) -> dict[str, str]:
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_CLI_PROMPT": "false",
    }


def _api_address(settings: Settings) -> str:
    """Its documentation; in production that is closed."""
    shown = "healthz" if settings.environment == "production" else "docs"
    return f"http://{HOST}:{settings.api_port}/{shown}"


def _addresses(settings: Settings, own_mail: bool, kafka: Kafka) -> dict[str, str]:
    found = {"prefect": prefect_url(settings).removesuffix("/api"), "api": _api_address(settings)}
    if own_mail:
        found |= {
            "mails": f"http://{HOST}:{settings.catcher_web_port}",
            "smtp": f"smtp://{HOST}:{settings.catcher_smtp_port}",
            "imap": f"imap://{parts.CATCHER_LOGIN}:{parts.CATCHER_LOGIN}@{HOST}:{settings.catcher_imap_port}",
        }
    shown = make_url(settings.database_url).render_as_string(hide_password=True)
    return found | {"kafka": kafka.where, "database": shown, "home": str(settings.home)}
