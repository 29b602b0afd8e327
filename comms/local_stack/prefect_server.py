"""`python -m comms.local_stack.prefect_server PORT`: a Prefect server whose schedules work with SQLAlchemy 2.1.

It listens on this machine only, unless PREFECT_SERVER_API_HOST says otherwise, as in a container.

Prefect 3.8 hands its scheduler's bulk insert a value for the hybrid attribute `state`. SQLAlchemy 2.0 ignored it, 2.1
refuses it unless the attribute says what becomes of it; then no scheduled run is ever made. It says so here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Any

from prefect.server.database.orm_models import FlowRun, TaskRun
from sqlalchemy.ext.hybrid import hybrid_property

from comms.local_stack.ports import HOST
from comms.local_stack.prefect_client import run_prefect


def allow_bulk_inserts() -> None:
    """Have bulk inserts leave `state` alone, as they did; a Prefect that knows better keeps its own way."""
    for model in (FlowRun, TaskRun):
        state = vars(model)["state"]
        assert isinstance(state, hybrid_property)
        if state.bulk_dml_setter is None:
            state.inplace.bulk_dml(_leave_alone)


def _leave_alone(cls: Any, mapping: MutableMapping[str, Any], value: Any) -> None:
    """The rows of the states are inserted by Prefect right afterwards."""


def main() -> None:
    """Serve API and UI until SIGTERM."""
    allow_bulk_inserts()
    host = os.environ.get("PREFECT_SERVER_API_HOST", HOST)
    run_prefect("server", "start", "--host", host, "--port", sys.argv[1])


if __name__ == "__main__":
    main()
