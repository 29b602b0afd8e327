"""Pages of lists over HTTP: `page` and `limit`, `Link` with a cursor, `X-Total-Count`."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query, Request

from api.schemas.fields import BIGGEST
from comms.errors import BadInput
from comms.store.paging import Page, Slice

LAST_PAGE = 10**12
_OLDER, _NEWER = "older", "newer"


def read_page(
    page: Annotated[
        int | None, Query(ge=1, le=LAST_PAGE, description="From 1; shifts while rows are added. Prefer Link.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Rows in one answer.")] = 20,
    cursor: Annotated[str | None, Query(max_length=60, description="From a Link header; opaque.")] = None,
) -> Page:
    """Read where to go on; BadInput for a cursor that is not ours, or beside `page`."""
    if cursor is None:
        return Page(limit, offset=((page or 1) - 1) * limit)
    if page is not None:
        raise BadInput("give page or cursor, not both", where="query.cursor")
    direction, id_ = _read(cursor)
    return Page(limit, before=id_) if direction == _OLDER else Page(limit, after=id_)


AskedPage = Annotated[Page, Depends(read_page)]


def _read(cursor: str) -> tuple[str, int]:
    try:
        direction, _, id_ = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(":")
    except (Error, UnicodeError, ValueError):
        direction, id_ = "", ""
    if direction not in (_OLDER, _NEWER) or not id_.isdecimal() or len(id_) > 19 or int(id_) > BIGGEST:
        raise BadInput("is not a cursor of this API; take one from a Link header", where="query.cursor")
    return direction, int(id_)


def list_headers(request: Request, found: Slice[object], page: Page) -> dict[str, str]:
    """`X-Total-Count`, and `Link` to the neighbouring pages with the same filters."""
    links = [
        f'<{_url(request, direction, id_, page.limit)}>; rel="{relation}"'
        for direction, id_, relation in ((_OLDER, found.older, "next"), (_NEWER, found.newer, "prev"))
        if id_ is not None
    ]
    return {"X-Total-Count": str(found.total)} | ({"Link": ", ".join(links)} if links else {})


def _url(request: Request, direction: str, id_: int, limit: int) -> str:
    kept = [(name, value) for name, value in request.query_params.items() if name not in ("page", "limit", "cursor")]
    cursor = urlsafe_b64encode(f"{direction}:{id_}".encode()).decode()
    return f"{request.url.path}?{urlencode([*kept, ('limit', limit), ('cursor', cursor)])}"
