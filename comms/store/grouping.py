"""Units of work that become durable together: SQLite lets one write at a time and syncs its file at every COMMIT.

So who asks at the same moment shares a transaction: a savepoint for each unit of work, and one COMMIT for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import sessionmaker

from comms.store.session import joining

Work = Callable[[], None]


def together(engine: Engine, works: Iterable[Work]) -> None:
    """Do these one after the other; all that they are `writing` is durable at the end, and not before.

    They raise nothing and keep what became of them to themselves; a savepoint undoes what fails. Where the whole is
    undone, as on a full disk, each is done once more, by itself: so they do nothing outside of what they write. Raises
    OperationalError where another process does not let go of the database; then none was taken from `works`.
    """
    coming, begun = iter(works), list[Work]()
    with engine.connect() as connection:
        connection.execution_options(comms_writes=True).begin()
        try:
            _each(connection, _noting(coming, begun))
            connection.commit()
        except Exception:  # noqa: BLE001 - what each meets alone, each is told
            connection.invalidate()  # closing it undoes all of it, in whatever state it is
        else:
            return
    for work in chain(begun, coming):
        work()


class _Undone(Exception):
    """SQLite gave up the whole transaction, and not only a savepoint of it."""


def _each(connection: Connection, works: Iterable[Work]) -> None:
    shared = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    with joining(shared):
        for work in works:
            work()
            if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                raise _Undone


def _noting(works: Iterable[Work], begun: list[Work]) -> Iterator[Work]:
    for work in works:
        begun.append(work)
        yield work
