"""What the bot remembers across restarts: which message answers which post, and for whom.

Texts are kept only where Discord has none to read again (a command, a form), and only for the
number of days that the operator set. SQLite by default; any database that SQLAlchemy speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, BigInteger, String, Text, delete, event, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from knowledge.language import Language


@dataclass(frozen=True)
class Answered:
    """One message of the bot that answers somebody. Ids are Discord's."""

    answer_id: int
    channel_id: int
    asker_id: int
    language: Language
    post_id: int | None = None
    """The message that is answered; None when the question came by a command or a form."""
    slug: str | None = None
    """The entry that was shown; None when the tutor was not sure."""
    text: str | None = None
    """What was asked, where no message holds it."""


class _Base(DeclarativeBase):
    pass


class _AnswerRow(_Base):
    __tablename__ = "answers"

    answer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(BigInteger)
    asker_id: Mapped[int] = mapped_column(BigInteger)
    post_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    language: Mapped[str] = mapped_column(String(8))
    slug: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[float] = mapped_column(index=True)
    """Seconds since 1970, UTC."""

    def answered(self) -> Answered:
        return Answered(
            answer_id=self.answer_id,
            channel_id=self.channel_id,
            asker_id=self.asker_id,
            language=Language(self.language),
            post_id=self.post_id,
            slug=self.slug,
            text=self.text,
        )


class _NoteRow(_Base):
    __tablename__ = "notes"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Store:
    """The bot's memory. Open it before use and close it at the end (an async context manager)."""

    def __init__(
        self,
        database: Path | URL,
        keep: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if isinstance(database, Path):
            database.parent.mkdir(parents=True, exist_ok=True)
            database = URL.create("sqlite+aiosqlite", database=str(database))
        self._engine: AsyncEngine = create_async_engine(database)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)
        self._keep = keep
        self._clock = clock

    async def open(self) -> None:
        """Create the tables that are missing and drop texts that are too old."""
        async with self._engine.begin() as connection:
            await connection.run_sync(_Base.metadata.create_all)
        await self.forget_old_texts()

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def remember(self, answered: Answered) -> None:
        """Record an answer, or replace what is known about it."""
        row = _AnswerRow(
            answer_id=answered.answer_id,
            channel_id=answered.channel_id,
            asker_id=answered.asker_id,
            post_id=answered.post_id,
            language=answered.language.value,
            slug=answered.slug,
            text=answered.text if self._keep else None,
            asked_at=self._clock().timestamp(),
        )
        async with self._session.begin() as session:
            await session.merge(row)

    async def by_answer(self, answer_id: int) -> Answered | None:
        """What is known about one of the bot's own messages."""
        async with self._session() as session:
            row = await session.get(_AnswerRow, answer_id)
            return row.answered() if row else None

    async def by_post(self, post_id: int) -> tuple[Answered, ...]:
        """All answers to one message, oldest first."""
        query = (
            select(_AnswerRow).where(_AnswerRow.post_id == post_id).order_by(_AnswerRow.answer_id)
        )
        async with self._session() as session:
            return tuple(row.answered() for row in await session.scalars(query))

    async def forget(self, answer_id: int) -> None:
        """Drop all that is known about one answer; nothing happens when nothing is."""
        async with self._session.begin() as session:
            await session.execute(delete(_AnswerRow).where(_AnswerRow.answer_id == answer_id))

    async def forget_old_texts(self) -> int:
        """Drop the texts that are older than the days they may be kept; returns how many."""
        oldest = (self._clock() - self._keep).timestamp()
        outdated = (_AnswerRow.asked_at <= oldest) & _AnswerRow.text.is_not(None)
        async with self._session.begin() as session:
            dropped = await session.scalars(
                update(_AnswerRow)
                .where(outdated)
                .values(text=None)
                .returning(_AnswerRow.answer_id)
                .execution_options(synchronize_session=False)
            )
            return len(dropped.all())

    async def note(self, key: str) -> str | None:
        """A value that was put aside under `key`."""
        async with self._session() as session:
            row = await session.get(_NoteRow, key)
            return row.value if row else None

    async def put_note(self, key: str, value: str) -> None:
        """Put a value aside under `key` (100 characters at most), replacing an earlier one."""
        async with self._session.begin() as session:
            await session.merge(_NoteRow(key=key, value=value))


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Let readers and the writer work side by side, and wait for a lock instead of failing.

    `secure_delete` overwrites dropped texts on disk.
    """
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "busy_timeout = 5000", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
