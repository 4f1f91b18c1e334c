"""What use teaches: what people think of answers, and the posts that had no good one.

A post is kept only where its server allows that, redacted, and for the days of TUTOR_KEEP_DAYS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database import Database
from bot.records import GapRecord, VoteRecord
from bot.redact import redact
from knowledge.language import Language
from knowledge.post import Post

MOST_GAPS: Final = 200
"""Posts that are kept for one server, unless the operator chose another number."""
LONGEST_TEXT: Final = 3_000
LONGEST_ERROR: Final = 400
LONGEST_REMARK: Final = 300
_READ: Final = 20_000
"""Characters of a post that are looked at."""


@dataclass(frozen=True)
class Vote:
    """What one person thinks of one answer. Ids are Discord's."""

    answer_id: int
    voter_id: int
    slug: str
    language: Language
    helpful: bool
    guild_id: int | None = None
    """None in direct messages."""


@dataclass(frozen=True)
class Gap:
    """A post that had no good answer, redacted. Ids are Discord's."""

    source_id: int
    """The post, or the answer where no message holds what was asked."""
    guild_id: int
    asker_id: int
    language: Language
    text: str
    error: str | None = None
    """The decisive error of the post; None where it reports none."""
    answer_id: int | None = None
    """The answer that did not help; None where there was none, or no sure one."""
    remarks: tuple[str, ...] = ()
    """What it really was, in the words of those who say that the answer did not help."""


def gap_of(
    post: Post, source_id: int, guild_id: int, asker_id: int, answer_id: int | None = None
) -> Gap:
    """A post as it may be kept: redacted, and within bounds: of a long one the middle goes."""
    text = redact(post.text[-_READ:] if len(post.text) > _READ else post.text)
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2 - 2
        text = f"{text[:half]}\n⋯\n{text[-half:]}"
    error = redact(post.errors[0].text[:LONGEST_TEXT])[:LONGEST_ERROR] if post.errors else None
    return Gap(source_id, guild_id, asker_id, post.language, text, error, answer_id)


