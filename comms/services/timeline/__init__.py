"""Everything that happened with a therapist, put together from the rows that say it."""

from comms.services.timeline.parts import Kind
from comms.services.timeline.reading import Entry, page_of_timeline

__all__ = ["Entry", "Kind", "page_of_timeline"]
