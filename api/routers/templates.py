"""What is sent: templates, and letters about nobody."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from api.asking import JSON, Reads
from api.rendering import render, render_list
from api.routing import Subject, declare
from api.schemas.templates import Format, Language, PreviewView, TemplateView
from comms.rules.scopes import Scope
from comms.services.letters import catalogue
from comms.services.letters.specimen import Specimen, part_of

routes = Subject("templates")

NOTHING_RUNS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""Content-Security-Policy: a letter is looked at, whoever wrote its template."""

_TEXT = {"schema": {"type": "string"}}
_SHOWN = {
    200: {
        "model": PreviewView,
        "description": "As `format` says.",
        "content": {"text/html": _TEXT, "text/plain": _TEXT, "message/rfc822": _TEXT},
    }
}


@routes.get("/templates", **declare(Scope.READ, list[TemplateView], 409))
def list_templates(asked: Reads) -> Response:
    """List the templates: what each is for, and its subject and version in every language."""
    found = catalogue.list_templates(asked.correspondence.letters, asked.settings.identity())
    return Response(render_list(TemplateView, found, content=True), 200, media_type=JSON)


@routes.get("/templates/{name}/preview", **declare(Scope.READ, None, 404, 409, more=_SHOWN), response_class=Response)
def preview_template(
    name: Annotated[str, Path(max_length=40)],
    asked: Reads,
    language: Annotated[Language, Query()] = "de",
    format: Annotated[Format, Query()] = Format.HTML,
) -> Response:
    """Show a letter about nobody, as it would be sent."""
    letter = catalogue.preview_template(asked.correspondence.letters, name, language, asked.settings.identity())
    return _show(letter, format)


def _show(letter: Specimen, wanted: Format) -> Response:
    rendered = letter.rendered
    if wanted is Format.JSON:
        return Response(render(PreviewView, rendered, content=True), 200, media_type=JSON)
    if wanted is Format.TEXT:
        return Response(part_of(letter.content, "plain"), 200, media_type="text/plain; charset=utf-8")
    if wanted is Format.HTML:
        safe = {"Content-Security-Policy": NOTHING_RUNS}
        return Response(part_of(letter.content, "html"), 200, safe, "text/html; charset=utf-8")
    named = f'attachment; filename="{rendered.template}.{rendered.language}.eml"'
    return Response(letter.content, 200, {"Content-Disposition": named}, "message/rfc822")