class Learned:
    """The votes and the gaps in the database. `most` is how many gaps a server may have."""

    def __init__(
        self,
        database: Database,
        keep: timedelta,
        most: int = MOST_GAPS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = database.session
        self._keep = keep
        self._most = most
        self._clock = clock

    # -- votes

    async def vote(self, vote: Vote) -> None:
        """Take a vote in place of an earlier one. With the last that says that an answer did not
        help goes what was kept about it.
        """
        record = VoteRecord(
            answer_id=vote.answer_id,
            voter_id=vote.voter_id,
            guild_id=vote.guild_id,
            slug=vote.slug,
            language=vote.language.value,
            helpful=vote.helpful,
            voted_at=self._clock().timestamp(),
        )
        if vote.helpful:
            record.remark = None
        async with self._session.begin() as session:
            await session.merge(record)
            await session.flush()
            if vote.helpful:
                await _drop_unblamed(session, GapRecord.answer_id == vote.answer_id)

    async def remark(self, answer_id: int, voter_id: int, text: str) -> None:
        """Keep what somebody says about an answer that did not help them, redacted."""
        if not self._keep:
            return
        remark = redact(text)[:LONGEST_REMARK].strip() or None
        mine = (VoteRecord.answer_id == answer_id) & (VoteRecord.voter_id == voter_id)
        async with self._session.begin() as session:
            await session.execute(update(VoteRecord).where(mine).values(remark=remark))

    async def tally(self, guild_id: int) -> tuple[int, int]:
        """How many votes of a server say that an answer helped, and how many that it did not."""
        query = (
            select(VoteRecord.helpful, func.count())
            .where(VoteRecord.guild_id == guild_id)
            .group_by(VoteRecord.helpful)
        )
        async with self._session() as session:
            counts = {row[0]: row[1] for row in await session.execute(query)}
        return counts.get(True, 0), counts.get(False, 0)

    # -- gaps

    async def note(self, gap: Gap) -> None:
        """Keep a post, in place of its older words; the oldest of a full server go for it."""
        if not self._keep or not self._most:
            return
        record = GapRecord(
            source_id=gap.source_id,
            guild_id=gap.guild_id,
            asker_id=gap.asker_id,
            language=gap.language.value,
            text=gap.text,
            error=gap.error,
            answer_id=gap.answer_id,
            noted_at=self._clock().timestamp(),
        )
        newest = (
            select(GapRecord.source_id)
            .where(GapRecord.guild_id == gap.guild_id)
            .order_by(GapRecord.noted_at.desc(), GapRecord.source_id.desc())
            .limit(self._most)
        )
        async with self._session.begin() as session:
            await session.merge(record)
            await session.flush()
            kept = (await session.scalars(newest)).all()
            outdated = (GapRecord.guild_id == gap.guild_id) & GapRecord.source_id.not_in(kept)
            await session.execute(delete(GapRecord).where(outdated))

    async def gaps(self, guild_id: int) -> tuple[Gap, ...]:
        """What is kept for a server, newest first."""
        query = (
            select(GapRecord)
            .where(GapRecord.guild_id == guild_id)
            .order_by(GapRecord.noted_at.desc(), GapRecord.source_id.desc())
        )
        said = (
            select(VoteRecord.answer_id, VoteRecord.remark)
            .where((VoteRecord.guild_id == guild_id) & VoteRecord.remark.is_not(None))
            .order_by(VoteRecord.voted_at)
        )
        remarks: dict[int, list[str]] = {}
        async with self._session() as session:
            for answer_id, remark in await session.execute(said):
                remarks.setdefault(answer_id, []).append(remark or "")
            records = (await session.scalars(query)).all()
        return tuple(
            Gap(
                source_id=record.source_id,
                guild_id=record.guild_id,
                asker_id=record.asker_id,
                language=Language(record.language),
                text=record.text,
                error=record.error,
                answer_id=record.answer_id,
                remarks=tuple(remarks.get(record.answer_id or 0, ())),
            )
            for record in records
        )

    async def gap(self, guild_id: int, source_id: int) -> Gap | None:
        """One of the posts that are kept for a server."""
        found = (gap for gap in await self.gaps(guild_id) if gap.source_id == source_id)
        return next(found, None)

    async def drop(self, *source_ids: int) -> None:
        """Forget posts that are gone, or that have their answer now."""
        await self._delete(GapRecord.source_id.in_(source_ids))

    async def drop_answers(self, *answer_ids: int) -> None:
        """Forget the posts of answers that went away with them."""
        await self._delete(GapRecord.answer_id.in_(answer_ids))

    async def drop_guild(self, guild_id: int) -> None:
        """Forget the posts of a server that allows it no more, and what was said about them."""
        async with self._session.begin() as session:
            await session.execute(delete(GapRecord).where(GapRecord.guild_id == guild_id))
            of_guild = VoteRecord.guild_id == guild_id
            await session.execute(update(VoteRecord).where(of_guild).values(remark=None))

    async def forget_old(self) -> int:
        """Drop what is older than the days it may be kept; returns how many posts."""
        oldest = (self._clock() - self._keep).timestamp()
        async with self._session.begin() as session:
            dropped = await session.scalars(
                delete(GapRecord)
                .where(GapRecord.noted_at <= oldest)
                .returning(GapRecord.source_id)
                .execution_options(synchronize_session=False)
            )
            count = len(dropped.all())
            old = VoteRecord.voted_at <= oldest
            await session.execute(update(VoteRecord).where(old).values(remark=None))
        return count

    async def _delete(self, condition: ColumnElement[bool]) -> None:
        async with self._session.begin() as session:
            await session.execute(delete(GapRecord).where(condition))


async def _drop_unblamed(session: AsyncSession, among: ColumnElement[bool]) -> None:
    """Drop the posts whose answer nobody says any more that it did not help."""
    blamed = select(VoteRecord.answer_id).where(VoteRecord.helpful.is_(False))
    noted_for_it = GapRecord.answer_id.is_not(None) & GapRecord.answer_id.not_in(blamed)
    await session.execute(delete(GapRecord).where(among & noted_for_it))
