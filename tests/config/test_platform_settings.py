"""Where the platform's services are: each optional, and nothing in a URL that should not stand in one."""

from __future__ import annotations

import pytest

from comms.config import get_config
from tests.config.reading import faults, read


def test_without_any_url_there_is_no_platform() -> None:
    assert get_config().get_platform_settings() is None


def test_one_service_is_enough_and_a_slash_at_the_end_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, PLATFORM_PATIENT_URL="https://host:8001/patients/").get_platform_settings()

    assert settings is not None
    assert (settings.patient_url, settings.matching_url, settings.token) == ("https://host:8001/patients", "", None)
    assert (settings.connect_timeout, settings.read_timeout, settings.call_timeout) == (2, 5, 10)


def test_the_token_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, PLATFORM_MATCHING_URL="http://host", COMMS_PLATFORM_TOKEN="s3cret")

    found = settings.get_platform_settings()
    assert found is not None
    assert found.token is not None
    assert found.token.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{settings!r} {found!r}"


@pytest.mark.parametrize(
    "url",
    ["host:8001", "ftp://host", "http://", "http://:80", "https://user:pass@host", "http://host?x=1", "http://host#x",
     "http://host:99999", "http://ho st", "http://host\n", "http://h\u00f6st", "http://[::1", "http://host\\x"],
)  # fmt: skip
def test_a_url_that_cannot_be_one_stops_the_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    said = faults(monkeypatch, PLATFORM_MATCHING_URL=url)

    assert [line.split(":")[0] for line in said] == ["PLATFORM_MATCHING_URL"]
    assert "pass" not in said[0]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schl\u00fcssel"])
def test_a_token_that_is_no_header_stops_the_start(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    (said,) = faults(monkeypatch, PLATFORM_MATCHING_URL="http://host", COMMS_PLATFORM_TOKEN=token)

    assert said.startswith("COMMS_PLATFORM_TOKEN: must be plain ASCII")


def test_a_name_that_is_nearly_right_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = faults(monkeypatch, PLATFORM_MATCHING_URI="http://host")

    assert said.endswith("do you mean PLATFORM_MATCHING_URL?")
