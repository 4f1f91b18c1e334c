"""All tables of the bot's memory, in one place. A change here needs a step in bot/migrations.

Ids of messages, channels, people and guilds are Discord's. Moments are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Record(DeclarativeBase):
    """The base of all tables."""


class AnswerRecord(Record):
    """One message of the bot that answers somebody."""

    __tablename__ = "answers"
    __table_args__ = (Index("ix_answers_problem", "guild_id", "asker_id", "problem"),)

    answer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(BigInteger)
    asker_id: Mapped[int] = mapped_column(BigInteger)
    post_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    language: Mapped[str] = mapped_column(String(8))
    slug: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[float] = mapped_column(index=True)
    guild_id: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None] = mapped_column(String(64))
    points_to: Mapped[int | None] = mapped_column(BigInteger, index=True)
    as_of: Mapped[float | None]
    post_channel_id: Mapped[int | None] = mapped_column(BigInteger)
    parts: Mapped[str | None] = mapped_column(Text)
    """The messages that are answered together, as a JSON list of their ids."""
    corrected: Mapped[str | None] = mapped_column(Text)
    misread: Mapped[str | None] = mapped_column(String(64))


class PostRecord(Record):
    """One message that the bot decided to answer: written before the answer is sent."""

    __tablename__ = "posts"

    post_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(BigInteger)
    guild_id: Mapped[int | None] = mapped_column(BigInteger)
    asker_id: Mapped[int] = mapped_column(BigInteger)
    begun_at: Mapped[float] = mapped_column(index=True)
    done: Mapped[bool] = mapped_column(index=True)


class SeenRecord(Record):
    """How far a channel was read: up to this message everything was looked at."""

    __tablename__ = "seen"

    channel_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    message_id: Mapped[int] = mapped_column(BigInteger)


class GuildRecord(Record):
    """What a guild's admins chose, as the JSON of `bot.guilds.GuildSettings`."""

    __tablename__ = "guilds"

    guild_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    settings: Mapped[str] = mapped_column(Text)


class VoteRecord(Record):
    """What one person thinks of one answer."""

    __tablename__ = "votes"

    answer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    voter_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    guild_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    slug: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(8))
    helpful: Mapped[bool]
    remark: Mapped[str | None] = mapped_column(Text)
    """What it really was, in the voter's words, redacted."""
    voted_at: Mapped[float] = mapped_column(index=True)


class GapRecord(Record):
    """A post that had no good answer, redacted."""

    __tablename__ = "gaps"
    __table_args__ = (Index("ix_gaps_guild", "guild_id", "noted_at"),)

    source_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The post, or the answer where no message holds what was asked."""
    guild_id: Mapped[int] = mapped_column(BigInteger)
    asker_id: Mapped[int] = mapped_column(BigInteger, index=True)
    language: Mapped[str] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    """The decisive error of the post; None where it reports none."""
    answer_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """The answer that did not help; None where there was none, or no sure one."""
    noted_at: Mapped[float] = mapped_column(index=True)


class NoteRecord(Record):
    """A value that the bot put aside for itself."""

    __tablename__ = "notes"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
