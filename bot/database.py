"""The database: SQLite by default, PostgreSQL where a group grows; brought up to date when opened.

A file or server that cannot be used is refused in a sentence with the remedy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, func, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.ext.asyncio import create_async_engine as create
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from sqlalchemy.util import await_only

from bot.records import Record
from bot.settings import Settings, SettingsError, read_secret

_FIRST = "0001"
"""The shape of the files that were written before migrations were."""
_LOCK = 0x7472_6163_6562
"""The number of the lock in PostgreSQL that one replica holds while it brings tables up to date."""
_BUSY_MS = 30_000
"""How long SQLite waits for a lock that another process holds."""
_AGAIN_S = 0.01


class DatabaseError(SettingsError):
    """The database cannot be used; the message says why and what to do."""


def address_of(settings: Settings) -> Path | URL:
    """Where the settings put the database. Raises SettingsError."""
    given = str(settings.database)
    if "://" not in given:
        return Path(given).expanduser()
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(
            "TUTOR_DATABASE cannot be used: it is neither a path nor an address like "
            "postgresql+asyncpg://user@host/database."
        )
    url = url.set(drivername="postgresql+asyncpg")
    file = settings.database_password_file
    if file is not None:
        words = ("TUTOR_DATABASE_PASSWORD_FILE", "password", "the password of PostgreSQL")
        url = url.set(password=read_secret(file, *words).get_secret_value())
    return url


class Database:
    """One database. `open` it before use and `close` it at the end."""

    def __init__(self, address: Path | URL) -> None:
        if isinstance(address, Path):
            address = URL.create("sqlite+aiosqlite", database=str(address))
        self.engine_url = address
        self._engine = _engine(address)
        self.session: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self._engine, expire_on_commit=False
        )
        """Begins a session; `session.begin()` also commits it."""

    async def open(self) -> None:
        """Bring the tables up to date. Raises DatabaseError."""
        try:
            if self.engine_url.database and self.engine_url.get_backend_name() == "sqlite":
                Path(self.engine_url.database).parent.mkdir(parents=True, exist_ok=True)
            async with self._alone() as connection:
                await connection.run_sync(_bring_up_to_date)
        except (SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, OSError) as error:
            await self.close()
            raise DatabaseError(self._remedy(error)) from error
        except BaseException:
            await self.close()
            raise

    async def look(self) -> str:
        """What stands there, in words; changes nothing. Raises DatabaseError when `open` would."""
        shown = self.engine_url.render_as_string(hide_password=True)
        file = Path(self.engine_url.database or "")
        is_file = self.engine_url.get_backend_name() == "sqlite"
        try:
            if is_file and not _is_there(file):
                return f"{file}, which the first start will make"
            async with self._engine.connect() as connection:
                steps = await connection.run_sync(_steps)
        except (SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, OSError) as error:
            raise DatabaseError(self._remedy(error)) from error
        finally:
            await self.close()
        return f"{file if is_file else shown}, {steps}"

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that no other replica can be in at the same time."""
        if self.engine_url.get_backend_name() != "sqlite":
            async with self._engine.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                yield connection
            return
        # The driver begins a transaction at the first change only, which is too late for a lock.
        engine = _engine(self.engine_url)
        event.listen(engine.sync_engine, "connect", _leave_transactions_to_us)
        event.listen(engine.sync_engine, "begin", _begin_writing)
        try:
            async with engine.begin() as connection:
                yield connection
        finally:
            await engine.dispose()

    def _remedy(self, error: Exception) -> str:
        shown = self.engine_url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).splitlines() or [""]
        why = reason[0].strip() or type(error).__name__
        if self.engine_url.get_backend_name() == "sqlite":
            return (
                f"The database {self.engine_url.database} cannot be used ({why}). Set "
                "TUTOR_DATABASE to a file that this user may write, or put a backup in its place; "
                "a file that is moved away is begun anew."
            )
        return (
            f"The database {shown} cannot be used ({why}). See that PostgreSQL runs there, that "
            "TUTOR_DATABASE names its user and database, and that TUTOR_DATABASE_PASSWORD_FILE "
            "holds the user's password."
        )


def _engine(address: URL) -> AsyncEngine:
    if address.get_backend_name() != "sqlite":
        # A server that was restarted is noticed before a question is lost on it.
        return create(address, pool_pre_ping=True, hide_parameters=True)
    pool = NullPool if address.database is None else None
    engine = create(address, poolclass=pool, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _is_there(file: Path) -> bool:
    """Raises PermissionError for what could not be written, or not be made."""
    there = next(path for path in (file, *file.parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise PermissionError(f"{there} cannot be written by this user")
    return there == file


def _there(connection: Connection, script: ScriptDirectory) -> tuple[str, ...]:
    """The steps that the tables are at. Raises DatabaseError for one that is not known here."""
    there = MigrationContext.configure(connection).get_current_heads()
    known = {revision.revision for revision in script.walk_revisions()}
    if unknown := sorted(set(there) - known):
        raise DatabaseError(
            f"The database was written by a newer version of the tutor (its tables are at step "
            f"{unknown[0]}; this version knows {script.get_current_head()}). Install that version "
            "again, or put back a backup from before the update."
        )
    return there


def _steps(connection: Connection) -> str:
    script = _script()
    there = _there(connection, script)
    if there == tuple(script.get_heads()):
        return "up to date"
    return f"which the next start will bring to step {script.get_current_head()}"


def _bring_up_to_date(connection: Connection) -> None:
    script = _script()
    there = _there(connection, script)
    if there == tuple(script.get_heads()):
        return
    adopted = not there and inspect(connection).has_table("answers")
    with EnvironmentContext(Config(), script) as environment:
        environment.configure(
            connection=connection,
            target_metadata=Record.metadata,
            transactional_ddl=True,
            fn=lambda there, _: script._upgrade_revs("head", there),
        )
        if adopted:
            environment.get_context().stamp(script, _FIRST)
        environment.run_migrations()


def _script() -> ScriptDirectory:
    folder = resources.files("bot") / "migrations"
    return ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Let readers and the writer work side by side, and wait for a lock instead of failing.

    `secure_delete` overwrites dropped texts on disk.
    """
    cursor = connection.cursor()
    for pragma in (f"busy_timeout = {_BUSY_MS}", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # The switch does not wait for those who make it at the same time, whatever the timeout.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            await_only(asyncio.sleep(_AGAIN_S))
    cursor.close()


def _leave_transactions_to_us(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
