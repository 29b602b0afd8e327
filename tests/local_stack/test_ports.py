"""A taken port is named: which one, whose, and which setting moves it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from comms.errors import ConfigurationError
from comms.local_stack.ports import HOST, Port, answers, free_port, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_its_part_and_its_setting(taken: int) -> None:
    with pytest.raises(ConfigurationError) as found:
        require_free([Port(taken, "the API", "COMMS_API_PORT")])
    (line,) = found.value.faults
    assert line.startswith(f"COMMS_API_PORT: port {taken} (the API) is taken")


def test_two_parts_that_want_the_same_port_are_named(taken: int) -> None:
    number = free_port()
    both = [Port(number, "the API", "COMMS_API_PORT"), Port(number, "the Prefect server", "COMMS_PREFECT_PORT")]
    with pytest.raises(ConfigurationError, match=r"COMMS_PREFECT_PORT: .* is also COMMS_API_PORT"):
        require_free(both)


def test_free_ports_pass() -> None:
    require_free([Port(free_port(), "the API", "COMMS_API_PORT")])


def test_a_preferred_port_is_kept_if_it_is_free_and_not_promised_to_another(taken: int) -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred
    assert free_port(taken) != taken
    assert free_port(preferred, avoid=[preferred]) != preferred


def test_a_listening_port_answers_and_a_free_one_does_not(taken: int) -> None:
    assert answers(taken)
    assert not answers(free_port())
