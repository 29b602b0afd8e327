"""Keys of the API: made, found, given a new secret, ended. A secret is shown once and stored as its SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.scopes import Scope
from comms.store.models import ApiKey
from comms.store.staff import audit

PREFIX = "comms_"
"""Lets scanners of repositories recognise a key that leaked."""

LIFETIME = timedelta(days=365)
OVERLAP = timedelta(hours=24)
"""So long the old secret opens beside the new one, unless somebody says otherwise."""
LONGEST_OVERLAP = timedelta(days=30)
LONGEST_NAME = 80


@dataclass(frozen=True)
class Key:
    """`usable` is False once it has expired or was revoked. Found by its old secret, it expires with that."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    previous_until: datetime | None = None
    """How long the secret before the last rotation opens."""

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True)
class NewKey:
    id: int
    key: str
    """The only place where it is ever written out."""
    expires_at: datetime


def create_key(
    session: Session,
    name: str,
    scopes: Collection[str],
    now: datetime,
    actor: str,
    lifetime: timedelta = LIFETIME,
) -> NewKey:
    """Make a key; BadInput for a name or scope that cannot be, Conflict where the name is taken."""
    _check(name, scopes, lifetime)
    secret = _draw()
    row = ApiKey(
        name=name,
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        created_at=now,
        created_by=actor,
        expires_at=now + lifetime,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise Conflict(f"there is a key called {name} already; revoke it, or choose another name") from error
    audit(session, actor, "key.create", "api_key", row.id, now, scopes=row.scopes)
    return NewKey(row.id, secret, row.expires_at)


def _draw() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _check(name: str, scopes: Collection[str], lifetime: timedelta) -> None:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadInput(f"needs 1 to {LONGEST_NAME} printable characters", where="name")
    unknown = set(scopes) - set(Scope)
    if unknown or not scopes:
        raise BadInput(f"one or more of: {', '.join(Scope)}", where="scope")
    _check_lifetime(lifetime)


def _check_lifetime(lifetime: timedelta) -> None:
    if not timedelta(0) < lifetime <= timedelta(days=3660):
        raise BadInput("a key lives for 1 to 3660 days", where="expires")


def digest(secret: str) -> str:
    """A key has 256 random bits: a plain hash needs no salt, and nothing slower."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(session: Session, secret: str) -> Key | None:
    """Find a key by what the client sent, the secret before a rotation too; also one that is no longer usable."""
    sent = digest(secret)
    query = select(*_COLUMNS, ApiKey.previous_digest == sent)
    row = session.execute(query.where(or_(ApiKey.digest == sent, ApiKey.previous_digest == sent))).one_or_none()
    if row is None:
        return None
    *values, old = row
    key = _key(values)
    return replace(key, expires_at=min(key.expires_at, key.previous_until)) if old and key.previous_until else key


def list_keys(session: Session) -> list[Key]:
    """List all that were ever made, newest first."""
    return [_key(row) for row in session.execute(select(*_COLUMNS).order_by(ApiKey.id.desc()))]


_COLUMNS = [getattr(ApiKey, field.name) for field in fields(Key)]


def _key(values: Sequence[Any]) -> Key:
    key = Key(*values)
    return replace(key, scopes=tuple(key.scopes))


def rotate_key(
    session: Session,
    name: str,
    now: datetime,
    actor: str,
    overlap: timedelta = OVERLAP,
    lifetime: timedelta = LIFETIME,
) -> NewKey:
    """Give a key a new secret; the present one opens for `overlap` more, one from before that no longer.

    It stays the same key: its name in the audit log, its scopes, and what it was answered under an Idempotency-Key.
    NotFound; Conflict where it was revoked, which is for good.
    """
    _check_lifetime(lifetime)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadInput(f"the old secret opens for 0 to {LONGEST_OVERLAP.days * 24} hours more", where="overlap")
    row = session.scalar(select(ApiKey).where(ApiKey.name == name).with_for_update())
    if row is None:
        raise NotFound("key", name)
    if row.revoked_at is not None:
        raise Conflict(f"the key {name} was revoked, which is for good; make one with another name")
    secret = _draw()
    row.previous_digest, row.previous_until = row.digest, min(row.expires_at, now + overlap)
    row.digest, row.expires_at = digest(secret), now + lifetime
    audit(session, actor, "key.rotate", "api_key", row.id, now)
    return NewKey(row.id, secret, row.expires_at)


def revoke_key(session: Session, name: str, now: datetime, actor: str) -> bool:
    """End a key; False where it was ended before. NotFound. A running API notices within seconds."""
    id_ = session.scalar(select(ApiKey.id).where(ApiKey.name == name))
    if id_ is None:
        raise NotFound("key", name)
    standing = update(ApiKey).where(ApiKey.id == id_, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
    ended = session.scalar(standing.returning(ApiKey.id).execution_options(synchronize_session=False))
    if ended is not None:
        audit(session, actor, "key.revoke", "api_key", id_, now)
    return ended is not None
