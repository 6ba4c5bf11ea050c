"""Where decisions are kept: SQLite for one machine, PostgreSQL for a department.

Tables: ``packages`` (what was proposed, and what became of it), ``decisions`` (the audit log, that
the database itself lets nobody change), ``log_head`` (count and digest of its last entry) and
``store_version``. Every act is one transaction that first takes the head for itself: of any number
of people who decide on one package at the same moment, the first wins, and all others are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from traffic_brain.deployment.about import SHORT_ID, About, Kind
from traffic_brain.deployment.audit import Act, Entry, Head, State, Trail, seal
from traffic_brain.errors import ConfigurationError, DataRefused

STORE_FILE = "decisions.sqlite"
VERSION = 1
BUSY_S = 60
"""How long one decision waits for those before it."""
_LOCK = 7_190_452
"""Any number: who makes the tables in PostgreSQL holds this lock."""

_tables = sa.MetaData()
_version = sa.Table("store_version", _tables, sa.Column("version", sa.Integer, primary_key=True))
_packages = sa.Table(
    "packages",
    _tables,
    sa.Column("package_id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("service_day", sa.String(10), nullable=False),
    sa.Column("expires", sa.String(10), nullable=False),
    sa.Column("city", sa.String(64), nullable=False),
    sa.Column("in_service", sa.String(64), nullable=False),
    sa.Column("made_from", sa.String(64)),
    sa.Column("state", sa.String(16), nullable=False),
)
_decisions = sa.Table(
    "decisions",
    _tables,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("package_id", sa.ForeignKey("packages.package_id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("on_day", sa.String(10), nullable=False),
    sa.Column("other_id", sa.String(64)),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
_head = sa.Table(
    "log_head",
    _tables,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
_PG_REFUSAL = (
    "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE EXCEPTION ''the audit log is append-only''; END'"
)
_PG_TRIGGER = (
    "CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
)
_APPEND_ONLY = {
    "sqlite": tuple(
        f"CREATE TRIGGER no_{act} BEFORE {act} ON decisions "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        for act in ("UPDATE", "DELETE")
    ),
    "postgresql": (_PG_REFUSAL, _PG_TRIGGER),
}
_PROPOSED = State.PROPOSED.value
_UNDECIDED = frozenset({State.PROPOSED, State.EXPIRED})
_FROM: Mapping[str, frozenset[State]] = {
    State.EXPIRED: frozenset({State.PROPOSED}),
    State.ROLLED_BACK: frozenset({State.APPROVED}),
}
"""From which states a package may become this; all others: from those nobody has decided on."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A package as the store knows it before anybody has decided on it."""

    package_id: str
    about: About


@dataclass(frozen=True, slots=True)
class Record:
    """A package in the store."""

    package_id: str
    about: About
    state: State


class Store:
    """Packages and decisions in one database; threads may share it; `close` it in the end."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def record(self, package_id: str) -> Record | None:
        """What is known of a package; None: nobody has decided anything on it."""
        with self._reading() as connection:
            return _record(connection, package_id)

    def records(self) -> list[Record]:
        """All packages, by service day and id."""
        columns = (_packages.c.service_day, _packages.c.package_id)
        with self._reading() as connection:
            rows = connection.execute(sa.select(_packages).order_by(*columns))
            return [_as_record(row) for row in rows]

    def trail(self) -> Trail:
        """The audit log, with what the store says apart from it, all of one moment."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(_decisions).order_by(_decisions.c.seq))
            entries = [_as_entry(row) for row in rows]
            states = connection.execute(sa.select(_packages.c.package_id, _packages.c.state))
            return Trail(
                entries, _read_head(connection), {row.package_id: row.state for row in states}
            )

    def act(self, proposal: Proposal, act: Act, successor: Proposal | None = None) -> Head:
        """Let a package become what the act makes of it, and log it; returns the new head.

        A package that the store does not know is entered as proposed first, as is ``successor``,
        the package that it is made into.

        Raises:
            DataRefused: somebody else has decided already; or, for an approval, another package
                for the same network and plans in service is approved.
            ConfigurationError: the database fails.
        """
        with self._writing() as connection:
            head = _read_head(connection)
            head = _enter(connection, proposal, act, head)
            _refuse_if_decided(connection, act)
            if act.state == State.APPROVED:
                _refuse_second(connection, proposal)
            if successor is not None:
                head = _enter(connection, successor, act, head)
            head = _append(connection, act, head)
            connection.execute(
                _packages.update()
                .where(_packages.c.package_id == act.package_id)
                .values(state=str(act.state))
            )
            connection.execute(_head.update().values(**asdict(head)))
        return head

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        options: dict[str, Any] = {"reading": True}
        if self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"  # all queries see the same moment
        with _told(self._engine), self._engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _told(self._engine), self._engine.begin() as connection:
            yield connection


