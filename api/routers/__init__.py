"""The routes, one file per subject. `SUBJECTS` all need a key; `open_routes` need none."""

from api.routers import (
    emails,
    health,
    patients,
    placement_requests,
    plan,
    sending,
    staff_list,
    suppressions,
    templates,
    therapists,
)
from api.routers.health import routes as open_routes

SUBJECTS = (
    emails.routes,
    health.metrics,
    patients.routes,
    placement_requests.routes,
    plan.routes,
    sending.routes,
    staff_list.routes,
    suppressions.routes,
    templates.routes,
    therapists.routes,
)

__all__ = ["SUBJECTS", "open_routes"]
