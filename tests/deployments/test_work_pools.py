"""The job templates: what the workers of the three types make of them and of prefect.yaml."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from tests.deployments import dockerfile
from tests.deployments.compose import TOP
from tests.deployments.manifests import unknown

TYPES = ("process", "docker", "kubernetes")
VARIABLES: dict[str, Any] = yaml.safe_load((TOP / "prefect.yaml").read_text())["definitions"]["work_pool"][
    "job_variables"
]
USER = int(dockerfile.stages()[-1].all("USER")[-1].split(":")[0])


def template(kind: str) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((TOP / "deployments" / "work_pools" / f"{kind}.json").read_text())
    return written


def worker(kind: str) -> Any:
    from prefect.workers.base import BaseWorker

    return BaseWorker.get_worker_class_from_type(kind)


def configured(kind: str) -> Any:
    """What a worker of this type would run for a deployment of ours; without blocks in a template nobody is asked."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        return asyncio.run(worker(kind).job_configuration.from_template_and_values(template(kind), VARIABLES))


@pytest.mark.parametrize("kind", TYPES)
def test_a_template_sets_only_what_its_worker_knows_and_every_placeholder_is_a_variable(kind: str) -> None:
    from prefect.utilities.templating import find_placeholders

    ours, theirs = template(kind), worker(kind).get_default_base_job_template()
    assert set(ours["job_configuration"]) <= set(theirs["job_configuration"])
    placeholders = {found.name for found in find_placeholders(ours["job_configuration"])}
    assert placeholders == set(ours["variables"]["properties"])


@pytest.mark.parametrize("kind", TYPES)
def test_prefect_takes_the_variables_of_our_deployments(kind: str) -> None:
    from prefect.utilities.schema_tools.validation import is_valid_schema, validate

    schema = template(kind)["variables"]
    is_valid_schema(schema)
    assert validate(VARIABLES, schema, raise_on_error=True) == []


@pytest.mark.parametrize("kind", TYPES)
def test_a_job_runs_the_engine_of_the_image(kind: str) -> None:
    assert "python -m prefect.engine" in str(configured(kind).model_dump())


def test_a_container_may_write_to_three_places_and_finds_its_secrets_in_files() -> None:
    made = configured("docker")
    limits = made.container_create_kwargs
    assert limits["read_only"]
    assert limits["cap_drop"] == ["ALL"]
    assert set(limits["tmpfs"]) == {"/tmp", "/var/lib/comms", "/var/lib/prefect"}
    assert all(f"uid={USER}" in options for folder, options in limits["tmpfs"].items() if folder != "/tmp")
    assert [name for name in made.env if "PASSWORD" in name and not name.endswith("_FILE")] == []


def test_a_kubernetes_job_is_one_and_closed() -> None:
    manifest = configured("kubernetes").job_manifest
    manifest["spec"]["template"]["spec"]["containers"][0]["args"] = ["python"]  # its worker splits it later
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = []
    manifest["metadata"]["labels"] = {}
    assert unknown(manifest, "V1Job") == []
    assert manifest["spec"]["backoffLimit"] == 0  # the flow knows when to try again
    assert manifest["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == USER
