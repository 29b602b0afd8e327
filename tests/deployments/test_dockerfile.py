"""The Dockerfile and what goes into it, as far as that can be read; `make test-image` runs its steps."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from tests.deployments.compose import TOP
from tests.deployments.dockerfile import PATH, stages

LOCKED = re.compile(r"(?m)^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)")
EXTRAS = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pins(name: str) -> dict[str, str]:
    return dict(LOCKED.findall((TOP / name).read_text()))


def wanted(extra: str) -> set[str]:
    return {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in EXTRAS[extra]}


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run(
        [hadolint, "--failure-threshold", "warning", "--ignore", "DL3059", PATH], capture_output=True
    )
    assert found.returncode == 0, found.stdout.decode()


def test_the_image_holds_nothing_of_tests_and_development() -> None:
    assert pins("requirements-runtime.lock").keys() & (wanted("test") | wanted("dev")) == set()
    assert wanted("docker") | wanted("kubernetes") | wanted("otel") < pins("requirements-runtime.lock").keys()


def test_the_image_holds_the_versions_that_the_tests_ran_with() -> None:
    tried = pins("requirements.lock").items()
    assert pins("requirements-runtime.lock").items() <= tried
    assert pins("requirements-build.lock").items() <= tried


def test_no_lock_names_a_host() -> None:
    assert [path.name for path in TOP.glob("requirements*.lock") if "://" in path.read_text()] == []


def test_the_image_runs_as_a_numeric_user_and_without_a_shell() -> None:
    image = stages()[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.all("USER")[-1])
    assert image.all("CMD")[-1].startswith('["uvicorn"')
    assert image.all("ENTRYPOINT") == []


def test_the_health_check_asks_the_program_that_starts_by_itself() -> None:
    program, flag, module, url = stages()[-1].health_check()
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)
    port = json.loads(stages()[-1].all("CMD")[-1])[5]
    assert url == f"http://127.0.0.1:{port}/healthz"


def test_what_is_copied_is_let_in_and_no_secret_is() -> None:
    allowed = [line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {
        word for stage in stages() for text in stage.all("COPY") if "--from" not in text for word in text.split()[:-1]
    }
    assert copied <= set(allowed)
    assert not any(fnmatch(secret, name) for secret in (".env", "comms.env", ".comms", ".git") for name in allowed)
