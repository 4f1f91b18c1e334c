"""Forgets one person, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text

from bot.database import Database
from bot.records import AnswerRecord, GapRecord, PostRecord, Record, VoteRecord


@dataclass(frozen=True)
class Forgotten:
    """How much was deleted about a person."""

    answers: int
    """Whom an answer was for, and what was asked where no message of Discord holds it."""
    votes: int
    gaps: int
    posts: int
    """Which of their posts were answered."""


async def forget_person(database: Database, person: int) -> Forgotten:
    """Delete all that is stored about somebody, in all servers and in direct messages."""

    async with database.session.begin() as session:

        async def drop(table: type[Record], key: Any, condition: ColumnElement[bool]) -> int:
            dropped = await session.scalars(
                delete(table)
                .where(condition)
                .returning(key)
                .execution_options(synchronize_session=False)
            )
            return len(dropped.all())

        forgotten = Forgotten(
            votes=await drop(VoteRecord, VoteRecord.answer_id, VoteRecord.voter_id == person),
            gaps=await drop(GapRecord, GapRecord.source_id, GapRecord.asker_id == person),
            answers=await drop(
                AnswerRecord, AnswerRecord.answer_id, AnswerRecord.asker_id == person
            ),
            posts=await drop(PostRecord, PostRecord.post_id, PostRecord.asker_id == person),
        )
        # What was kept for the sake of their vote alone.
        blamed = select(VoteRecord.answer_id).where(VoteRecord.helpful.is_(False))
        await session.execute(
            delete(GapRecord).where(
                GapRecord.answer_id.is_not(None) & GapRecord.answer_id.not_in(blamed)
            )
        )
    if database.engine_url.get_backend_name() == "sqlite":
        # The deleted words stand in the write-ahead log until it is written back.
        async with database.session() as session:
            await session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return forgotten
