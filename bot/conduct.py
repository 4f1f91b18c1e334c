"""How the bot behaves in a group: when it answers unasked, who may run code, and how often."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import discord
import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from bot.guilds import Guilds, GuildSettings, Runners
from bot.settings import Settings
from sandbox.protocol import Device

if TYPE_CHECKING:
    from bot.tutor import Answer

_TOLD = 10_000
"""After so many people who were told to wait, those whose time is over are forgotten."""


class Right(StrEnum):
    """Why somebody may not do what they ask for; names the sentence about it."""

    NOBODY_RUNS = "nobody_runs"
    ROLE_RUNS = "role_runs"
    NO_GPU = "no_gpu"
    MANAGERS = "managers"
    MENTORS = "mentors"
    TAUGHT_ELSEWHERE = "taught_elsewhere"
    NO_GUILD = "no_guild"


class NotAllowed(Exception):
    """Somebody may not do what they ask for; `role` is the one that may."""

    def __init__(self, right: Right, role: int | None = None) -> None:
        super().__init__(right)
        self.right = right
        self.role = role


class TooSoon(Exception):
    """Somebody asks too often."""

    def __init__(self, until: datetime, *, told: bool) -> None:
        super().__init__(f"too soon, until {until:%H:%M:%S}")
        self.until = until
        """When to try again."""
        self.told = told
        """Whether they were told so before, in this window."""


@dataclass(frozen=True)
class Rates:
    """How often something may happen: "5 per 10 minutes", or "off" for no limit."""

    user: str = "off"
    channel: str = "off"
    guild: str = "off"


@dataclass(frozen=True)
class Rules:
    """The operator's part of conduct."""

    posts: Rates = Rates()
    """Answers that nobody asked for."""
    commands: Rates = Rates()
    """What people ask for: commands, buttons, mentions, direct messages."""
    repeats: timedelta = timedelta(minutes=10)
    """For how long the same error of the same person gets a pointer to its answer."""


def rules_of(settings: Settings) -> Rules:
    """The rules that the settings make."""
    return Rules(
        Rates(settings.posts_per_user, settings.posts_per_channel, settings.posts_per_guild),
        Rates(
            settings.commands_per_user, settings.commands_per_channel, settings.commands_per_guild
        ),
        timedelta(minutes=settings.repeat_minutes),
    )


class Limiter:
    """Counts what happened lately for each person, channel and guild."""

    def __init__(self, rates: Rates) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        scopes = (("user", rates.user), ("channel", rates.channel), ("guild", rates.guild))
        self._rates = {name: limits.parse(rate) for name, rate in scopes if rate != "off"}
        self._told: dict[int, float] = {}

    def admit(self, user: int, channel: int | None, guild: int | None) -> None:
        """Count one more. Raises TooSoon, and counts nothing, when that is too many."""
        ids = {"user": user, "channel": channel, "guild": guild}
        counted = [
            (rate, name, str(ids[name]))
            for name, rate in self._rates.items()
            if ids[name] is not None
        ]
        full = [one for one in counted if not self._windows.test(*one)]
        if full:
            until = max(self._windows.get_window_stats(*one).reset_time for one in full)
            raise TooSoon(datetime.fromtimestamp(until, UTC), told=self._was_told(user, until))
        for one in counted:
            self._windows.hit(*one)

    def _was_told(self, user: int, until: float) -> bool:
        now = time.time()
        told = self._told.get(user, 0.0) > now
        if not told:
            if len(self._told) >= _TOLD:
                self._told = {one: end for one, end in self._told.items() if end > now}
            self._told[user] = until
        return told


class Conduct:
    """The rules of the operator and of each guild, and the counts that they need."""

    def __init__(self, guilds: Guilds, rules: Rules | None = None) -> None:
        self.guilds = guilds
        self.rules = rules or Rules()
        self._posts = Limiter(self.rules.posts)
        self._commands = Limiter(self.rules.commands)

    def admit_post(self, message: discord.Message) -> None:
        """Count an answer that nobody asked for. Raises TooSoon."""
        self._posts.admit(message.author.id, message.channel.id, _id(message.guild))

    def admit_question(self, message: discord.Message) -> None:
        """Count a message to the bot. Raises TooSoon."""
        self._commands.admit(message.author.id, message.channel.id, _id(message.guild))

    def admit(self, asked: discord.Interaction[Any]) -> None:
        """Count a command or a button. Raises TooSoon."""
        self._commands.admit(asked.user.id, asked.channel_id, asked.guild_id)

    async def require_run(
        self, asked: discord.Interaction[Any], device: Device = Device.CPU
    ) -> None:
        """Raises NotAllowed for somebody who may not run code there, or not on this device."""
        settings = await self.guilds.get(asked.guild_id)
        if settings.runners is Runners.NOBODY:
            raise NotAllowed(Right.NOBODY_RUNS)
        if settings.runners is Runners.ROLE and not _holds(asked.user, settings.runner_role):
            raise NotAllowed(Right.ROLE_RUNS, settings.runner_role)
        if device is Device.CUDA and not settings.gpu:
            raise NotAllowed(Right.NO_GPU)


def may_answer_unasked(settings: GuildSettings, message: discord.Message) -> bool:
    """Whether a post in a guild is one for the bot, by its place and its time."""
    parent = message.channel.parent_id if isinstance(message.channel, discord.Thread) else None
    if not settings.watches(message.channel.id, parent):
        return False
    return settings.quiet is None or not settings.quiet.covers(message.created_at)


def problem_of(answer: Answer) -> str | None:
    """What a post suffers from: the entry and the decisive error, as a hash."""
    if answer.explanation is None or not answer.post.errors:
        return None
    text = f"{answer.explanation.slug}\n{answer.post.errors[0].text}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _holds(user: discord.User | discord.Member, role: int | None) -> bool:
    return role is not None and isinstance(user, discord.Member) and user.get_role(role) is not None


def _id(guild: discord.Guild | None) -> int | None:
    return guild.id if guild else None
