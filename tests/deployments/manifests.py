"""The Kubernetes parts as kustomize lays them out, and a strict reading of them by Kubernetes' own models."""

from __future__ import annotations

import re
from typing import Any

import jsonpatch
import yaml
from kubernetes_asyncio.client import models

from tests.deployments.compose import TOP

FOLDER = TOP / "deployments" / "kubernetes"


def rendered() -> list[dict[str, Any]]:
    """Every object of the kustomization, with its patches applied."""
    written = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    found = [one for name in written["resources"] for one in yaml.safe_load_all((FOLDER / name).read_text())]
    for patch in written["patches"]:
        steps = yaml.safe_load((FOLDER / patch["path"]).read_text())
        found = [jsonpatch.apply_patch(one, steps) if _is_meant(one, patch["target"]) else one for one in found]
    return found


def _is_meant(one: dict[str, Any], target: dict[str, str]) -> bool:
    """Targets are anchored regular expressions, as kustomize takes them."""
    names = {"kind": one["kind"], "name": one["metadata"]["name"]}
    return all(re.fullmatch(pattern, names[what]) for what, pattern in target.items())


def model_of(one: dict[str, Any]) -> str:
    """Name the model of an object: apps/v1 Deployment is V1Deployment."""
    version = one["apiVersion"].rpartition("/")[2]
    return version[0].upper() + version[1:] + str(one["kind"])


def unknown(value: Any, kind: str, place: str = "") -> list[str]:
    """List what the model does not know, and what it misses, as lines with their places."""
    if wrapped := re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind):
        inner = enumerate(value) if wrapped[1] else value.items()
        return [line for key, one in inner for line in unknown(one, wrapped[1] or wrapped[2], f"{place}.{key}")]
    model = getattr(models, kind, None)
    if model is None:
        return []
    names = {written: name for name, written in model.attribute_map.items()}
    lost = [f"{place}.{key}: not in {kind}" for key in value if key not in names]
    known = {names[key]: inner for key, inner in value.items() if key in names}
    try:
        model(**known)
    except ValueError as error:
        lost.append(f"{place}: {error}")
    told = [unknown(inner, model.openapi_types[name], f"{place}.{name}") for name, inner in known.items()]
    return lost + [line for lines in told for line in lines]