def open_store(where: str, *, create: bool = True) -> Store:
    """The store at a file path or database URL; its tables are made where there are none.

    Args:
        where: a file, ``sqlite:///FILE``, or ``postgresql://USER@HOST/NAME``.
        create: without it, there must be a store already.

    Raises:
        ConfigurationError: there is no such store, it cannot be reached, it holds something else,
            or a newer version of traffic-brain has made it.
    """
    url = _url(where)
    if not create and url.drivername == "sqlite" and not Path(str(url.database)).is_file():
        raise ConfigurationError(f"there is no store {url.database}", "give its PACKAGE or --store")
    engine = _engine(url)
    with _told(engine):
        with engine.connect() as connection:
            found = _read_version(connection.execution_options(reading=True))
        if found is None:
            with engine.begin() as connection:
                found = _make_tables(connection)
    if found > VERSION:
        raise ConfigurationError(
            f"the store {_shown(url)} has version {found}, this traffic-brain knows {VERSION}",
            "update traffic-brain",
        )
    return Store(engine)


def _url(where: str) -> sa.URL:
    if "://" not in where:
        return sa.URL.create("sqlite", database=where)
    try:
        url = sa.make_url(where)
    except (SQLAlchemyError, ValueError) as error:
        raise ConfigurationError(
            "the address of the store cannot be read", "write it as postgresql://USER@HOST/NAME"
        ) from error
    backend = url.get_backend_name()
    if backend not in _APPEND_ONLY or (backend == "sqlite" and not url.database):
        raise ConfigurationError(
            f"a store cannot be kept in {_shown(url)}",
            "give a file, sqlite:///FILE, or postgresql://USER@HOST/NAME",
        )
    return url.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def _engine(url: sa.URL) -> sa.Engine:
    try:
        if url.drivername != "sqlite":
            return sa.create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
        engine = sa.create_engine(
            url, poolclass=NullPool, connect_args={"timeout": BUSY_S, "isolation_level": None}
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigurationError(
            "the driver for PostgreSQL is missing", "pip install 'traffic-brain[postgresql]'"
        ) from error
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: sa.Connection) -> None:
    # Whoever means to write locks at once: two who had both read could not both go on.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _told(engine: sa.Engine) -> Iterator[None]:
    """Whatever the database says against it, in one line and without a password."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = str(cause).strip().splitlines() or [type(error).__name__]
        raise ConfigurationError(
            f"the store {_shown(engine.url)} fails: {said[0]}",
            "check that it is there, is a store, and may be written; then try again",
        ) from error


def _shown(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def _read_version(connection: sa.Connection) -> int | None:
    """The version of the store; None: there is no store in this database yet."""
    if not sa.inspect(connection).has_table(_version.name):
        return None
    return connection.execute(sa.select(_version.c.version)).scalar()


def _make_tables(connection: sa.Connection) -> int:
    """Make the tables, unless somebody else just has; returns the version that is there."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    found = _read_version(connection)
    if found is not None:
        return found
    foreign = set(sa.inspect(connection).get_table_names()) & set(_tables.tables)
    if foreign:
        raise ConfigurationError(
            f"the store {_shown(connection.engine.url)} holds a table {min(foreign)!r} of others",
            "give an empty database",
        )
    _tables.create_all(connection, checkfirst=False)
    for statement in _APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    connection.execute(_version.insert().values(version=VERSION))
    connection.execute(_head.insert().values(row=1, **asdict(Head())))
    return VERSION


