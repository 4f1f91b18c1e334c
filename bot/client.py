"""The bot as a Discord client: what it listens to, its commands, and how it starts."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import discord
import yarl
from discord import app_commands
from discord.ext import commands, tasks
from pydantic import SecretStr

from bot.assembly import running_tutor
from bot.catch_up import Window
from bot.cogs.explain import ExplainCog
from bot.cogs.posts import PostsCog
from bot.cogs.run import RunCog
from bot.cogs.tutor import TutorCog
from bot.conduct import Conduct, TooSoon, rules_of
from bot.database import address_of
from bot.delivery import tell_all
from bot.desk import Desk
from bot.forgetting import ForgetButton
from bot.gap_list import PageButton
from bot.gathering import Gathering, Rules
from bot.guilds import Guilds
from bot.install import CONTEXTS, INSTALLS
from bot.intake import Intake
from bot.learned import Learned
from bot.lost import answer_lost
from bot.ocr import ScreenReader
from bot.panel import CONTROLS
from bot.persistent import PersistentItem
from bot.settings import Settings
from bot.store import Store
from bot.teach import Teacher
from bot.teaching import AgainButton, TakeBackButton, TeachButton
from bot.translate import CommandTranslator
from bot.trouble import apologize
from bot.tutor import Tutor
from bot.views import BUTTONS
from knowledge.encoder import EncoderError

_log = logging.getLogger(__name__)

# A tutor does not speak: no warning about the libraries for voice.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

ITEMS: Final[Sequence[type[PersistentItem[Any]]]] = (
    *BUTTONS,
    *CONTROLS,
    *(TeachButton, AgainButton, TakeBackButton, PageButton, ForgetButton),
)
"""Every kind of button and menu that outlives a restart, to be registered at start."""

_SYNCED = "commands"
"""The note in the store under which the commands last sent to Discord stand, as a hash."""


class TutorTree(app_commands.CommandTree["TutorBot"]):
    """The commands, with failures told to the person."""

    async def interaction_check(self, interaction: discord.Interaction[TutorBot], /) -> bool:
        """Called by discord.py before a command: not too many in too short a time."""
        if interaction.type is discord.InteractionType.autocomplete:
            return True
        try:
            self.client.desk.conduct.admit(interaction)
        except TooSoon as error:
            await apologize(interaction, error)
            return False
        return True

    async def on_error(
        self,
        interaction: discord.Interaction[TutorBot],
        error: app_commands.AppCommandError,
        /,
    ) -> None:
        """Called by discord.py when a command or menu failed."""
        await apologize(interaction, error)

    async def sync_if_changed(self, store: Store) -> bool:
        """Send the commands to Discord unless it has them; returns whether they were sent.

        Discord allows few changes a day. The names that it has are asked for, too, because the
        commands of an application can be changed from elsewhere.
        """
        translator = self.translator
        payload: list[dict[str, Any]] = [
            await command.get_translated_payload(self, translator)
            if translator
            else command.to_dict(self)
            for command in self._all()
        ]
        canonical = json.dumps([self.client.application_id, payload], sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        there = {(command.name, command.type.value) for command in await self.fetch_commands()}
        wanted = {(command["name"], command["type"]) for command in payload}
        if there == wanted and await store.note(_SYNCED) == digest:
            return False
        await self.sync()
        await store.put_note(_SYNCED, digest)
        return True

    def _all(self) -> list[Any]:
        return [
            command
            for kind in (discord.AppCommandType.chat_input, discord.AppCommandType.message)
            for command in self.get_commands(type=kind)
        ]


class TutorBot(commands.AutoShardedBot):
    """Traceback Tutor on Discord."""

    tree: TutorTree

    def __init__(
        self,
        desk: Desk,
        *,
        message_content: bool,
        window: Window | None = None,
        shard_count: int | None = None,
        shard_ids: Sequence[int] | None = None,
    ) -> None:
        """`shard_ids` are the shards of this process, of `shard_count` in all."""
        intents = discord.Intents.none()
        intents.guilds = True
        intents.guild_messages = True
        intents.dm_messages = True
        intents.message_content = message_content
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=TutorTree,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_installs=INSTALLS,
            allowed_contexts=CONTEXTS,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            shard_count=shard_count,
            # discord.py takes None for all of them, whatever its types say.
            shard_ids=None if shard_ids is None else list(shard_ids),  # type: ignore[arg-type]
        )
        self.desk = desk
        self.window = window or Window()
        """How far to look back after an absence."""

    @property
    def own_id(self) -> int:
        """The bot's own id; 0 before the login."""
        return self.user.id if self.user else 0

    async def setup_hook(self) -> None:
        """Called by discord.py once, after the login and before the first event."""
        self.add_dynamic_items(*ITEMS)
        for cog in (PostsCog(self), ExplainCog(self), RunCog(self), TutorCog(self)):
            await self.add_cog(cog)
        await self.tree.set_translator(CommandTranslator())
        if self.shard_ids is None or 0 in self.shard_ids:  # one process speaks for all
            changed = await self.tree.sync_if_changed(self.desk.store)
            _log.info("Commands %s", "sent to Discord" if changed else "unchanged")
        self._forget.start()

    async def close(self) -> None:
        """Called by discord.py at the end. Whoever still waits is told to ask again."""
        self._forget.cancel()
        await tell_all(self.desk.waiting, "trouble.restart")
        await super().close()

    async def on_message(self, message: discord.Message, /) -> None:
        """Nothing: the cogs listen. The default would look for commands in every message."""

    async def on_interaction(self, interaction: discord.Interaction[Any], /) -> None:
        """Called by discord.py for all that people ask; the rest of it is handled elsewhere."""
        await answer_lost(interaction, ITEMS)

    @tasks.loop(hours=24)
    async def _forget(self) -> None:
        await self.desk.store.forget_old_posts()
        dropped = await self.desk.store.forget_old_texts()
        dropped += await self.desk.learned.forget_old()
        if dropped:
            _log.info("Dropped %d old texts", dropped)


