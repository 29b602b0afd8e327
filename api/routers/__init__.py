"""The routes, one file per subject. `SUBJECTS` all need a key; `open_routes` need none."""

from api.routers import (
    answers,
    call_list,
    email_batches,
    emails,
    health,
    patients,
    phone_call_batches,
    phone_calls,
    placement_requests,
    plan,
    sending,
    staff_list,
    suppressions,
    templates,
    therapists,
    timeline,
)
from api.routers.health import routes as open_routes

SUBJECTS = (
    answers.routes,
    call_list.routes,
    email_batches.routes,
    emails.routes,
    health.metrics,
    patients.routes,
    phone_call_batches.routes,
    phone_calls.routes,
    placement_requests.routes,
    plan.routes,
    sending.routes,
    staff_list.routes,
    suppressions.routes,
    templates.routes,
    therapists.routes,
    timeline.routes,
)

__all__ = ["SUBJECTS", "open_routes"]
