"""Putting the app together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from api.docs_page import routes as docs_page
from api.document import document
from api.handlers import handle_errors
from api.parts import Parts
from api.routers import SUBJECTS, open_routes
from comms import tracing
from comms.config import Settings

if TYPE_CHECKING:  # older ones have no such thing, and tell nothing
    from fastapi.telemetry import TelemetryConfig

VERSION = "1.0.0"
"""Of the API, not of the program: contracts may grow, never break."""

SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI would tell paths, queries and the words of errors; our spans name the route (`api.handlers`)."""


def create_app(settings: Settings, engine: Engine | None = None) -> FastAPI:
    """Make the app; `engine` is given by tests. Nothing connects before the first request."""
    shown = settings.environment != "production"
    app = FastAPI(
        title="Communication service",
        version=VERSION,
        lifespan=_alive,
        openapi_url="/openapi.json" if shown else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=SILENT,
    )
    app.state.parts = Parts(settings, engine)
    for routes in (open_routes, *([docs_page] if shown else []), *SUBJECTS):
        _add(app, routes)
    handle_errors(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    # it would write addresses and filters; ours names the route
    logging.getLogger("uvicorn.access").disabled = True
    return app


def _add(app: FastAPI, routes: APIRouter) -> None:
    """Take the routes themselves: `include_router` would look each of them up anew with every request."""
    for route in routes.routes:
        if isinstance(route, APIRoute):
            route.unique_id = _operation_id(route)
        app.router.routes.append(route)


def _operation_id(route: APIRoute) -> str:
    """`list_emails` becomes `listEmails`: fit for generated clients."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


@asynccontextmanager
async def _alive(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    yield
    parts.close()
    tracing.end()  # here: uvicorn ends by the signal that it was sent, and nothing runs after that
