"""The Kubernetes parts: known to Kubernetes' own client, closed, doubled where one may be missed, probed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deployments.compose import read
from tests.deployments.manifests import model_of, rendered, unknown

OBJECTS = rendered()
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in OBJECTS if one["kind"] in ("Deployment", "Job")
}
DOUBLED = {"api", "relay", "launcher", "worker"}
SERVICES: dict[str, Any] = read("docker-compose.yml", {})["services"]


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_kubernetes_knows_every_field(one: dict[str, Any]) -> None:
    assert unknown(one, model_of(one)) == []


def test_a_misspelt_or_missing_field_would_be_found() -> None:
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replica": 2, "selector": {}}}
    assert unknown(wrong, "V1Deployment") == [
        ".spec.replica: not in V1DeploymentSpec",
        ".spec: Invalid value for `template`, must not be `None`",
    ]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    pod, (container,) = PODS[name], PODS[name]["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["image"] == "communication-service"
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", sorted(set(PODS) - {"worker"}))
def test_a_pod_runs_the_command_that_compose_runs(name: str) -> None:
    assert PODS[name]["containers"][0]["command"] == SERVICES[name]["command"]


def test_whatever_endures_is_probed_and_all_but_the_server_is_doubled() -> None:
    made = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Deployment"}
    budgets = {one["metadata"]["name"] for one in OBJECTS if one["kind"] == "PodDisruptionBudget"}
    assert {name for name, spec in made.items() if spec["replicas"] == 2} == DOUBLED == budgets
    assert all("livenessProbe" in PODS[name]["containers"][0] for name in made)


def test_secrets_are_only_referred_to_and_each_pod_gets_its_own() -> None:
    assert [one for one in OBJECTS if one["kind"] == "Secret"] == []
    given = {
        name: [source["secretRef"]["name"] for source in pod["containers"][0]["envFrom"] if "secretRef" in source]
        for name, pod in PODS.items()
    }
    assert given.pop("prefect-server") == ["prefect"]
    assert given.pop("migrate") == ["comms", "comms-owner"], "the last DATABASE_URL counts"
    assert set(given) == DOUBLED
    assert all(names == ["comms"] for names in given.values())
