"""A cursor is opaque, and one that was made by hand is none, however well."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from api.paging import _cursor

PATH = "/api/emails"


@pytest.mark.parametrize("number", [10**30, 2**63, 0, -5])
@pytest.mark.parametrize("direction", ["older", "newer"])
def test_a_forged_cursor_that_no_row_has_is_refused(client: TestClient, direction: str, number: int) -> None:
    answer = client.get(PATH, params={"cursor": _cursor(PATH, direction, number)})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.cursor"


def test_the_biggest_id_there_can_be_is_fine(client: TestClient) -> None:
    assert client.get(PATH, params={"cursor": _cursor(PATH, "older", 2**63 - 1)}).status_code == 200
