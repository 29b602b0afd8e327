"""What the children that import Prefect share: waiting for its server, and running its command in this process."""

from __future__ import annotations

import asyncio
import sys
import time

from prefect.cli import app as prefect_cli
from prefect.client.orchestration import PrefectClient

from comms.errors import Temporary

TICK = 0.2


async def wait_for_server(client: PrefectClient, patience: float) -> None:
    """Return as soon as the server of PREFECT_API_URL answers; Temporary after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (trouble := await client.api_healthcheck()) is not None:
        if time.monotonic() >= deadline:
            raise Temporary(f"the Prefect server of PREFECT_API_URL does not answer ({type(trouble).__name__})")
        await asyncio.sleep(TICK)


def run_prefect(*arguments: str) -> None:
    """Run `prefect …` here, for starting another process costs two seconds; it reads sys.argv. Raises SystemExit."""
    ours = sys.argv
    sys.argv = ["prefect", "--no-prompt", *arguments]
    try:
        prefect_cli()
    finally:
        sys.argv = ours
