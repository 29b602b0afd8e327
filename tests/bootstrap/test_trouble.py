"""What is told of an error: never what stands in a row."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from comms.bootstrap.trouble import passes, retell
from comms.errors import BadInput, CommsError, Temporary

SECRET = "praxis@geheim.example"


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_error_of_ours_passes_as_it_is() -> None:
    error = BadInput("needs a date", where="at")
    assert retell(error) is error


@pytest.mark.parametrize(
    "error",
    [KeyError(SECRET), ValueError(SECRET), IntegrityError("INSERT", {"to": SECRET}, Exception(SECRET))],
)
def test_of_any_other_error_only_name_and_place_are_told(error: Exception) -> None:
    told = retell(raised(error))
    assert SECRET not in str(told)
    assert str(told).startswith(f"{type(error).__name__} at tests/bootstrap/test_trouble.py:")
    assert not passes(told)


@pytest.mark.parametrize(
    "error",
    [OperationalError("SELECT", {"to": SECRET}, Exception(SECRET)), ConnectionResetError(SECRET), TimeoutError()],
)
def test_trouble_of_the_infrastructure_passes_and_tells_no_more(error: Exception) -> None:
    told = retell(raised(error))
    assert isinstance(told, Temporary)
    assert SECRET not in str(told)
    assert passes(error)
    assert passes(told)


def test_bad_data_stays_bad() -> None:
    assert not passes(CommsError("x"))
    assert not passes(BadInput("x"))
