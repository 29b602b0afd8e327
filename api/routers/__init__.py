"""The routes, one file per subject. `SUBJECTS` all need a key; `open_routes` need none."""

from api.routers import emails
from api.routers.health import routes as open_routes

SUBJECTS = (emails.routes,)

__all__ = ["SUBJECTS", "open_routes"]
