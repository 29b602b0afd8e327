"""What is sent, over HTTP."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.building import create_app
from comms.config import Settings
from comms.services.letters.render import TEMPLATES
from tests.api.conftest import Client

DATABASES = ("sqlite",)


def test_the_list_says_what_each_template_is_for_in_which_languages(client: TestClient) -> None:
    found = {template["name"]: template for template in client.get("/api/templates").json()}
    assert tuple(found) == TEMPLATES
    for template in found.values():
        assert template["purpose"]
        assert [wording["language"] for wording in template["languages"]] == ["de", "en"]
        assert len({wording["version"] for wording in template["languages"]}) == 2
    assert found["initial_contact"]["languages"][1]["subject"] == "Enquiry about a therapy place"


def test_a_preview_is_html_in_which_nothing_runs(client: TestClient) -> None:
    shown = client.get("/api/templates/batch_request/preview")
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert policy.endswith("sandbox")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "Sehr geehrte Frau Dr. Müller" in shown.text


@pytest.mark.parametrize("language", ["de", "en"])
def test_all_formats_say_the_same(client: TestClient, language: str) -> None:
    for name in TEMPLATES:
        say_the_same(client, name, language)


def say_the_same(client: TestClient, name: str, language: str) -> None:
    url = f"/api/templates/{name}/preview?language={language}&format="
    html, text, json, eml = (client.get(url + form) for form in ("html", "text", "json", "eml"))
    assert (json.json()["template"], json.json()["language"]) == (name, language)
    assert (json.json()["html"].split(), json.json()["text"].split()) == (html.text.split(), text.text.split())
    message = email.message_from_bytes(eml.content, policy=email.policy.default)
    assert message["Subject"] == json.json()["subject"]
    assert message.get_body(("plain",)).get_content().split() == text.text.split()  # type: ignore[union-attr]
    assert "Müller" in text.text


def test_each_format_has_its_media_type(client: TestClient) -> None:
    kinds = {form: client.get(f"/api/templates/follow_up/preview?format={form}") for form in ("text", "json", "eml")}
    assert {form: answer.headers["content-type"] for form, answer in kinds.items()} == {
        "text": "text/plain; charset=utf-8",
        "json": "application/json",
        "eml": "message/rfc822",
    }
    assert 'filename="follow_up.de.eml"' in kinds["eml"].headers["content-disposition"]


def test_a_template_that_there_is_not_is_404(client: TestClient) -> None:
    for name in ("letter", "base_email", "%2E%2E", "de%2Finitial_contact", "INITIAL_CONTACT", "%00"):
        assert client.get(f"/api/templates/{name}/preview").status_code == 404, name


def test_what_cannot_be_asked_is_422(client: TestClient) -> None:
    for query in ("language=fr", "language=", "format=pdf", "format=", "lang=de"):
        assert client.get(f"/api/templates/follow_up/preview?{query}").status_code == 422, query


def test_the_version_is_the_one_that_the_preview_has(client: TestClient) -> None:
    listed = client.get("/api/templates").json()[1]["languages"][0]
    shown = client.get("/api/templates/batch_request/preview?format=json").json()
    assert (listed["version"], listed["subject"]) == (shown["version"], shown["subject"])


def test_a_template_at_fault_is_409_that_names_its_place(engine: Engine, tmp_path: Path, client_with: Client) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "follow_up.html").write_text("{{ nothing.there }}")
    settings = Settings(_env_file=None, templates=tmp_path)  # type: ignore[call-arg]
    key = client_with("read").headers["authorization"]
    client = TestClient(create_app(settings, engine), headers={"Authorization": key})
    answer = client.get("/api/templates/follow_up/preview")
    assert (answer.status_code, "de/follow_up" in answer.json()["detail"]) == (409, True)
    assert client.get("/api/templates/follow_up/preview?language=en").status_code == 200
