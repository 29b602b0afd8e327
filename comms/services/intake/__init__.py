"""How facts about therapists, patients and placement requests come in: read, checked, compared, written."""

from comms.services.intake.files import read_file
from comms.services.intake.importing import import_record, import_records, import_together
from comms.services.intake.putting import Put, put_facts
from comms.services.intake.reasons import REASONS, explain
from comms.services.intake.records import Counts, ImportReport, Kind, Note, Record

__all__ = [
    "REASONS",
    "Counts",
    "ImportReport",
    "Kind",
    "Note",
    "Put",
    "Record",
    "explain",
    "import_record",
    "import_records",
    "import_together",
    "put_facts",
    "read_file",
]
