"""How often a therapist may be contacted."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from comms.config.fields import Zone, setting
from comms.rules.policy import ContactPolicy


class Contacts(BaseModel):
    """Contacts"""

    contact_window_hours: int = setting(
        168, "COMMS_CONTACT_WINDOW_HOURS", "At most one contact per therapist and mailbox in this time.", ge=1, le=8760
    )
    cooling_weeks: int = setting(4, "COMMS_COOLING_WEEKS", "Rest after a rejection.", ge=0, le=520)
    patients_per_email: int = setting(5, "COMMS_PATIENTS_PER_EMAIL", "At most this many in one email.", ge=1, le=20)
    time_zone: Zone = setting(ZoneInfo("Europe/Berlin"), "COMMS_TIME_ZONE", "Where therapists and callers live.")

    def contact_policy(self) -> ContactPolicy:
        return ContactPolicy(
            window=timedelta(hours=self.contact_window_hours),
            cooling=timedelta(weeks=self.cooling_weeks),
            patients_per_email=self.patients_per_email,
            zone=self.time_zone,
        )