def _read_head(connection: sa.Connection) -> Head:
    """The head, which from now on is this transaction's alone if it writes."""
    query = sa.select(_head.c.count, _head.c.digest)
    if not connection.get_execution_options().get("reading", False):
        query = query.with_for_update()  # SQLite has no such thing; there, writers come singly
    count, digest = connection.execute(query).one()
    return Head(count, digest)


def _enter(connection: sa.Connection, proposal: Proposal, act: Act, head: Head) -> Head:
    """Enter a package as proposed, unless it is known."""
    if _record(connection, proposal.package_id) is not None:
        return head
    row = {**_plain(proposal.about), "package_id": proposal.package_id, "state": _PROPOSED}
    connection.execute(_packages.insert().values(**row))
    entered = replace(
        act,
        package_id=proposal.package_id,
        state=_PROPOSED,
        note="",
        other_id=proposal.about.made_from,
    )
    return _append(connection, entered, head)


def _append(connection: sa.Connection, act: Act, head: Head) -> Head:
    entry = seal(act, head)
    chain = {"seq": entry.seq, "previous": entry.previous, "digest": entry.digest}
    connection.execute(_decisions.insert().values(**_plain(act), **chain))
    return Head(entry.seq, entry.digest)


def _refuse_if_decided(connection: sa.Connection, act: Act) -> None:
    record = _record(connection, act.package_id)
    wanted = _FROM.get(act.state, _UNDECIDED)
    if record is None or record.state in wanted:
        return
    last = connection.execute(
        sa.select(_decisions.c.who, _decisions.c.at)
        .where(_decisions.c.package_id == act.package_id)
        .order_by(_decisions.c.seq.desc())
    ).first()
    by = f", by {last.who} at {last.at}" if last else ""
    is_now = f"package {act.package_id[:SHORT_ID]} is {record.state.value}"
    if record.state in _UNDECIDED:
        raise DataRefused(f"{is_now}{by}", "only an approved package can be rolled back")
    raise DataRefused(f"{is_now} already{by}", "look at it with: traffic-brain audit")


def _refuse_second(connection: sa.Connection, proposal: Proposal) -> None:
    """Of packages for the same network and plans in service, one at most may be approved."""
    approved = connection.execute(
        sa.select(_packages.c.package_id).where(
            _packages.c.state == State.APPROVED.value,
            _packages.c.city == proposal.about.city,
            _packages.c.in_service == proposal.about.in_service,
        )
    ).scalar()
    if approved is not None:
        raise DataRefused(
            f"package {approved[:SHORT_ID]} is approved for the same plans in service",
            "roll it back first with: traffic-brain rollback",
        )


def _record(connection: sa.Connection, package_id: str) -> Record | None:
    query = sa.select(_packages).where(_packages.c.package_id == package_id)
    row = connection.execute(query).first()
    return None if row is None else _as_record(row)


def _as_record(row: sa.Row[Any]) -> Record:
    values = row._asdict()
    package_id, state = values.pop("package_id"), values.pop("state")
    try:
        values["kind"] = Kind(values["kind"])
        return Record(package_id, About(**values), State(state))
    except ValueError as error:
        raise DataRefused(
            f"the store's row of package {package_id[:SHORT_ID]} was changed: {error}",
            "compare the store with a copy of it",
        ) from error


def _as_entry(row: sa.Row[Any]) -> Entry:
    values = row._asdict()
    chain = {name: values.pop(name) for name in ("seq", "previous", "digest")}
    return Entry(act=Act(**values), **chain)


def _plain(document: About | Act) -> dict[str, Any]:
    """Fields by name, with texts as drivers know them."""
    values = asdict(document)
    return {name: v.value if isinstance(v, StrEnum) else v for name, v in values.items()}
