"""Prefect: does the server answer, and is everything of `prefect.yaml` there, as it stands there, with a worker?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import yaml

from comms.config import Settings
from comms.doctor.findings import Finding, fault, ok, warning
from comms.doctor.prefect_server import Away, PrefectServer
from comms.local_stack import AUTOMATIONS, PREFECT_YAML

SUBJECT = "prefect"
DEPLOY = "comms deploy"
SAME = ("entrypoint", "description", "parameters", "tags", "enforce_parameter_schema")
RHYTHM = ("cron", "interval", "timezone")


def look(settings: Settings) -> Iterator[Finding]:
    """Ask the server of PREFECT_API_URL; without one cron has to do its work."""
    if not settings.prefect_api_url:
        yield ok(SUBJECT, "no server is set; cron or `comms up` does its work")
        return
    try:
        with PrefectServer(settings.prefect_api_url) as server:
            yield _version(server)
            yield from _deployments(server)
            yield from _automations(server)
    except Away as away:
        yield fault(SUBJECT, f"the server {away}", "does it run, and are PREFECT_API_URL and its login right?")


def _version(server: PrefectServer) -> Finding:
    there, here = server.version(), version("prefect")
    if there.split(".")[:2] == here.split(".")[:2]:
        return ok(SUBJECT, f"the server answers, version {there}")
    return warning(SUBJECT, f"the server has version {there}, this program {here}", "bring both to the same one")


def _deployments(server: PrefectServer) -> Iterator[Finding]:
    wanted = {each["name"]: each for each in yaml.safe_load(PREFECT_YAML.read_text(encoding="utf-8"))["deployments"]}
    found = {each["name"]: each for each in server.deployments() if each["name"] in wanted}
    told = [*_missing(wanted, found), *_different(wanted, found), *_asleep(wanted, found)]
    yield from told
    if not told:
        yield ok("deployments", f"all {len(wanted)} are registered as prefect.yaml says, their schedules active")
    for pool in sorted({each["work_pool_name"] for each in found.values() if each["work_pool_name"]}):
        yield _workers(server, pool)


def _missing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    if missing := sorted(set(wanted) - set(found)):
        yield fault("deployments", f"not registered: {', '.join(missing)}", DEPLOY)


def _different(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    """Of each deployment its code, words, parameters, rhythm and limit; the pool may be another one."""
    for name in sorted(set(wanted) & set(found)):
        there, here = found[name], wanted[name]
        names = [field for field in SAME if _plain(there.get(field)) != _plain(here.get(field))]
        names += ["schedules"] if _rhythms(there) != _rhythms(here) else []
        names += ["concurrency_limit"] if _limit(there) != here["concurrency_limit"]["limit"] else []
        if names:
            yield fault("deployments", f"{name} is registered otherwise: {', '.join(names)}", DEPLOY)


def _asleep(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    for name in sorted(set(wanted) & set(found)):
        there = found[name]
        if there["paused"] or not all(schedule["active"] for schedule in there["schedules"]):
            yield fault("deployments", f"{name} is paused: it will not run", f"{DEPLOY} switches it on")


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _rhythms(deployment: Mapping[str, Any]) -> list[list[str]]:
    """Of each schedule when it fires; the server nests that and has seconds as a float."""
    rows = [schedule.get("schedule", schedule) for schedule in deployment["schedules"]]
    return sorted([str(row.get(name)).removesuffix(".0") for name in RHYTHM] for row in rows)


def _limit(deployment: Mapping[str, Any]) -> Any:
    limit = deployment.get("global_concurrency_limit") or {}
    return limit.get("limit", deployment.get("concurrency_limit"))


def _workers(server: PrefectServer, pool: str) -> Finding:
    online = sum(worker["status"] == "ONLINE" for worker in server.workers(pool))
    if online:
        return ok("workers", f"{online} of pool {pool} at work")
    return fault("workers", f"none of pool {pool} is online: runs wait", f"prefect worker start --pool {pool}")


def _automations(server: PrefectServer) -> Iterator[Finding]:
    enabled = {each["name"] for each in server.automations() if each["enabled"]}
    if missing := [name for name in AUTOMATIONS if name not in enabled]:
        words = f"missing or switched off: {', '.join(missing)}"
        yield fault("automations", words, f"{DEPLOY}; without them a run that died keeps its deployment's only slot")
    else:
        yield ok("automations", "runs that died will be ended")
