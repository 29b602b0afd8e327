"""`/docs`: Swagger UI, all of it from this process. No third party learns who looks, and none is needed."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Communication service: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
"""Addresses are relative: it also works behind a proxy that adds a prefix."""

START = """\
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null, queryConfigEnabled: false,
  displayRequestDuration: true, defaultModelsExpandDepth: 0,
})
"""
"""The validator is a service of others and would be sent the document."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the browser may load and whom it may call: this address only."""

routes = APIRouter(include_in_schema=False)


@routes.get("/docs")
async def show_docs() -> Response:
    return Response(PAGE, media_type="text/html", headers={"Content-Security-Policy": POLICY})


@routes.get("/docs/start.js")
async def start_docs() -> Response:
    return Response(START, media_type="text/javascript")


@routes.get("/docs/swagger-ui-bundle.js")
async def get_docs_script() -> Response:
    return Response(_file("swagger-ui-bundle.js"), media_type="text/javascript")


@routes.get("/docs/swagger-ui.css")
async def get_docs_style() -> Response:
    return Response(_file("swagger-ui.css"), media_type="text/css")


@cache
def _file(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
