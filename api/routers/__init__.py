"""The routes, one file per subject. `SUBJECTS` all need a key, in the order of the document."""

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
    emails.routes,
    answers.routes,
    email_batches.routes,
    phone_calls.routes,
    phone_call_batches.routes,
    call_list.routes,
    patients.routes,
    placement_requests.routes,
    plan.routes,
    sending.routes,
    staff_list.routes,
    suppressions.routes,
    templates.routes,
    therapists.routes,
    timeline.routes,
    health.metrics,
)

__all__ = ["SUBJECTS", "open_routes"]
