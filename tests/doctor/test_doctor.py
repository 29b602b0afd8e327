"""`comms doctor` on a good installation, and on broken ones: each fault is named, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from comms.cli import main
from comms.doctor import State
from tests.doctor.conftest import Break, Installation
from tests.servers.platform import Answer
from tests.servers.processes import free_port
from tests.servers.roles import as_role
from tests.servers.script import Hang

FAULT, WARNING, UNKNOWN = State.FAULT, State.WARNING, State.UNKNOWN


def test_a_good_installation_is_well_in_every_part(installation: Installation) -> None:
    found = installation.look()

    assert [finding for finding in found if finding.state is not State.OK] == []
    assert {finding.subject for finding in found} >= {
        *("settings", "files", "database", "clock", "mail relay", "sender", "kafka", "topics"),
        *("platform", "prefect", "deployments", "workers", "automations"),
    }
    words = " | ".join(finding.words for finding in found)
    for what in ("TLS is verified, logged in", "can change no table", "p=quarantine", "are registered as", "all four"):
        assert what in words


def sets(**environment: str) -> Break:
    return lambda installation: installation.environment.update(environment)


def listens_not(name: str, url: str) -> Break:
    return sets(**{name: url.format(port=free_port())})


def logs_in_as(role: str) -> Break:
    return lambda given: given.environment.update(DATABASE_URL=as_role(given.postgres, role))


def says(phase: str, what: Any) -> Break:
    return lambda given: given.relay.script.update({phase: what})


def forgets(name: str, kind: str = "TXT") -> Break:
    def broken(given: Installation) -> None:
        del given.names.zone[name, kind]

    return broken


def publishes(name: str, *texts: str) -> Break:
    return lambda given: given.names.zone.update({(name, "TXT"): [*texts]})


def changes(name: str, **fields: Any) -> Break:
    return lambda given: given.prefect.deployments[name].update(fields)


def opens(name: str, mode: int) -> Break:
    def broken(given: Installation) -> None:
        path = given.home if name == "home" else Path(name)
        path.touch()
        path.chmod(mode)

    return broken


def secret_file(given: Installation) -> None:
    secret = given.home / "secret"
    secret.write_text(given.environment.pop("SMTP_PASSWORD"))
    secret.chmod(0o644)
    given.environment["SMTP_PASSWORD_FILE"] = str(secret)


def old_schema(given: Installation) -> None:
    given.environment["DATABASE_URL"] = given.postgres.rsplit("/", 1)[0] + "/postgres"


def sleeps(given: Installation) -> None:
    given.prefect.deployments["daily-batch"]["schedules"][0]["active"] = False


def no_worker(given: Installation) -> None:
    given.prefect.workers = [{"status": "OFFLINE"}]


def no_automation(given: Installation) -> None:
    given.prefect.automations[1]["enabled"] = False


def unregistered(given: Installation) -> None:
    del given.prefect.deployments["follow-ups"]


BROKEN: list[tuple[Break, str, State, str]] = [
    (sets(COMMS_PLATFORM_TOKEN="changeme"), "settings", FAULT, "COMMS_PLATFORM_TOKEN: still a placeholder; set the"),
    (opens(".env", 0o644), "files", FAULT, ".env can be opened by other users; chmod 600 .env"),
    (opens("home", 0o755), "files", FAULT, "chmod 700"),
    (secret_file, "files", WARNING, "SMTP_PASSWORD_FILE can be read by other users"),
    (listens_not("DATABASE_URL", "postgresql://comms_app@127.0.0.1:{port}/x"), "database", FAULT, "does not answer"),
    (old_schema, "database", FAULT, "comms db upgrade"),
    (logs_in_as("comms_owner"), "database", WARNING, "the role owns the tables"),
    (logs_in_as("postgres"), "database", WARNING, "the role is a superuser"),
    (logs_in_as("comms_reader"), "database", FAULT, "may not read and write: api_keys"),
    (listens_not("SMTP_PORT", "{port}"), "mail relay", FAULT, "connect refused"),
    (sets(SMTP_HOST="127.0.0.1"), "mail relay", FAULT, "tls certificate); its certificate is not trusted or is for an"),
    (sets(SMTP_PASSWORD="kahF7ohgx"), "mail relay", FAULT, "auth 535 5.7.8); SMTP_USERNAME and SMTP_PASSWORD"),
    (says("mail", "553 5.7.1 not yours"), "mail relay", FAULT, "mail 553 5.7.1); EMAIL_SENDER is not ours"),
    (says("rcpt", "550 5.1.1 unknown"), "mail relay", WARNING, "rcpt 550 5.1.1); bounces to it would be lost"),
    (says("greeting", "554 5.7.1 go away"), "mail relay", FAULT, "connect 554 5.7.1"),
    (forgets("platzsuche.de"), "sender", FAULT, "SPF: platzsuche.de has none"),
    (publishes("platzsuche.de", '"v=spf1 +all"'), "sender", WARNING, "lets everybody write in our name"),
    (forgets("s1._domainkey.platzsuche.de"), "sender", FAULT, "DKIM: there is no key at s1._domainkey.platzsuche.de"),
    (publishes("s1._domainkey.platzsuche.de", '"v=DKIM1; p="'), "sender", FAULT, "is withdrawn"),
    (sets(COMMS_DKIM_SELECTOR=""), "sender", UNKNOWN, "DKIM: the selector is not known; COMMS_DKIM_SELECTOR"),
    (forgets("_dmarc.platzsuche.de"), "sender", FAULT, "DMARC: platzsuche.de has none"),
    (sets(COMMS_REPLY_TO="a@nirgends.de"), "sender", FAULT, "COMMS_REPLY_TO: nirgends.de takes no mail"),
    (listens_not("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:{port}"), "kafka", FAULT, "PLAINTEXT to the brokers fails"),
    (lambda given: given.platform.script.update(list=Answer(401)), "platform", FAULT, "(status_401); COMMS_PLATFORM_"),
    (listens_not("PLATFORM_PATIENT_URL", "http://127.0.0.1:{port}"), "platform", FAULT, "patient service fails (ref"),
    (listens_not("PREFECT_API_URL", "http://127.0.0.1:{port}/api"), "prefect", FAULT, "does not answer (ConnectError)"),
    (unregistered, "deployments", FAULT, "not registered: follow-ups; comms deploy"),
    (changes("send-queue", entrypoint="a.b.c"), "deployments", FAULT, "send-queue is registered otherwise: entrypoint"),
    (changes("send-queue", schedules=[]), "deployments", FAULT, "send-queue is registered otherwise: schedules"),
    (changes("send-queue", global_concurrency_limit=None), "deployments", FAULT, "otherwise: concurrency_limit"),
    (changes("daily-batch", paused=True), "deployments", FAULT, "daily-batch is paused"),
    (sleeps, "deployments", FAULT, "daily-batch is paused"),
    (no_worker, "workers", FAULT, "none of pool comms is online"),
    (no_automation, "automations", FAULT, "missing or switched off: end runs which never began"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "subject", "state", "words"), BROKEN, ids=[words[:40] for *_, words in BROKEN])
def test_what_is_broken_is_named_and_nothing_else(
    installation: Installation, broken: Break, subject: str, state: State, words: str
) -> None:
    broken(installation)

    told = installation.trouble()

    assert [(found[0], found[1]) for found in told] == [(subject, state)]
    assert words in told[0][2]


def test_dns_that_cannot_be_asked_is_no_fault(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comms.doctor.alignment.SECONDS", 0.3)
    installation.names.silent = True

    assert [(subject, state) for subject, state, _ in installation.trouble()] == [("sender", UNKNOWN)]


def test_a_silent_server_hides_no_other_fault(installation: Installation) -> None:
    installation.relay.script["greeting"] = Hang()
    installation.prefect.workers = []

    told = {subject: words for subject, _, words in installation.trouble(patience=3)}

    assert set(told) == {"mail relay", "workers"}
    assert told["mail relay"].startswith("nothing was heard within 3 s")


def test_on_request_it_sends_one_letter(installation: Installation) -> None:
    found = installation.look(send_to="technik@platzsuche.de")

    assert [f.state for f in found if f.subject == "test mail"] == [State.OK]
    (letter,) = installation.relay.received
    assert (letter.sender, letter.recipients) == ("vermittlung@platzsuche.de", ("technik@platzsuche.de",))
    assert letter.tls
    assert b"Auto-Submitted: auto-generated" in letter.content
    assert letter.message_id in next(f.words for f in found if f.subject == "test mail")


def test_without_being_asked_it_sends_nothing(installation: Installation) -> None:
    installation.look()

    assert installation.relay.received == []


def test_no_secret_is_told(installation: Installation) -> None:
    installation.environment |= {"SMTP_PASSWORD": "vaeZ1eiph4", "DATABASE_URL": "postgresql://a:Oof6ohng@127.0.0.1:1/x"}

    told = json.dumps([dataclasses.asdict(finding) for finding in installation.look()])

    assert "vaeZ1eiph4" not in told
    assert "Oof6ohng" not in told


def test_the_command_says_one_line_each_and_its_exit_code_counts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.look()

    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["comms", "doctor", "--nameserver", installation.names.address, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    code, told = run()
    assert code == 0
    assert all(line.startswith("ok ") for line in told.splitlines())

    installation.prefect.workers = []
    monkeypatch.setenv("COMMS_DKIM_SELECTOR", "")
    code, told = run("--json")
    assert code == 1
    assert [row["state"] for row in json.loads(told) if row["state"] != "ok"] == ["could not ask", "fault"]

    installation.prefect.workers = [{"status": "ONLINE"}]
    assert run("--send")[0] == 0
    assert [letter.recipients for letter in installation.relay.received] == [("vermittlung@platzsuche.de",)]
    assert run("--strict")[0] == 1


def test_settings_that_cannot_be_read_are_all_that_is_told(installation: Installation) -> None:
    installation.environment["SMTP_PORT"] = "many"

    told = installation.trouble()

    assert [subject for subject, _, _ in told] == ["settings"]
    assert told[0][2].startswith("SMTP_PORT:")
