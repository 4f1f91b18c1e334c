"""The bot as a Discord client: what it listens to, its commands, and how it starts."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.ext import commands, tasks
from pydantic import SecretStr

from bot.assembly import running_tutor
from bot.cogs.explain import ExplainCog
from bot.cogs.posts import PostsCog
from bot.cogs.run import RunCog
from bot.desk import Desk
from bot.intake import Intake
from bot.settings import Settings
from bot.store import Store
from bot.translate import CommandTranslator
from bot.trouble import apologize
from bot.tutor import Tutor
from bot.views import BUTTONS
from knowledge.encoder import EncoderError

_log = logging.getLogger(__name__)

# A tutor does not speak: no warning about the libraries for voice.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

_SYNCED = "commands"
"""The note in the store under which the commands last sent to Discord stand, as a hash."""


class TutorTree(app_commands.CommandTree["TutorBot"]):
    """The commands, with failures told to the person."""

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

    def __init__(self, desk: Desk, *, message_content: bool) -> None:
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
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        self.desk = desk

    async def setup_hook(self) -> None:
        """Called by discord.py once, after the login and before the first event."""
        self.add_dynamic_items(*BUTTONS)
        for cog in (PostsCog(self), ExplainCog(self), RunCog(self)):
            await self.add_cog(cog)
        await self.tree.set_translator(CommandTranslator())
        changed = await self.tree.sync_if_changed(self.desk.store)
        _log.info("Commands %s", "sent to Discord" if changed else "unchanged")
        self._forget.start()

    async def close(self) -> None:
        """Called by discord.py at the end."""
        self._forget.cancel()
        await super().close()

    async def on_message(self, message: discord.Message, /) -> None:
        """Nothing: the cogs listen. The default would look for commands in every message."""

    @tasks.loop(hours=24)
    async def _forget(self) -> None:
        dropped = await self.desk.store.forget_old_texts()
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
        Store(settings.database, keep) as store,
    ):
        desk = Desk(tutor, store, Intake(settings.max_attachment_bytes))
        async with TutorBot(desk, message_content=settings.message_content) as bot:
            await bot.start(token.get_secret_value())


async def _load_model(tutor: Tutor) -> None:
    """Load what searching by meaning needs; without it the bot still knows messages by heart."""
    try:
        await tutor.prepare()
    except EncoderError as error:
        _log.error("Posts without a known message stay unanswered: %s", error)
