"""What the admins of a guild chose: where the bot answers, in which language, who may run code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, time
from enum import StrEnum
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from bot.database import Database
from bot.records import GuildRecord
from knowledge.language import Language

_log = logging.getLogger(__name__)


class Place(StrEnum):
    """Where a post is answered."""

    REPLY = "reply"
    THREAD = "thread"


class Runners(StrEnum):
    """Who may run code."""

    EVERYONE = "everyone"
    ROLE = "role"
    NOBODY = "nobody"


class QuietHours(BaseModel):
    """Hours of each day in which the bot answers only those who speak to it."""

    model_config = ConfigDict(frozen=True)

    begin: time
    end: time
    """Not in the quiet any more; earlier than `begin` when the night lies between them."""
    zone: str
    """A time zone by its name: "Asia/Tokyo"."""

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return _zones()[name.strip().replace(" ", "_").casefold()]
        except KeyError:
            raise ValueError("no such time zone") from None

    @model_validator(mode="after")
    def _some_time(self) -> QuietHours:
        if self.begin == self.end:
            raise ValueError("the hours begin when they end")
        return self

    def covers(self, moment: datetime) -> bool:
        """Whether it is quiet then; `moment` knows its time zone."""
        now = moment.astimezone(ZoneInfo(self.zone)).time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


@cache
def _zones() -> Mapping[str, str]:
    """The names of all time zones, by what they are in lower case."""
    names = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return {name.casefold(): name for name in names}


class GuildSettings(BaseModel):
    """One guild's choices; the defaults hold where nobody chose."""

    model_config = ConfigDict(frozen=True)

    channels: tuple[int, ...] = ()
    """The channels whose posts are answered unasked, with their threads; all when empty."""
    place: Place = Place.REPLY
    language: Language | None = None
    """The language of answers that all can see; None for that of the post."""
    runners: Runners = Runners.EVERYONE
    runner_role: int | None = None
    """The role that may run code, remembered also while it does not matter."""
    gpu: bool = True
    quiet: QuietHours | None = None
    store_posts: bool = False
    """Whether posts may be kept, so that mentors see which ones nobody could answer."""

    def watches(self, channel_id: int, parent_id: int | None = None) -> bool:
        """Whether posts in a channel are answered unasked; `parent_id` is a thread's channel."""
        return not self.channels or channel_id in self.channels or parent_id in self.channels


class Guilds:
    """The choices of all guilds, kept in the database and at hand.

    A guild's events all come to one process, so nobody else changes what stands here.
    """

    def __init__(self, database: Database) -> None:
        self._session = database.session
        self._at_hand: dict[int, GuildSettings] = {}

    async def get(self, guild_id: int | None) -> GuildSettings:
        """A guild's choices; the defaults in direct messages."""
        if guild_id is None:
            return GuildSettings()
        if guild_id not in self._at_hand:
            async with self._session() as session:
                record = await session.get(GuildRecord, guild_id)
            self._at_hand[guild_id] = _read(record) if record else GuildSettings()
        return self._at_hand[guild_id]

    async def put(self, guild_id: int, settings: GuildSettings) -> None:
        """Keep a guild's choices; they hold from now on."""
        record = GuildRecord(guild_id=guild_id, settings=settings.model_dump_json())
        async with self._session.begin() as session:
            await session.merge(record)
        self._at_hand[guild_id] = settings


def _read(record: GuildRecord) -> GuildSettings:
    try:
        return GuildSettings.model_validate_json(record.settings)
    except ValidationError as error:
        faults = "; ".join(str(fault["msg"]) for fault in error.errors(include_input=False))
        _log.error("The settings of guild %s are not used: %s", record.guild_id, faults)
        return GuildSettings()
