"""Keys of the API: made, found, ended. A key is shown once and stored as its SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.scopes import Scope
from comms.store.models import ApiKey
from comms.store.staff import audit

PREFIX = "comms_"
"""Lets scanners of repositories recognise a key that leaked."""

LIFETIME = timedelta(days=365)
LONGEST_NAME = 80


@dataclass(frozen=True)
class Key:
    """`usable` is False once it has expired or was revoked."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

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
    secret = PREFIX + secrets.token_urlsafe(32)
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


def _check(name: str, scopes: Collection[str], lifetime: timedelta) -> None:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadInput(f"needs 1 to {LONGEST_NAME} printable characters", where="name")
    unknown = set(scopes) - set(Scope)
    if unknown or not scopes:
        raise BadInput(f"one or more of: {', '.join(Scope)}", where="scope")
    if not timedelta(0) < lifetime <= timedelta(days=3660):
        raise BadInput("a key lives for 1 to 3660 days", where="expires")


def digest(secret: str) -> str:
    """A key has 256 random bits: a plain hash needs no salt, and nothing slower."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(session: Session, secret: str) -> Key | None:
    """Find a key by what the client sent; also one that is no longer usable."""
    columns = (getattr(ApiKey, name) for name in Key.__dataclass_fields__)
    row = session.execute(select(*columns).where(ApiKey.digest == digest(secret))).one_or_none()
    return None if row is None else _key(row._mapping)


def list_keys(session: Session) -> list[Key]:
    """List all that were ever made, newest first."""
    columns = (getattr(ApiKey, name) for name in Key.__dataclass_fields__)
    return [_key(row._mapping) for row in session.execute(select(*columns).order_by(ApiKey.id.desc()))]


def _key(row: RowMapping) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"])})


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
