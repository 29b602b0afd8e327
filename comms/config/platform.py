"""The platform's services over HTTP, each optional. Facts stay here as snapshots: no batch depends on them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, SecretStr

from comms.config.fields import BaseUrl, HeaderValue, setting


class PlatformSettings(BaseModel):
    """Where the services are, and how long they may take. Times in seconds."""

    matching_url: str
    therapist_url: str
    patient_url: str
    token: SecretStr | None
    connect_timeout: float
    read_timeout: float
    call_timeout: float
    run_seconds: float
    connections: int


class Platform(BaseModel):
    """The platform over HTTP"""

    platform_matching_url: BaseUrl = setting(
        "", "PLATFORM_MATCHING_URL", "Has the placement requests; what is in emails is noted there.", shown="none"
    )
    platform_therapist_url: BaseUrl = setting("", "PLATFORM_THERAPIST_URL", "Has the therapists.", shown="none")
    platform_patient_url: BaseUrl = setting("", "PLATFORM_PATIENT_URL", "Has the patients.", shown="none")
    platform_token: HeaderValue = setting(
        SecretStr(""), "COMMS_PLATFORM_TOKEN", "Goes with every call as `Authorization: Bearer …`.", secret=True
    )
    platform_connect_timeout: float = setting(
        2, "COMMS_PLATFORM_CONNECT_TIMEOUT", "Seconds for the connection.", gt=0, le=60
    )
    platform_read_timeout: float = setting(
        5, "COMMS_PLATFORM_READ_TIMEOUT", "Seconds of silence in an answer.", gt=0, le=60
    )
    platform_call_timeout: float = setting(
        10, "COMMS_PLATFORM_CALL_TIMEOUT", "Seconds for one call from begin to end.", gt=0, le=300
    )
    platform_run_seconds: float = setting(
        300, "COMMS_PLATFORM_RUN_SECONDS", "A run asks a service for so long; the next run goes on.", gt=0, le=86400
    )
    platform_connections: int = setting(8, "COMMS_PLATFORM_CONNECTIONS", "Calls at once.", ge=1, le=64)
    facts_max_age_hours: int = setting(
        24, "COMMS_FACTS_MAX_AGE_HOURS", "Older facts about therapists and patients are asked for anew.", ge=1, le=8760
    )

    @property
    def facts_max_age(self) -> timedelta:
        return timedelta(hours=self.facts_max_age_hours)

    def get_platform_settings(self) -> PlatformSettings | None:
        """None where no service is configured."""
        if not (self.platform_matching_url or self.platform_therapist_url or self.platform_patient_url):
            return None
        return PlatformSettings(
            matching_url=self.platform_matching_url,
            therapist_url=self.platform_therapist_url,
            patient_url=self.platform_patient_url,
            token=self.platform_token if self.platform_token.get_secret_value() else None,
            connect_timeout=self.platform_connect_timeout,
            read_timeout=self.platform_read_timeout,
            call_timeout=self.platform_call_timeout,
            run_seconds=self.platform_run_seconds,
            connections=self.platform_connections,
        )
