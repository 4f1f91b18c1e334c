"""What the bot remembers across restarts: which message answers which post, and for whom.

Texts are kept only where Discord has none to read again (a command, a form), and only for the
number of days that the operator set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError

from bot.database import Database
from bot.records import AnswerRecord, NoteRecord, PostRecord, SeenRecord
from knowledge.language import Language

_POSTS_KEPT = timedelta(days=7)
"""For how long it is known that a post was answered: longer than any time offline is caught up."""


@dataclass(frozen=True)
class Correction:
    """What the pictures of a post say, by the person who posted them."""

    text: str
    misread: str
    """A hash of what had been read there instead: other pictures have no correction."""

    @classmethod
    def of(cls, seen: str, text: str) -> Correction:
        """For pictures in which `seen` was read."""
        return cls(text, _digest(seen))

    def applied_to(self, seen: str) -> str:
        """What pictures say in which this was read."""
        return self.text if _digest(seen) == self.misread else seen


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
    guild_id: int | None = None
    """None in direct messages."""
    problem: str | None = None
    """What the post suffers from, as a hash; None where there is nothing to recognize."""
    points_to: int | None = None
    """The answer that this one only points to."""
    as_of: datetime | None = None
    """When the words that are answered were last changed."""
    post_channel_id: int | None = None
    """Where the post stands, when that is not where the answer stands."""
    parts: tuple[int, ...] = ()
    """The messages that are answered together, when they are several."""
    correction: Correction | None = None

    @property
    def place_of_post(self) -> int:
        """The channel that holds the post."""
        return self.post_channel_id or self.channel_id


@dataclass(frozen=True)
class Begun:
    """A message that the bot decided to answer. Ids are Discord's."""

    post_id: int
    channel_id: int
    asker_id: int
    guild_id: int | None = None


