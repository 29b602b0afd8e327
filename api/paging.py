"""Pages of lists over HTTP: `page` and `limit`, `Link` with a cursor, `X-Total-Count`."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query, Request

from api.schemas.fields import BIGGEST, DIGITS
from comms.errors import BadInput
from comms.store.paging import Page, Slice

LAST_PAGE = 10**12
LAST_PLACE = 2**128
_OLDER, _NEWER = "older", "newer"


def _reader(highest: int) -> Callable[..., Page]:
    """Make the dependency that reads where to go on; `highest` is the last place that a cursor can name."""

    def read_page(
        request: Request,
        page: Annotated[
            int | None,
            Query(ge=1, le=LAST_PAGE, description="From 1; shifts while rows are added. Prefer Link."),
            DIGITS,
        ] = None,
        limit: Annotated[int, Query(ge=1, le=100, description="Rows in one answer."), DIGITS] = 20,
        cursor: Annotated[str | None, Query(max_length=100, description="From a Link header; opaque.")] = None,
    ) -> Page:
        """Read it; BadInput for a cursor that is not ours, or beside `page`."""
        if cursor is None:
            return Page(limit, offset=((page or 1) - 1) * limit)
        if page is not None:
            raise BadInput("give page or cursor, not both", where="query.cursor")
        direction, place = _read(cursor, request.url.path, highest)
        return Page(limit, before=place) if direction == _OLDER else Page(limit, after=place)

    return read_page


AskedPage = Annotated[Page, Depends(_reader(BIGGEST))]
"""Of a list in the order of its ids."""

AskedPlace = Annotated[Page, Depends(_reader(LAST_PLACE))]
"""Of a list in another order, whose places are longer than an id."""


def _read(cursor: str, path: str, highest: int) -> tuple[str, int]:
    """Read a cursor of this list; one of another list, or that was made by hand, is none."""
    try:
        direction, _, id_ = urlsafe_b64decode(cursor).decode("ascii").split(".")[0].partition(":")
        number = int(id_)
    except ValueError:
        direction, number = "", 0
    if cursor != _cursor(path, direction, number) or not 0 < number <= highest:
        raise BadInput("is not a cursor of this list; take one from its Link header", where="query.cursor")
    return direction, number


def _cursor(path: str, direction: str, id_: int) -> str:
    """Write where to go on, with a checksum over the list that it belongs to."""
    said = f"{direction}:{id_}"
    check = blake2b(f"{path} {said}".encode(), digest_size=6).hexdigest()
    return urlsafe_b64encode(f"{said}.{check}".encode()).decode()


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
    path = request.url.path
    return f"{path}?{urlencode([*kept, ('limit', limit), ('cursor', _cursor(path, direction, id_))])}"


def numbered_headers(request: Request, page: int, limit: int, total: int, **kept: str) -> dict[str, str]:
    """The same for what is made anew for each page: neighbours by number, `kept` parameters as they were here."""
    last = -(-total // limit)
    neighbours = [("next", page + 1)] * (page < last) + [("prev", page - 1)] * (1 < page <= last + 1)
    query = dict(request.query_params) | kept
    links = [
        f'<{request.url.path}?{urlencode(query | {"limit": str(limit), "page": str(number)})}>; rel="{relation}"'
        for relation, number in neighbours
    ]
    return {"X-Total-Count": str(total)} | ({"Link": ", ".join(links)} if links else {})
