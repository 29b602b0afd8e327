"""The OpenAPI document: generated, with the key, the problem, and the words of each subject."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import Problem
from api.routing import SECURITY
from api.schemas.fields import BIGGEST

DESCRIPTION = """
Writes to therapists, records their answers and books calls: at most one contact a week, and a reason for everything.

**Keys.** `comms keys create --name me --scope admin` prints one; press *Authorize* and paste it. Scopes: `read`,
`content` (bodies, answers and notes; left out without it), `write`, `override`, `ops`, `admin` (all of them).

**Errors** are `application/problem+json` with a stable `type`. **Lists** are bare arrays, newest first: follow `Link`.
**POST** with an `Idempotency-Key` can be sent again; **PUT** and verbs honour `If-Match`. Instants carry an offset.
""".strip()

TAGS = [
    {"name": "emails", "description": "Write, queue, cancel; what became of each, and what was answered."},
    {"name": "email batches", "description": "One placement request in one email."},
    {"name": "phone calls", "description": "Short calls into the therapist's phone hours."},
    {"name": "phone call batches", "description": "One placement request in one call."},
    {"name": "therapists", "description": "Facts about therapists, and everything that happened with each."},
    {"name": "patients", "description": "Facts about patients: what letters may say is made of them."},
    {"name": "placement requests", "description": "One patient, one therapist."},
    {"name": "planning", "description": "What the next batch would do and why; what needs a person."},
    {"name": "suppressions", "description": "Mailboxes that must never be written to."},
    {"name": "templates", "description": "What is sent, about nobody."},
    {"name": "operations", "description": "Is it alive, is it ready, what does it count; pause and resume."},
]


def document(app: FastAPI) -> dict[str, Any]:
    """Build it once; `app.openapi` hands it out."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            routes=app.routes,
            tags=TAGS,
        )
        for path in made["paths"].values():
            for operation in path.values():
                _head(operation)
                _drop_null(operation.get("parameters", []))
        _add_problem(made["components"]["schemas"])
        _forget_defaults(made)
        _whole_bounds(made)
        made["components"]["securitySchemes"] = {
            SECURITY: {"type": "http", "scheme": "bearer", "description": "From `comms keys create`; shown once."}
        }
        app.openapi_schema = made
    return app.openapi_schema


def _head(operation: dict[str, Any]) -> None:
    """The first line of a docstring is what a list of operations shows; the rest is for who opens one."""
    first, _, rest = operation.pop("description", operation["summary"]).partition("\n\n")
    operation["summary"] = " ".join(first.replace("`", "").split()).removesuffix(".")
    if rest:
        operation["description"] = rest


def _drop_null(parameters: list[dict[str, Any]]) -> None:
    """A query or header that is not sent is absent; there is no way to send null in one."""
    for parameter in parameters:
        kinds = [kind for kind in parameter["schema"].get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            parameter["schema"].pop("anyOf")
            parameter["schema"] |= kinds[0]


def _forget_defaults(made: dict[str, Any]) -> None:
    """What a PUT does not name stays as it is: a client that is generated must not send a default for it."""
    for path in made["paths"].values():
        for content in path.get("put", {}).get("requestBody", {}).get("content", {}).values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            for field in made["components"]["schemas"][name]["properties"].values():
                field.pop("default", None)


def _whole_bounds(part: Any) -> None:
    """The framework writes bounds as floats, and 2**63 - 1 is none."""
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _whole_bounds(value)
    if isinstance(part, dict) and part.get("type") == "integer":
        part |= {name: min(int(part[name]), BIGGEST) for name in _BOUNDS & part.keys()}


_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}


def _add_problem(schemas: dict[str, Any]) -> None:
    """Problems replace the framework's own errors, which nothing answers with."""
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= made.pop("$defs", {})
    schemas["Problem"] = made