class Store:
    """The bot's memory. Open it before use and close it at the end (an async context manager)."""

    def __init__(
        self,
        database: Path | URL,
        keep: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.database = Database(database)
        self._session = self.database.session
        self.keep = keep
        """For how long texts are kept; zero keeps none."""
        self._clock = clock

    async def open(self) -> None:
        """Bring the tables up to date and drop what is too old. Raises DatabaseError."""
        await self.database.open()
        await self.forget_old_texts()
        await self.forget_old_posts()

    async def close(self) -> None:
        """Give back all connections."""
        await self.database.close()

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- answers

    async def remember(self, answered: Answered) -> None:
        """Record an answer, or replace what is known about it."""
        async with self._session.begin() as session:
            await session.merge(self._record(answered))

    async def by_answer(self, answer_id: int) -> Answered | None:
        """What is known about one of the bot's own messages."""
        async with self._session() as session:
            record = await session.get(AnswerRecord, answer_id)
            return _answered(record) if record else None

    async def by_post(self, post_id: int) -> tuple[Answered, ...]:
        """All answers to one message, oldest first."""
        return await self._answers(AnswerRecord.post_id == post_id)

    async def with_part(self, message_id: int, reach: timedelta) -> tuple[Answered, ...]:
        """All answers to several messages of which this is one, oldest first.

        Only posts that were written at most `reach` before or after it can have it as a part.
        """
        # The upper bits of an id are its milliseconds.
        far = int(reach.total_seconds() * 1000) << 22
        near = AnswerRecord.post_id.between(message_id - far, message_id + far)
        found = await self._answers(near & AnswerRecord.parts.is_not(None))
        return tuple(one for one in found if message_id in one.parts)

    async def pointing_to(self, answer_id: int) -> tuple[Answered, ...]:
        """All answers that only point to this one, oldest first."""
        return await self._answers(AnswerRecord.points_to == answer_id)

    async def first_of_problem(
        self, guild_id: int, asker_id: int, problem: str, *, after: int, before: int
    ) -> Answered | None:
        """The full answer that a person got to this problem for a post between two messages."""
        found = await self._answers(
            (AnswerRecord.guild_id == guild_id)
            & (AnswerRecord.asker_id == asker_id)
            & (AnswerRecord.problem == problem)
            & (AnswerRecord.points_to.is_(None))
            & (AnswerRecord.post_id > after)
            & (AnswerRecord.post_id < before)
        )
        return found[0] if found else None

    async def answers_since(self, moment: datetime) -> tuple[Answered, ...]:
        """All answers to posts that were given or changed since then, oldest first."""
        since = AnswerRecord.asked_at >= moment.timestamp()
        return await self._answers(since & AnswerRecord.post_id.is_not(None))

    async def forget(self, answer_id: int) -> None:
        """Drop all that is known about one answer; nothing happens when nothing is."""
        async with self._session.begin() as session:
            await session.execute(delete(AnswerRecord).where(AnswerRecord.answer_id == answer_id))

    async def forget_old_texts(self) -> int:
        """Drop the texts that are older than the days they may be kept; returns how many."""
        oldest = (self._clock() - self.keep).timestamp()
        outdated = (AnswerRecord.asked_at <= oldest) & (
            AnswerRecord.text.is_not(None) | AnswerRecord.corrected.is_not(None)
        )
        async with self._session.begin() as session:
            dropped = await session.scalars(
                update(AnswerRecord)
                .where(outdated)
                .values(text=None, corrected=None, misread=None)
                .returning(AnswerRecord.answer_id)
                .execution_options(synchronize_session=False)
            )
            return len(dropped.all())

    # -- posts on their way to an answer

    async def begin(self, post: Begun) -> bool:
        """Record that a post is to be answered, before it is; False when it was answered before.

        After a crash the post is among the `unfinished`.
        """
        record = PostRecord(
            post_id=post.post_id,
            channel_id=post.channel_id,
            guild_id=post.guild_id,
            asker_id=post.asker_id,
            begun_at=self._clock().timestamp(),
            done=False,
        )
        try:
            async with self._session.begin() as session:
                session.add(record)
        except IntegrityError:
            return not await self.is_done(post.post_id)
        return True

    async def finish(self, post_id: int, answered: Answered | None = None) -> None:
        """Record that a post has its answer, together with the answer if it can change later."""
        async with self._session.begin() as session:
            if answered is not None:
                await session.merge(self._record(answered))
            await session.execute(
                update(PostRecord).where(PostRecord.post_id == post_id).values(done=True)
            )

    async def is_done(self, post_id: int) -> bool:
        """Whether a post was answered, even if the answer was taken away since."""
        async with self._session() as session:
            record = await session.get(PostRecord, post_id)
            return record is not None and record.done

    async def reopen(self, post_id: int) -> None:
        """Forget that a post was ever to be answered."""
        async with self._session.begin() as session:
            await session.execute(delete(PostRecord).where(PostRecord.post_id == post_id))

    async def unfinished(self) -> tuple[Begun, ...]:
        """The posts that were to be answered and, as far as is known, were not; oldest first."""
        query = select(PostRecord).where(PostRecord.done.is_(False)).order_by(PostRecord.post_id)
        async with self._session() as session:
            return tuple(
                Begun(record.post_id, record.channel_id, record.asker_id, record.guild_id)
                for record in await session.scalars(query)
            )

    async def conversations(self) -> tuple[int, ...]:
        """The channels of the direct messages that were answered lately."""
        query = select(PostRecord.channel_id).where(PostRecord.guild_id.is_(None)).distinct()
        async with self._session() as session:
            return tuple(await session.scalars(query.order_by(PostRecord.channel_id)))

    async def forget_old_posts(self) -> None:
        """Drop which posts were answered, where that is too long ago to matter."""
        oldest = (self._clock() - _POSTS_KEPT).timestamp()
        async with self._session.begin() as session:
            await session.execute(delete(PostRecord).where(PostRecord.begun_at <= oldest))

    # -- how far channels were read

    async def seen(self) -> Mapping[int, int]:
        """For each channel, the message up to which everything was looked at."""
        async with self._session() as session:
            records = await session.scalars(select(SeenRecord))
            return {record.channel_id: record.message_id for record in records}

    async def put_seen(self, seen: Mapping[int, int]) -> None:
        """Record how far channels were read."""
        async with self._session.begin() as session:
            for channel_id, message_id in sorted(seen.items()):
                await session.merge(SeenRecord(channel_id=channel_id, message_id=message_id))

    # -- notes

    async def note(self, key: str) -> str | None:
        """A value that was put aside under `key`."""
        async with self._session() as session:
            record = await session.get(NoteRecord, key)
            return record.value if record else None

    async def put_note(self, key: str, value: str) -> None:
        """Put a value aside under `key` (100 characters at most), replacing an earlier one."""
        async with self._session.begin() as session:
            await session.merge(NoteRecord(key=key, value=value))

    async def _answers(self, condition: ColumnElement[bool]) -> tuple[Answered, ...]:
        query = select(AnswerRecord).where(condition).order_by(AnswerRecord.answer_id)
        async with self._session() as session:
            return tuple(map(_answered, await session.scalars(query)))

    def _record(self, answered: Answered) -> AnswerRecord:
        correction = answered.correction if self.keep else None
        return AnswerRecord(
            answer_id=answered.answer_id,
            channel_id=answered.channel_id,
            asker_id=answered.asker_id,
            post_id=answered.post_id,
            language=answered.language.value,
            slug=answered.slug,
            text=answered.text if self.keep else None,
            asked_at=self._clock().timestamp(),
            guild_id=answered.guild_id,
            problem=answered.problem,
            points_to=answered.points_to,
            as_of=answered.as_of.timestamp() if answered.as_of else None,
            post_channel_id=answered.post_channel_id,
            parts=json.dumps(answered.parts) if answered.parts else None,
            corrected=correction.text if correction else None,
            misread=correction.misread if correction else None,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _answered(record: AnswerRecord) -> Answered:
    as_of, corrected, misread = record.as_of, record.corrected, record.misread
    return Answered(
        answer_id=record.answer_id,
        channel_id=record.channel_id,
        asker_id=record.asker_id,
        language=Language(record.language),
        post_id=record.post_id,
        slug=record.slug,
        text=record.text,
        guild_id=record.guild_id,
        problem=record.problem,
        points_to=record.points_to,
        as_of=datetime.fromtimestamp(as_of, UTC) if as_of is not None else None,
        post_channel_id=record.post_channel_id,
        parts=tuple(json.loads(record.parts)) if record.parts else (),
        correction=Correction(corrected, misread) if corrected and misread else None,
    )
