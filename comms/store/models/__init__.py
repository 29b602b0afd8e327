"""The tables. One file per subject; import them from here."""

from comms.store.models.access import ApiKey, IdempotencyAnswer
from comms.store.models.base import Base, BigId, UtcDateTime, at_first, table_of
from comms.store.models.calls import CallCell, PhoneCall, PhoneCallBatch, PhoneCallEmail
from comms.store.models.contacts import ContactEntry, ContactState, Suppression
from comms.store.models.emails import DeliveryAttempt, Email, EmailBatch
from comms.store.models.events import DeadLetter, InboxEvent, OutboxEvent
from comms.store.models.facts import Patient, PlacementRequest, Therapist
from comms.store.models.leases import Lease, TopicMark
from comms.store.models.operations import AuditEntry, Heartbeat, JobRun, PlanDecision, StaffItem, StaffSetting
from comms.store.models.platform import PlatformUpdate

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Base",
    "BigId",
    "CallCell",
    "ContactEntry",
    "ContactState",
    "DeadLetter",
    "DeliveryAttempt",
    "Email",
    "EmailBatch",
    "Heartbeat",
    "IdempotencyAnswer",
    "InboxEvent",
    "JobRun",
    "Lease",
    "OutboxEvent",
    "Patient",
    "PhoneCall",
    "PhoneCallBatch",
    "PhoneCallEmail",
    "PlacementRequest",
    "PlanDecision",
    "PlatformUpdate",
    "StaffItem",
    "StaffSetting",
    "Suppression",
    "Therapist",
    "TopicMark",
    "UtcDateTime",
    "at_first",
    "table_of",
]
