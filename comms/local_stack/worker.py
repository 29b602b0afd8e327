"""`python -m comms.local_stack.worker PATIENCE [alone]`: registers the deployments, then works on their runs.

One process for both, because loading Prefect takes seconds; it does so while the server starts. Registering first also
clears away runs that were scheduled while nobody worked.
"""

from __future__ import annotations

import sys

from prefect.workers.process import ProcessWorker

from comms.local_stack import POOL
from comms.local_stack.deploy import deploy
from comms.local_stack.prefect_client import run_prefect


def main() -> None:
    """Wait for the server, then serve the pool until SIGTERM."""
    deploy(float(sys.argv[1]), alone="alone" in sys.argv[2:])
    run_prefect("worker", "start", "--pool", POOL, "--type", ProcessWorker.type, "--name", "local")


if __name__ == "__main__":
    main()
