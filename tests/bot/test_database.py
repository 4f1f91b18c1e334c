"""The database is brought up to date without loss, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.database import Database, DatabaseError, address_of
from bot.records import Record
from bot.settings import Settings, SettingsError
from bot.store import Answered, Store
from knowledge.language import Language

# As the first version wrote it, which knew no migrations.
OLD_FILE = """
CREATE TABLE answers (
    answer_id BIGINT NOT NULL, channel_id BIGINT NOT NULL, asker_id BIGINT NOT NULL,
    post_id BIGINT, language VARCHAR(8) NOT NULL, slug VARCHAR(200), text TEXT,
    asked_at DOUBLE NOT NULL, PRIMARY KEY (answer_id)
);
CREATE INDEX ix_answers_post_id ON answers (post_id);
CREATE INDEX ix_answers_asked_at ON answers (asked_at);
CREATE TABLE notes ("key" VARCHAR(100) NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key"));
INSERT INTO answers VALUES (4611686018427387904, 12, 13, 14, 'ja', 'linear-shape', NULL, 9e9);
INSERT INTO notes VALUES ('commands', 'abc');
"""
KEEP = timedelta(days=30)


async def differences(database: Database) -> list[object]:
    """How the tables there differ from the tables that the code declares."""

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, Record.metadata))

    engine = create_async_engine(database.engine_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return found


async def test_the_migrations_give_exactly_the_declared_tables(address: Path | URL) -> None:
    database = Database(address)
    await database.open()

    assert await differences(database) == []
    await database.close()


async def test_a_look_says_what_the_next_start_will_do_and_changes_nothing(
    address: Path | URL,
) -> None:
    for _ in range(2):
        expected = "will make" if isinstance(address, Path) else "will bring to step"
        assert expected in await Database(address).look()
    opened = Database(address)
    await opened.open()
    await opened.close()

    assert (await Database(address).look()).endswith("up to date")


async def test_opening_again_changes_nothing(address: Path | URL) -> None:
    for _ in range(2):
        async with Store(address, KEEP) as store:
            await store.put_note("key", "value")

    async with Store(address, KEEP) as store:
        assert await store.note("key") == "value"


async def test_a_file_of_the_version_before_is_adopted_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    with sqlite3.connect(path) as old:
        old.executescript(OLD_FILE)
    old.close()

    async with Store(path, KEEP) as store:
        assert await store.by_post(14) == (
            Answered(
                answer_id=2**62,
                channel_id=12,
                asker_id=13,
                language=Language.JA,
                post_id=14,
                slug="linear-shape",
            ),
        )
        assert await store.note("commands") == "abc"
        assert await differences(store.database) == []


async def test_replicas_that_start_together_take_turns(address: Path | URL) -> None:
    databases = [Database(address) for _ in range(6)]
    await asyncio.gather(*(database.open() for database in databases))

    assert await differences(databases[0]) == []
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_start_waits_for_one_who_writes_into_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    database = Database(path)
    opening = asyncio.create_task(database.open())
    await asyncio.sleep(0.3)
    writer.execute("ROLLBACK")
    writer.close()

    await opening
    assert await differences(database) == []
    await database.close()


async def test_processes_that_start_together_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    with sqlite3.connect(path) as old:
        old.executescript(OLD_FILE)
    old.close()
    code = (
        "import asyncio, sys; from pathlib import Path; from bot.database import Database; "
        "asyncio.run(Database(Path(sys.argv[1])).open())"
    )
    starting = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(path), stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    told = [await one.communicate() for one in starting]

    assert [one.returncode for one in starting] == [0, 0, 0], told
    assert await differences(Database(path)) == []


async def test_a_newer_database_is_refused_with_the_remedy(address: Path | URL) -> None:
    database = Database(address)
    await database.open()
    async with database.session.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()

    refused = r"newer version .*9999.* Install that version again"
    for use in (Database.open, Database.look):
        with pytest.raises(DatabaseError, match=refused):
            await use(Database(address))


async def test_a_failed_step_leaves_the_database_as_it_was(
    address: Path | URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the lights went out")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="lights"):
        patched.setattr(op, "add_column", fail)
        await Database(address).open()

    engine = create_async_engine(Database(address).engine_url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
    await engine.dispose()
    assert names == []
    await Database(address).open()


async def test_a_file_that_is_no_database_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    path.write_bytes(b"this is no database" * 100)

    for use in (Database.open, Database.look):
        with pytest.raises(DatabaseError, match=r"tutor\.db cannot be used .*Set TUTOR_DATABASE"):
            await use(Database(path))


async def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    url = URL.create(
        "postgresql+asyncpg", "u", "secret-word", database="d", query={"host": str(tmp_path)}
    )
    with pytest.raises(DatabaseError, match="See that PostgreSQL runs there") as raised:
        await Database(url).open()
    assert "secret-word" not in str(raised.value)


def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/word\n", encoding="utf-8")
    settings = Settings(database="postgresql://u@db:5432/tutor", database_password_file=file)

    assert address_of(settings) == URL.create(
        "postgresql+asyncpg", "u", "p@ss/word", "db", 5432, "tutor"
    )
    assert "p@ss" not in repr(address_of(settings))


def test_an_address_of_another_kind_is_refused_without_repeating_it() -> None:
    for address in ("mysql://u:pass@host/d", "://"):
        with pytest.raises(SettingsError, match="neither a path nor an address") as raised:
            address_of(Settings(database=address))
        assert "pass" not in str(raised.value)


def test_a_path_stays_a_path() -> None:
    assert address_of(Settings(database="state/tutor.db")) == Path("state/tutor.db")
