"""`make test-image`: the steps of the Dockerfile, run; then the image's programs as its user, with nothing to write to.

It takes minutes and the package index, so it is no part of `make test`.
"""

from __future__ import annotations

import pytest

from tests.deployments.image import Image


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"))
    made.build()
    return made


def said(image: Image, *command: str, **environment: str) -> str:
    done = image.run(*command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_runs_as_a_number_without_a_name_and_can_write_to_three_places_only(image: Image) -> None:
    assert said(image, "id", "-u").strip() == "10001"
    tried = "for place in / /opt /opt/comms /etc /usr /var/lib /tmp $COMMS_HOME $PREFECT_HOME; do"
    tried += " touch $place/mark 2> /dev/null && echo $place; done; true"
    assert said(image, "sh", "-c", tried).split() == ["/tmp", "/var/lib/comms", "/var/lib/prefect"]


def test_migrations_run_without_a_network(image: Image) -> None:
    assert said(image, "comms", "db", "upgrade") == "the database is at this version\n"


def test_the_api_starts_without_a_network_and_its_health_check_sees_it(image: Image) -> None:
    seen = f"until {image.health_check()}; do :; done"
    story = f"comms db upgrade; uvicorn api.app:app --port 8000 & {seen}; kill $!; wait $!; true"
    assert "Application startup complete" in image.run("sh", "-c", story).stderr


@pytest.mark.parametrize("part", ["relay", "launcher"])
def test_relay_and_launcher_wait_for_brokers_that_are_not_there(image: Image, part: str) -> None:
    probe = f"python -m comms.local_stack.probe $COMMS_HOME/comms.{part}.alive"
    story = f"comms db upgrade; comms {part} & until {probe}; do :; done; kill $!; wait $!"
    said(image, "sh", "-c", story, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9092")


@pytest.mark.parametrize("kind", ["process", "docker", "kubernetes"])
def test_every_type_of_worker_is_there(image: Image, kind: str) -> None:
    program = f"from prefect.workers.base import BaseWorker as B; print(B.get_worker_class_from_type({kind!r}).type)"
    assert said(image, "python", "-c", program).strip() == kind


def test_the_deployments_come_with_the_package(image: Image) -> None:
    program = "from comms.local_stack.deploy import PREFECT_YAML; print(PREFECT_YAML)"
    assert said(image, "python", "-c", program) == "/opt/comms/share/communication-service/prefect.yaml\n"


def test_all_of_it_is_compiled_and_there_is_no_pip(image: Image) -> None:
    lost = "import pathlib, sys; c = pathlib.Path('/opt/comms/lib'); n = sys.implementation.cache_tag;"
    lost += " print([p.name for p in c.rglob('comms/**/*.py')"
    lost += " if not (p.parent / '__pycache__' / f'{p.stem}.{n}.pyc').exists()])"
    assert said(image, "python", "-c", lost) == "[]\n"
    assert image.run("python", "-m", "pip").returncode != 0
