"""What is done once more, and what never."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from comms.store.retrying import TRIES, persistently
from comms.store.session import CommitLost


def failed(code: str | None = None, *, lost: bool = False, kind: type[DBAPIError] = OperationalError) -> DBAPIError:
    cause = SimpleNamespace(pgcode=code)
    return kind(None, None, cause, connection_invalidated=lost)  # type: ignore[arg-type]


def tries_until(error: DBAPIError, failures: int) -> int:
    """How often the work was begun that fails so often in this way."""
    begun = 0

    def work() -> None:
        nonlocal begun
        begun += 1
        if begun <= failures:
            raise error

    persistently(work)
    return begun


@pytest.mark.parametrize("error", [failed("40P01"), failed("40001"), failed(lost=True)])
def test_what_was_undone_is_done_again(error: DBAPIError) -> None:
    assert tries_until(error, failures=1) == 2


def test_somebody_gives_up_in_the_end() -> None:
    assert tries_until(failed(lost=True), failures=TRIES - 1) == TRIES
    with pytest.raises(OperationalError):
        tries_until(failed(lost=True), failures=TRIES)


@pytest.mark.parametrize("error", [failed("23505"), failed(), failed(lost=True, kind=CommitLost)])
def test_what_would_fail_again_or_may_be_done_is_not_done_again(error: DBAPIError) -> None:
    with pytest.raises(type(error)):
        tries_until(error, failures=1)
