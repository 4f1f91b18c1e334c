"""Several messages in a row that are one post: the question, then the code, then the traceback.

Which messages belong together follows from the channel alone, so that it is the same after a
restart: they are by one person, soon after each other, with nobody else's message between. What
was heard lately is kept in memory; anything else is read from the channel again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import discord

from bot.answers import changed_at
from bot.delivery import BROKEN
from bot.inputs import InputError
from bot.intake import Intake, Taken
from knowledge.post import parse

_CHANNELS: Final = 2_000
"""Channels whose last messages are kept."""


@dataclass(frozen=True)
class Line:
    """One message, as far as it matters for what belongs together."""

    message_id: int
    has_error: bool = False
    has_code: bool = False
    calls: bool = False
    """Whether it speaks to the bot."""


@dataclass(frozen=True)
class Rules:
    """When messages in a row are one post."""

    window: timedelta = timedelta(seconds=60)
    """The longest time between two of them; zero keeps all messages apart."""
    most: int = 5


def belonging(lines: Sequence[Line], message_id: int, rules: Rules) -> tuple[int, ...]:
    """The messages of the post that `message_id` is part of, oldest first, itself among them.

    `lines` are one person's messages in a row, oldest first. A post has at most one error: the
    next error begins another post. What is only said after the code and the error is no part of it,
    unless it calls the bot.
    """
    for group in _groups(lines, rules):
        ids = tuple(line.message_id for line in group)
        if message_id in ids:
            return ids
    return (message_id,)


def _groups(lines: Iterable[Line], rules: Rules) -> list[list[Line]]:
    runs: list[list[Line]] = []
    for line in lines:
        run = runs[-1] if runs else []
        if run and _continues(run, line, rules):
            run.append(line)
        else:
            runs.append([line])
    return [_without_afterthoughts(run) for run in runs]


def _continues(run: Sequence[Line], line: Line, rules: Rules) -> bool:
    return len(run) < rules.most and not (line.has_error and any(each.has_error for each in run))


def _without_afterthoughts(run: Sequence[Line]) -> list[Line]:
    """Up to the last message with something to work on; none where all are mere words."""
    telling = [place for place, line in enumerate(run) if line.has_error or line.has_code]
    if not telling:
        return []
    last = max(place for place, line in enumerate(run) if place in telling or line.calls)
    return list(run[: last + 1])


@dataclass(frozen=True)
class _Heard:
    """A message of a person with what was handed in by it."""

    message: discord.Message
    taken: Taken
    line: Line


class Gathering:
    """Joins the messages of each channel into posts."""

    def __init__(self, intake: Intake, rules: Rules | None = None) -> None:
        self._intake = intake
        self._rules = rules or Rules()
        self._last: OrderedDict[int, deque[discord.Message]] = OrderedDict()
        self._known: OrderedDict[int, _Heard] = OrderedDict()
        self.reach = self._rules.window * self._rules.most
        """The longest time between two messages of one post."""
        self._whole: set[int] = set()
        """The channels of which it is known what was said before the bot listened."""

    def hear(self, message: discord.Message, own_id: int) -> None:
        """Note a message that is new. The bot's own come between nobody."""
        if message.author.id == own_id:
            return
        kept = self._kept(message.channel.id)
        if not kept or kept[-1].id < message.id:
            kept.append(message)

    def change(self, message: discord.Message) -> None:
        """Note that a message has other words now."""
        kept = self._kept(message.channel.id)
        for place, other in enumerate(kept):
            if other.id == message.id:
                kept[place] = message

    def _kept(self, channel_id: int) -> deque[discord.Message]:
        """The last messages of a channel that were heard, oldest first."""
        kept = self._last.setdefault(channel_id, deque(maxlen=2 * self._rules.most))
        self._last.move_to_end(channel_id)
        while len(self._last) > _CHANNELS:
            self._whole.discard(self._last.popitem(last=False)[0])
        return kept

    def forget(self, channel_id: int, message_id: int) -> tuple[discord.Message, ...]:
        """Note that a message is gone; the others around it that may have been one post with it."""
        kept = self._kept(channel_id)
        gone = next((one for one in kept if one.id == message_id), None)
        if gone is None:
            return ()
        kept.remove(gone)
        return tuple(
            one
            for one in kept
            if one.author.id == gone.author.id
            and abs(one.created_at - gone.created_at) <= self.reach
        )

    async def parts(self, message: discord.Message, own_id: int) -> tuple[discord.Message, ...]:
        """The messages that are one post with `message`, oldest first; it alone where it is one."""
        run = self._run(await self._around(message, own_id), message)
        if len(run) == 1:
            return (message,)
        heard = {one.id: await self._heard(one, own_id) for one in run}
        ids = belonging([each.line for each in heard.values()], message.id, self._rules)
        return tuple(heard[one].message for one in ids)

    async def take(self, message: discord.Message, own_id: int, *, asked_for: bool) -> Taken:
        """What is handed in by the post that `message` is part of.

        Raises InputError for a file of this message that cannot be read.
        """
        parts = await self.parts(message, own_id)
        if len(parts) == 1:
            # A mention may point at the post that it replies to; others speak for themselves.
            if asked_for:
                return await self._intake.take(message)
            return await self._intake.own(message, asked_for=False)
        own = await self._intake.own(message, asked_for=asked_for)
        taken = [
            own if one.id == message.id else (await self._heard(one, own_id)).taken for one in parts
        ]
        return Taken(
            _joined(each.words for each in taken),
            _joined(each.seen for each in taken),
            tuple(one.id for one in parts),
        )

    def _run(
        self, around: Sequence[discord.Message], message: discord.Message
    ) -> list[discord.Message]:
        """The messages around `message` by the same person with no one else's between."""
        place = next(number for number, one in enumerate(around) if one.id == message.id)
        first = last = place
        while first > 0 and self._adjoin(around[first - 1], around[first]):
            first -= 1
        while last + 1 < len(around) and self._adjoin(around[last], around[last + 1]):
            last += 1
        return list(around[first : last + 1])

    def _adjoin(self, earlier: discord.Message, later: discord.Message) -> bool:
        return (
            earlier.author.id == later.author.id
            and not _stands_alone(earlier)
            and not _stands_alone(later)
            and timedelta() < self._rules.window
            and later.created_at - earlier.created_at <= self._rules.window
        )

    async def _heard(self, message: discord.Message, own_id: int) -> _Heard:
        known = self._known.get(message.id)
        if known is not None and changed_at(known.message) == changed_at(message):
            return known
        try:
            taken = await self._intake.own(message, asked_for=False)
        except InputError:
            taken = Taken()
        post = await asyncio.to_thread(parse, taken.text)
        heard = _Heard(
            message,
            taken,
            Line(
                message.id,
                has_error=bool(post.errors),
                has_code=bool(post.code),
                calls=own_id in message.raw_mentions,
            ),
        )
        self._known[message.id] = heard
        while len(self._known) > _CHANNELS:
            self._known.popitem(last=False)
        return heard

    async def _around(self, message: discord.Message, own_id: int) -> Sequence[discord.Message]:
        """The messages before and after this one, as many as a post may have, and itself."""
        kept = self._kept(message.channel.id)
        heard = any(one.id == message.id for one in kept)
        if heard and (message.channel.id in self._whole or kept[0].author.id != message.author.id):
            return [message if one.id == message.id else one for one in kept]
        try:
            found = [
                one
                async for one in message.channel.history(
                    limit=2 * self._rules.most + 1, around=message
                )
                if one.author.id != own_id
            ]
        except (discord.HTTPException, *BROKEN):
            found = []  # the bot may answer here, but not read what was said before
        later = {one.id: one for one in (*found, *(kept if heard else ()), message)}
        around = [later[number] for number in sorted(later)]
        if heard:
            self._whole.add(message.channel.id)
            kept.clear()
            kept.extend(around)
        return around


def _stands_alone(message: discord.Message) -> bool:
    """Whether a message never belongs to others: a reply to somebody, or by no person."""
    return message.author.bot or message.type is not discord.MessageType.default


def _joined(texts: Iterable[str]) -> str:
    """The texts one below the other; a block of code that one leaves open ends with it."""
    return "\n\n".join(
        f"{text}\n```" if text.count("```") % 2 else text for text in texts if text.strip()
    )
