"""A real PostgreSQL for tests: a server of its own in a temporary folder, without rights."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import URL

_USER = "tutor"


class Postgres:
    """A running server, reached through a socket in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    def url(self, database: str) -> URL:
        """The address of one database."""
        where = {"host": str(self.folder)}
        return URL.create("postgresql+asyncpg", _USER, database=database, query=where)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[URL]:
        """An empty database, for as long as it is entered."""
        name = f"test{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(host=str(self.folder), user=_USER, database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server that nobody else can reach, and stop it afterwards."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="tutor-pg-"))
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data, log = folder / "data", folder / "log"

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, *arguments],
            user=user,
            group="nogroup" if user else None,
            extra_groups=[] if user else None,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps what pg_ctl had open
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            told = log.read_text(encoding="utf-8") if log.exists() else ""
            pytest.fail(f"{program} ended with {done.returncode}. {told}")

    try:
        run("initdb", "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8", "-N", "--locale=C")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=60"
        run("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            yield Postgres(folder)
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them out of the path, by version."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.fail("PostgreSQL is not installed. `tools/setup.sh services .venv` installs it.")
