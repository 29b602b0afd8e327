"""As of which instant a job acts, and what it may do then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from comms.rules.as_of import AsOf, Standing, act_as_of

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=3), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("given", "dry_run", "production", "expected"),
    [
        (None, False, False, AsOf(NOW, Standing.FULL)),
        (None, False, True, AsOf(NOW, Standing.FULL)),
        (None, True, True, AsOf(NOW, Standing.DRY)),
        (PAST, False, False, AsOf(PAST, Standing.FULL)),
        (NOW, False, False, AsOf(NOW, Standing.FULL)),
        (FUTURE, False, False, AsOf(FUTURE, Standing.FUTURE)),
        (PAST, False, True, AsOf(PAST, Standing.REFUSED)),
        (FUTURE, False, True, AsOf(FUTURE, Standing.REFUSED)),
        (FUTURE, True, True, AsOf(FUTURE, Standing.DRY)),
        (PAST, True, False, AsOf(PAST, Standing.DRY)),
    ],
)
def test_a_job_acts_as_of_the_instant_it_was_given_where_that_is_allowed(
    given: datetime | None, dry_run: bool, production: bool, expected: AsOf
) -> None:
    assert act_as_of(given, NOW, dry_run=dry_run, production=production) == expected


def test_only_a_full_run_sends() -> None:
    assert [standing for standing in Standing if AsOf(NOW, standing).may_send] == [Standing.FULL]
