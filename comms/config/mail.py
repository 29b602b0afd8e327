"""The mail relay, and what every letter says of its sender."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretStr

from comms.config.fields import Address, File, Folder, Host, OneLine, setting
from comms.rules.policy import Identity

Security = Literal["none", "starttls", "tls"]


class SmtpSettings(BaseModel):
    """How to reach the mail relay, and whose name stands in From. Timeouts in seconds."""

    host: str
    port: int
    username: str | None
    password: SecretStr | None
    use_tls: bool
    security: Security
    sender: str
    sender_name: str
    ca_file: Path | None
    connect_timeout: float
    command_timeout: float
    content_timeout: float


class Mail(BaseModel):
    """Mail and letters"""

    smtp_host: Host = setting("localhost", "SMTP_HOST", "The mail relay.")
    smtp_port: int = setting(1025, "SMTP_PORT", "Its port.", ge=1, le=65535)
    smtp_username: str = setting("", "SMTP_USERNAME", "Without it: no login.", secret=True, shown="none")
    smtp_password: SecretStr = setting(SecretStr(""), "SMTP_PASSWORD", "Never sent without TLS.", secret=True)
    smtp_use_tls: bool = setting(False, "SMTP_USE_TLS", "`true` means SMTP_SECURITY=starttls.")
    smtp_security: Security = setting(
        None,
        "SMTP_SECURITY",
        "Certificates are always verified.",
        shown="none, or starttls with SMTP_USE_TLS=true",
        default_from=lambda known: "starttls" if known["smtp_use_tls"] else "none",
    )
    smtp_ca_file: File | None = setting(
        None, "COMMS_SMTP_CA_FILE", "Certificates to trust instead of the system's.", shown="the system's"
    )
    smtp_connect_timeout: float = setting(
        10, "COMMS_SMTP_CONNECT_TIMEOUT", "Seconds for connection and TLS.", gt=0, le=3600
    )
    smtp_command_timeout: float = setting(30, "COMMS_SMTP_COMMAND_TIMEOUT", "Seconds for each reply.", gt=0, le=3600)
    smtp_content_timeout: float = setting(
        60,
        "COMMS_SMTP_CONTENT_TIMEOUT",
        "Seconds for the reply to the final dot; after them the email is in doubt.",
        gt=0,
        le=3600,
    )
    email_sender: Address = setting("vermittlung@platzsuche.example", "EMAIL_SENDER", "Address in From.")
    email_sender_name: OneLine = setting("Vermittlung Psychotherapie", "EMAIL_SENDER_NAME", "Name in From.")
    dkim_selector: OneLine = setting(
        "", "COMMS_DKIM_SELECTOR", "Under which the relay signs; `comms doctor` looks its key up.", shown="not known"
    )
    reply_to: Address = setting(
        "antwort@platzsuche.example", "COMMS_REPLY_TO", "Answers go here; a token is added: antwort+TOKEN@…"
    )
    unsubscribe: Address = setting(
        "abmeldung@platzsuche.example", "COMMS_UNSUBSCRIBE", "Address of List-Unsubscribe and of the opt-out line."
    )
    organisation: OneLine = setting("Platzsuche (Beispiel)", "COMMS_ORGANISATION", "Who writes, as the letters say it.")
    legal_footer: str = setting("", "COMMS_LEGAL_FOOTER", "Imprint under every letter; needed in production.")
    templates: Folder | None = setting(
        None, "COMMS_TEMPLATES", "Folder with templates that replace the built-in ones.", shown="the built-in ones"
    )
    diagnosis_detail: Literal["category", "full", "none"] = setting(
        "category", "COMMS_DIAGNOSIS_DETAIL", "What of the ICD-10 code stands in an email: F32, F32.1, or nothing."
    )

    def get_smtp_settings(self) -> SmtpSettings:
        """Everything the mail gateway needs, and nothing else."""
        return SmtpSettings(
            host=self.smtp_host,
            port=self.smtp_port,
            username=self.smtp_username or None,
            password=self.smtp_password if self.smtp_password.get_secret_value() else None,
            use_tls=self.smtp_security != "none",
            security=self.smtp_security,
            sender=self.email_sender,
            sender_name=self.email_sender_name,
            ca_file=self.smtp_ca_file,
            connect_timeout=self.smtp_connect_timeout,
            command_timeout=self.smtp_command_timeout,
            content_timeout=self.smtp_content_timeout,
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
