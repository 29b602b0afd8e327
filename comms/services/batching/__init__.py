"""From open placement requests to queued emails."""

from comms.services.batching.creating import Created
from comms.services.batching.preparing import PlannedEmail
from comms.services.batching.run import (
    CHUNK_SIZE,
    BatchReport,
    add_created,
    chunks_of,
    create_batch_email,
    create_batch_emails,
    plan_run,
    process_pending_requests,
    summarise,
)

__all__ = [
    "CHUNK_SIZE",
    "BatchReport",
    "Created",
    "PlannedEmail",
    "add_created",
    "chunks_of",
    "create_batch_email",
    "create_batch_emails",
    "plan_run",
    "process_pending_requests",
    "summarise",
]
