"""`docs/asyncapi.yaml`: the events of both directions, with JSON Schemas made from the code that checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from comms.services.inbox.shapes import PAYLOADS, Envelope
from comms.services.published import PUBLISHED, PublishedEnvelope

OURS = "communication-events"
TOPIC_OF = {"match": "matching-events", "therapist": "therapist-events", "patient": "patient-events"}

Json = dict[str, Any]


def asyncapi() -> Json:
    """Build the document (AsyncAPI 3.0)."""
    schemas: Json = {}
    messages = _messages(PUBLISHED, PublishedEnvelope, "serialization", schemas) | _messages(
        PAYLOADS, Envelope, "validation", schemas
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Communication service",
            "version": "1.0.0",
            "description": "Events in and out. Payloads of ours hold ids, codes and times only; keys are email:ID and "
            "call:ID, and the order per key is kept. An event may come twice, then with the same eventId.",
        },
        "channels": {topic: _channel(topic, names) for topic, names in _topics().items()},
        "operations": {
            f"{'publish' if topic == OURS else 'read'}_{topic.replace('-', '_')}": {
                "action": "send" if topic == OURS else "receive",
                "channel": {"$ref": f"#/channels/{topic}"},
            }
            for topic in _topics()
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _topics() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {OURS: list(PUBLISHED)}
    for name in PAYLOADS:
        found.setdefault(TOPIC_OF[name.split(".")[0]], []).append(name)
    return found


def _channel(topic: str, names: list[str]) -> Json:
    return {"address": topic, "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names}}


def _messages(
    shapes: Mapping[str, type[BaseModel]], envelope: type[BaseModel], mode: Any, schemas: Json
) -> dict[str, Json]:
    schemas[envelope.__name__] = _schema(envelope, mode, schemas)
    found = {}
    for name, shape in shapes.items():
        schemas[shape.__name__] = _schema(shape, mode, schemas)
        found[name] = _message(name, shape, envelope)
    return found


def _message(name: str, shape: type[BaseModel], envelope: type[BaseModel]) -> Json:
    payload = {"type": "object", "required": ["payload"], "properties": {
        "eventType": {"const": name}, "payload": {"$ref": f"#/components/schemas/{shape.__name__}"},
    }}  # fmt: skip
    words = {"summary": " ".join((shape.__doc__ or "").split())} if shape.__doc__ else {}
    return {
        "name": name,
        **words,
        "contentType": "application/json",
        "payload": {"allOf": [{"$ref": f"#/components/schemas/{envelope.__name__}"}, payload]},
    }


def _schema(shape: type[BaseModel], mode: Any, schemas: Json) -> Json:
    made = shape.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    schemas.update(made.pop("$defs", {}))
    return made


def asyncapi_page() -> str:
    """`docs/asyncapi.yaml`."""
    import yaml

    from comms.cli.generated import NOTICE

    return f"# {NOTICE}\n" + yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=110)
