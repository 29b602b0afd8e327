"""The examples of `docs/events.md`: each is what the code writes or reads, and no event is missing."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from comms.services.inbox.reading import Event, read_message
from comms.services.inbox.shapes import PAYLOADS
from comms.services.published import PUBLISHED, PublishedEnvelope
from tests.services.messages import message
from tests.test_layout import ROOT

PAGE = (ROOT / "docs/events.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
OURS = [example for example in EXAMPLES if example["producer"] == "communication-service"]
THEIRS = [example for example in EXAMPLES if example not in OURS]


def test_every_event_has_one_example() -> None:
    assert Counter(example["eventType"] for example in OURS) == dict.fromkeys(PUBLISHED, 1)
    assert Counter(example["eventType"] for example in THEIRS) == dict.fromkeys(PAYLOADS, 1)
    assert len({example["eventId"] for example in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("example", OURS, ids=lambda example: example["eventType"])
def test_what_we_publish_has_its_documented_shape(example: dict[str, Any]) -> None:
    PublishedEnvelope.model_validate_json(json.dumps(example))
    shape = PUBLISHED[example["eventType"]]
    shape.model_validate_json(json.dumps(example["payload"]))
    assert set(example["payload"]) | {"call_id", "email_id"} >= set(shape.model_fields)


@pytest.mark.parametrize("example", THEIRS, ids=lambda example: example["eventType"])
def test_what_the_platform_writes_is_read_as_it_stands(example: dict[str, Any]) -> None:
    found = read_message(message(json.dumps(example).encode()))
    assert isinstance(found, Event)
    assert (found.event_id, found.event_type) == (example["eventId"], example["eventType"])


def test_every_reason_of_reading_is_in_the_table_of_dead_letters() -> None:
    code = (ROOT / "comms/services/inbox/reading.py").read_text(encoding="utf-8")
    reasons = set(re.findall(r'(?:_Refused|_poison)\("(\w+)"', code)) | {"envelope_invalid", "unknown_version"}
    assert len(reasons) > 8
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
