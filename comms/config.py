"""Every setting of the service: read once from the environment and `.env`, checked at start.

`docs/settings.md` and `.env.example` are written from this file; `make check` compares them.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from comms.errors import ConfigurationError
from comms.rules.availability import read_availability
from comms.rules.policy import CallPolicy, ContactPolicy, Identity, SendingPolicy

PLACEHOLDERS = (
    "example.org",
    "example.com",
    "example.net",
    ".example",
    "changeme",
    "change-me",
    "your-",
    "<",
)
LOOPBACK = ("localhost", "127.0.0.1", "::1")

LANDS = Literal["BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"]


def _zone(value: Any) -> Any:
    return ZoneInfo(value) if isinstance(value, str) else value


Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class SmtpSettings(BaseModel):
    """How to reach the mail relay, and whose name stands in From."""

    host: str
    port: int
    username: str | None
    password: SecretStr | None
    use_tls: bool
    security: Literal["none", "starttls", "tls"]
    sender: str
    sender_name: str
    ca_file: Path | None
    connect_timeout: float
    command_timeout: float
    content_timeout: float


def _setting(default: Any, name: str, description: str, **limits: Any) -> Any:
    return Field(default, validation_alias=AliasChoices(name), description=description, **limits)


class Settings(BaseSettings):
    """One value per name; names are those of the environment."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        env_ignore_empty=False,
    )

    # where things are
    environment: Literal["development", "production"] = _setting(
        "development",
        "COMMS_ENVIRONMENT",
        "`production` refuses to start on anything unsafe, with one line per fault.",
    )
    home: Path = _setting(Path(".comms"), "COMMS_HOME", "Folder of the embedded database, logs and the local stack.")
    database_url: str = _setting(
        "", "DATABASE_URL", "PostgreSQL or SQLite. Empty: an SQLite file `comms.db` under COMMS_HOME."
    )
    prefect_api_url: str = _setting("", "PREFECT_API_URL", "A running Prefect server. Empty: `comms up` starts one.")
    kafka_bootstrap_servers: str = _setting("", "KAFKA_BOOTSTRAP_SERVERS", "Kafka brokers. Empty: no Kafka.")
    api_port: int = _setting(8000, "COMMS_API_PORT", "Port of the API that `comms up` starts.", ge=1, le=65535)

    # mail
    smtp_host: str = _setting("localhost", "SMTP_HOST", "The mail relay.")
    smtp_port: int = _setting(1025, "SMTP_PORT", "Its port.", ge=1, le=65535)
    smtp_username: str = _setting("", "SMTP_USERNAME", "Empty: no login.")
    smtp_password: SecretStr = _setting(SecretStr(""), "SMTP_PASSWORD", "Never sent without TLS.")
    smtp_use_tls: bool = _setting(False, "SMTP_USE_TLS", "`true` means SMTP_SECURITY=starttls.")
    smtp_security: Literal["none", "starttls", "tls"] | None = _setting(
        None, "SMTP_SECURITY", "`none`, `starttls` or `tls`; certificates are always verified."
    )
    smtp_ca_file: Path | None = _setting(None, "COMMS_SMTP_CA_FILE", "Certificates to trust instead of the system's.")
    email_sender: str = _setting("vermittlung@platzsuche.example", "EMAIL_SENDER", "Address in From.")
    email_sender_name: str = _setting("Vermittlung Psychotherapie", "EMAIL_SENDER_NAME", "Name in From.")
    reply_to: str = _setting(
        "antwort@platzsuche.example", "COMMS_REPLY_TO", "Answers go here; a token is added: antwort+TOKEN@…"
    )
    unsubscribe: str = _setting(
        "abmeldung@platzsuche.example",
        "COMMS_UNSUBSCRIBE",
        "Address of List-Unsubscribe and of the opt-out line.",
    )
    organisation: str = _setting("Platzsuche (Beispiel)", "COMMS_ORGANISATION", "Who writes, as the letters say it.")
    legal_footer: str = _setting("", "COMMS_LEGAL_FOOTER", "Imprint under every letter; needed in production.")
    templates: Path | None = _setting(None, "COMMS_TEMPLATES", "Folder with templates that replace the built-in ones.")
    diagnosis_detail: Literal["category", "full", "none"] = _setting(
        "category",
        "COMMS_DIAGNOSIS_DETAIL",
        "What of the ICD-10 code stands in an email: F32, F32.1, or nothing.",
    )

    # contacts
    contact_window_hours: int = _setting(
        168, "COMMS_CONTACT_WINDOW_HOURS", "At most one contact per therapist and mailbox in this time.", ge=1
    )
    cooling_weeks: int = _setting(4, "COMMS_COOLING_WEEKS", "Rest after a rejection.", ge=0, le=520)
    patients_per_email: int = _setting(5, "COMMS_PATIENTS_PER_EMAIL", "At most this many in one email.", ge=1, le=20)
    time_zone: Zone = _setting(ZoneInfo("Europe/Berlin"), "COMMS_TIME_ZONE", "Where therapists and callers live.")

    # calls
    follow_up_after_hours: int = _setting(
        168, "COMMS_FOLLOW_UP_AFTER_HOURS", "An email without an answer for this long leads to a call.", ge=1
    )
    call_minutes: int = _setting(5, "COMMS_CALL_MINUTES", "Length of a call.", ge=5, le=120, multiple_of=5)
    call_lead_minutes: int = _setting(30, "COMMS_CALL_LEAD_MINUTES", "A call is at least this far ahead.", ge=0)
    call_look_ahead_days: int = _setting(14, "COMMS_CALL_LOOK_AHEAD_DAYS", "And at most this far.", ge=1, le=60)
    call_tries: int = _setting(3, "COMMS_CALL_TRIES", "Tries before the staff list.", ge=1, le=20)
    call_retry_days: int = _setting(1, "COMMS_CALL_RETRY_DAYS", "From a missed call to the next try.", ge=1, le=30)
    no_slot_days: int = _setting(3, "COMMS_NO_SLOT_DAYS", "So long a search may fail before staff see it.", ge=0)
    callers: int = _setting(1, "COMMS_CALLERS", "How many people make calls.", ge=1, le=1000)
    caller_hours: str = _setting(
        '{"Mo": ["08:00-18:00"], "Di": ["08:00-18:00"], "Mi": ["08:00-18:00"], "Do": ["08:00-18:00"], '
        '"Fr": ["08:00-18:00"]}',
        "COMMS_CALLER_HOURS",
        "When they call, in the notation of the phone hours.",
    )
    default_land: LANDS | None = _setting(
        None,
        "COMMS_DEFAULT_LAND",
        "Whose holidays count where the Land is unknown. Empty: the nationwide ones.",
    )

    # sending
    smtp_connections: int = _setting(
        2,
        "COMMS_SMTP_CONNECTIONS",
        "Connections at once; a crash leaves at most one email in doubt on each.",
        ge=1,
        le=64,
    )
    send_chunk: int = _setting(50, "COMMS_SEND_CHUNK", "Emails claimed at a time.", ge=1, le=1000)
    lease_seconds: int = _setting(
        300, "COMMS_LEASE_SECONDS", "A sender that is silent for this long has lost its emails.", ge=1
    )
    rescue_seconds: int = _setting(30, "COMMS_RESCUE_SECONDS", "How often a sender looks for lost emails.", ge=1)
    give_up_hours: int = _setting(72, "COMMS_GIVE_UP_HOURS", "So long an email is tried again.", ge=1)
    smtp_connect_timeout: float = _setting(10, "COMMS_SMTP_CONNECT_TIMEOUT", "Seconds for connection and TLS.", gt=0)
    smtp_command_timeout: float = _setting(30, "COMMS_SMTP_COMMAND_TIMEOUT", "Seconds for each reply.", gt=0)
    smtp_content_timeout: float = _setting(
        60,
        "COMMS_SMTP_CONTENT_TIMEOUT",
        "Seconds for the reply to the final dot; then the email is in doubt.",
        gt=0,
    )
    messages_per_connection: int = _setting(100, "COMMS_MESSAGES_PER_CONNECTION", "Then it is opened anew.", ge=1)
    breaker_seconds: int = _setting(
        300, "COMMS_BREAKER_SECONDS", "Rest after the relay itself failed, not the message.", ge=1
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """`NAME_FILE` names a file that holds the value of NAME; for secrets."""
        for name in SECRETS:
            path = os.environ.get(f"{name}_FILE")
            if path:
                values[name] = _secret_from(name, path)
        return values

    @model_validator(mode="after")
    def _make_paths_absolute(self) -> Settings:
        self.home = self.home.expanduser().absolute()
        if not self.database_url:
            self.database_url = f"sqlite:///{self.home / 'comms.db'}"
        if self.smtp_security is None:
            self.smtp_security = "starttls" if self.smtp_use_tls else "none"
        return self

    def get_smtp_settings(self) -> SmtpSettings:
        """Everything the mail gateway needs, and nothing else."""
        assert self.smtp_security is not None
        password = self.smtp_password if self.smtp_password.get_secret_value() else None
        return SmtpSettings(
            host=self.smtp_host,
            port=self.smtp_port,
            username=self.smtp_username or None,
            password=password,
            use_tls=self.smtp_security != "none",
            security=self.smtp_security,
            sender=self.email_sender,
            sender_name=self.email_sender_name,
            ca_file=self.smtp_ca_file,
            connect_timeout=self.smtp_connect_timeout,
            command_timeout=self.smtp_command_timeout,
            content_timeout=self.smtp_content_timeout,
        )

    def contact_policy(self) -> ContactPolicy:
        return ContactPolicy(
            window=timedelta(hours=self.contact_window_hours),
            cooling=timedelta(weeks=self.cooling_weeks),
            patients_per_email=self.patients_per_email,
            zone=self.time_zone,
        )

    def call_policy(self) -> CallPolicy:
        """Raises ConfigurationError when the callers' hours cannot be read."""
        hours = read_availability(self.caller_hours)
        if hours.faults or not hours.windows:
            raise ConfigurationError([f"COMMS_CALLER_HOURS: {fault}" for fault in hours.faults or ["no hours in it"]])
        return CallPolicy(
            follow_up_after=timedelta(hours=self.follow_up_after_hours),
            minutes=self.call_minutes,
            lead=timedelta(minutes=self.call_lead_minutes),
            look_ahead=timedelta(days=self.call_look_ahead_days),
            retry_after=timedelta(days=self.call_retry_days),
            tries=self.call_tries,
            no_slot_patience=timedelta(days=self.no_slot_days),
            callers=self.callers,
            caller_hours=hours.windows,
            default_land=self.default_land,
            zone=self.time_zone,
            window=timedelta(hours=self.contact_window_hours),
        )

    def sending_policy(self) -> SendingPolicy:
        return SendingPolicy(
            lease=timedelta(seconds=self.lease_seconds),
            rescue_every=timedelta(seconds=self.rescue_seconds),
            connections=self.smtp_connections,
            chunk=self.send_chunk,
            give_up_after=timedelta(hours=self.give_up_hours),
            messages_per_connection=self.messages_per_connection,
            breaker_pause=timedelta(seconds=self.breaker_seconds),
            window=timedelta(hours=self.contact_window_hours),
        )

    def identity(self) -> Identity:
        return Identity(
            sender=self.email_sender,
            sender_name=self.email_sender_name,
            reply_to=self.reply_to,
            unsubscribe=self.unsubscribe,
            legal_footer=self.legal_footer or f"{self.organisation} · Impressum folgt (COMMS_LEGAL_FOOTER)",
            organisation=self.organisation,
        )

    def faults(self) -> list[str]:
        """Say what makes these settings unsafe for production, one line each."""
        checks = (self._lease_faults(), self._placeholder_faults(), self._production_faults())
        found = [fault for check in checks for fault in check]
        return found if self.environment == "production" else self._lease_faults()

    def _lease_faults(self) -> list[str]:
        longest = self.smtp_connect_timeout + 4 * self.smtp_command_timeout + self.smtp_content_timeout
        if self.lease_seconds <= longest:
            return [f"COMMS_LEASE_SECONDS: one letter may take {longest:.0f} s by the SMTP timeouts; make it longer"]
        return []

    def _placeholder_faults(self) -> list[str]:
        named = {
            "EMAIL_SENDER": self.email_sender,
            "COMMS_REPLY_TO": self.reply_to,
            "COMMS_UNSUBSCRIBE": self.unsubscribe,
            "COMMS_ORGANISATION": self.organisation,
            "DATABASE_URL": urlsplit(self.database_url).password or "",
            "SMTP_PASSWORD": self.smtp_password.get_secret_value(),
        }
        bad = [name for name, value in named.items() if _is_placeholder(value)]
        return [f"{name}: still the placeholder; set the real one" for name in bad]

    def _production_faults(self) -> list[str]:
        found = []
        if not self.legal_footer.strip():
            found.append("COMMS_LEGAL_FOOTER: missing; every letter needs an imprint")
        if self.smtp_security == "none" and self.smtp_host not in LOOPBACK:
            found.append("SMTP_SECURITY: mail without TLS to another machine; set starttls or tls")
        return found


SECRETS = ("DATABASE_URL", "SMTP_USERNAME", "SMTP_PASSWORD")


def _secret_from(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError([f"{name}_FILE: cannot be read ({error.strerror})"]) from error


def _is_placeholder(value: str) -> bool:
    return any(mark in value.lower() for mark in (*PLACEHOLDERS, "(beispiel)"))


@cache
def get_config() -> Settings:
    """Read the settings once; ConfigurationError lists every fault, without any value."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigurationError([f"{e['loc'][0]}: {e['msg']}" for e in error.errors(include_input=False)]) from None
    faults = settings.faults()
    if faults:
        raise ConfigurationError(faults)
    return settings
