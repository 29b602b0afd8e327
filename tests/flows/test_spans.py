"""The spans of a flow run, as they arrive at a receiver on loopback; and Prefect tells nothing by the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from comms import tracing
from comms.otlp.collecting import make_collector
from comms.store.session import Sessions, writing
from flows.daily_batch import schedule_daily_batch_processing
from tests.factories import make_request, make_therapist
from tests.flows.test_runs import run, start
from tests.otlp.test_story import trace_of
from tests.servers.otlp import Receiver, receiver

pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        tracing.collect(make_collector())
        yield running
        tracing.end()
        tracing.collect(None)


def test_all_spans_of_a_flow_run_are_one_tree_in_the_trace_of_its_id(rows: Sessions, arrived: Receiver) -> None:
    with writing(rows) as session:
        make_request(session, make_therapist(session))

    async def story() -> str:
        flow_run = await start(schedule_daily_batch_processing)
        assert (await run(schedule_daily_batch_processing, flow_run)).is_completed()
        return str(flow_run.id)

    key = asyncio.run(story())
    root = arrived.wait_for("daily-batch")
    spans = {span.id: span for span in arrived.spans if span.trace == trace_of(key)}
    below = {span.name for span in spans.values() if span.parent == root.id}
    assert {"step plan_daily_batch", "step create_chunk", "step send", "step follow_up"} <= below
    [handed] = [span for span in spans.values() if span.name == "SMTP hand-over"]
    assert spans[handed.parent].name == "step send"
    tracing.end()
    assert {span.service for span in arrived.spans} == {"communication-service"}
    assert [span.name for span in arrived.spans if "prefect" in str(span.attributes)] == []