def point_at(api: str | None, gateway: str | None) -> None:
    """Talk to another Discord than discord.com, for this whole process: a local one, say.

    discord.py offers no argument for either address; both are attributes of its classes.
    """
    if api is not None:
        discord.http.Route.BASE = api.rstrip("/")
    if gateway is not None:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


async def serve(settings: Settings, token: SecretStr) -> None:
    """Run the bot until it is cancelled.

    Raises discord.LoginFailure for a wrong token, discord.PrivilegedIntentsRequired where the bot
    may not read messages, and what starting a tutor raises.
    """
    point_at(settings.discord_api, settings.discord_gateway)
    keep = timedelta(days=settings.keep_days)
    async with (
        # Loaded beside the start of the sandbox and the login: posts with a known message need no
        # model and are answered at once.
        running_tutor(settings, _load_model) as tutor,
        Store(address_of(settings), keep) as store,
    ):
        conduct = Conduct(Guilds(store.database), rules_of(settings))
        screens = ScreenReader() if settings.read_images else None
        intake = Intake(settings.max_attachment_bytes, screens)
        rules = Rules(timedelta(seconds=settings.join_seconds), settings.join_messages)
        learned = Learned(store.database, keep, settings.gaps_per_guild)
        teacher = Teacher(tutor, settings.entries_folder(), settings.teaching_guilds)
        gathering = Gathering(intake, rules)
        desk = Desk(tutor, store, intake, conduct, gathering, learned, teacher)
        window = Window(timedelta(minutes=settings.catch_up_minutes), settings.catch_up_messages)
        async with TutorBot(
            desk,
            message_content=settings.message_content,
            window=window,
            shard_count=settings.shard_count,
            shard_ids=settings.shard_ids,
        ) as bot:
            await bot.start(token.get_secret_value())


async def _load_model(tutor: Tutor) -> None:
    """Load what searching by meaning needs; without it the bot still knows messages by heart."""
    try:
        await tutor.prepare()
    except EncoderError as error:
        _log.error("Posts without a known message stay unanswered: %s", error)
