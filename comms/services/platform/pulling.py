"""Reading the platform's open requests, page by page. Touches no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from comms.ports import PlatformDirectory, PlatformService
from comms.services.intake import Kind, Record
from comms.services.intake.values import Unusable
from comms.services.intake.values import id_ as read_id

ROWS_A_PAGE = 100
MAX_PAGES = 1000
"""100,000 open requests; more is a service that does not end."""


@dataclass
class Pulled:
    """What the pages held, and why reading ended early, if it did."""

    records: list[Record] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    pages: int = 0
    fault: str | None = None


def pull_open_requests(directory: PlatformDirectory) -> Pulled:
    """Read pages until one is not full. What was read before a fault counts; it says only less than everything.

    Pages shift while they are read: a request that comes twice is taken twice (the intake lays both over each other),
    one that slips through comes with the next pull.
    """
    pulled = Pulled()
    while pulled.pages < MAX_PAGES:
        page = directory.open_requests(pulled.pages + 1, ROWS_A_PAGE)
        if page.fault:
            pulled.fault = page.fault
            return pulled
        news = _take_in(pulled, page.rows)
        if len(page.rows) < ROWS_A_PAGE:
            return pulled
        if not news:
            pulled.fault = "pages_repeat"
            return pulled
    pulled.fault = "too_many_pages"
    return pulled


def _take_in(pulled: Pulled, rows: Sequence[Any]) -> bool:
    """Say whether the page held a request that no page before it had."""
    pulled.pages += 1
    before = len(pulled.ids)
    for number, row in enumerate(rows, start=1):
        place = f"{PlatformService.MATCHING}, page {pulled.pages}, row {number}"
        fields, fault = (row, None) if isinstance(row, dict) else ({}, "not_an_object")
        pulled.records.append(Record(Kind.PLACEMENT_REQUESTS, place, fields, fault))
        if (id_ := id_in(fields)) is not None:
            pulled.ids.add(id_)
    return len(pulled.ids) > before


def id_in(fields: Mapping[str, Any]) -> int | None:
    """Read the id of a request; None where there is none that can be one: the intake says what is wrong with it."""
    try:
        return read_id(fields.get("id"))
    except Unusable:
        return None
