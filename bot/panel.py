"""`/tutor settings`: one message whose controls each change one thing at once.

What a control does stands in its custom_id, so that the message goes on working after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

import discord
from discord.ui import (
    Button,
    ChannelSelect,
    Item,
    Label,
    Modal,
    RoleSelect,
    Select,
    TextInput,
    View,
)
from pydantic import ValidationError

from bot.conduct import NotAllowed, Right
from bot.delivery import acknowledge, open_form
from bot.guilds import GuildSettings, Place, QuietHours, Runners
from bot.inputs import InputError
from bot.locale import language_of, say
from bot.persistent import PersistentButton, PersistentItem, Shown
from bot.render import BLUE
from bot.trouble import apologize
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked = discord.Interaction[Any]

_MOST_CHANNELS = 25
_AUTO = "auto"
_WATCHABLE = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum]


def require_manager(asked: Asked) -> int:
    """The guild whose settings somebody may change. Raises NotAllowed."""
    if asked.guild_id is None or not asked.is_guild_integration():
        raise NotAllowed(Right.NO_GUILD)
    if not (asked.permissions.manage_guild or asked.permissions.administrator):
        raise NotAllowed(Right.MANAGERS)
    return asked.guild_id


async def open_panel(asked: discord.Interaction[TutorBot]) -> None:
    """Show the settings to an admin. Answers the interaction. Raises NotAllowed."""
    settings = await asked.client.desk.conduct.guilds.get(require_manager(asked))
    language = language_of(asked.locale.value)
    await acknowledge(
        asked,
        lambda: asked.response.send_message(
            embed=overview(settings, language), view=panel(settings, language), ephemeral=True
        ),
    )


def overview(settings: GuildSettings, language: Language) -> discord.Embed:
    """All that is chosen, in words."""
    channels = " ".join(f"<#{channel}>" for channel in settings.channels)
    runners = say(
        language, f"settings.runners.{settings.runners}", role=f"<@&{settings.runner_role}>"
    )
    quiet = settings.quiet
    chosen = {
        "channels": channels or say(language, "settings.channels.all"),
        "place": say(language, f"settings.place.{settings.place}"),
        "language": say(language, f"settings.language.{settings.language or _AUTO}"),
        "runners": runners,
        "gpu": say(language, f"settings.gpu.{_on(settings.gpu)}"),
        "quiet": f"{quiet.begin:%H:%M}–{quiet.end:%H:%M} ({quiet.zone})"
        if quiet
        else say(language, "settings.quiet.none"),
        "store_posts": say(language, f"settings.store_posts.{_on(settings.store_posts)}"),
    }
    embed = discord.Embed(
        title=say(language, "settings.title"),
        description=say(language, "settings.description"),
        colour=BLUE,
    )
    for name, value in chosen.items():
        embed.add_field(name=say(language, f"settings.{name}.name"), value=value, inline=False)
    return embed


def panel(settings: GuildSettings, language: Language) -> View:
    """The controls. Needs a running event loop, as every View does."""
    view = View(timeout=None)
    other_place = Place.REPLY if settings.place is Place.THREAD else Place.THREAD
    rows: tuple[list[PersistentItem[Any]], ...] = (
        [ChannelControl(settings, language)],
        [LanguageControl(settings, language)],
        [RunnersControl(settings, language)],
        [RoleControl(settings, language)],
        [
            PlaceControl(other_place, language),
            GpuControl(_on(not settings.gpu), language),
            StoreControl(_on(not settings.store_posts), language),
            QuietControl("ask", language),
        ],
    )
    for row, controls in enumerate(rows):
        for control in controls:
            control.item.row = row
            view.add_item(control)
    return view


def _on(value: bool) -> str:
    return "on" if value else "off"


async def change(asked: discord.Interaction[TutorBot], **chosen: object) -> None:
    """Keep what was chosen, and show the settings as they are now. Answers the interaction."""
    guild_id = require_manager(asked)
    guilds = asked.client.desk.conduct.guilds
    settings = (await guilds.get(guild_id)).model_copy(update=chosen)
    await guilds.put(guild_id, settings)
    language = language_of(asked.locale.value)
    await acknowledge(
        asked,
        lambda: asked.response.edit_message(
            embed=overview(settings, language), view=panel(settings, language)
        ),
    )


class _Control(PersistentItem[Shown], Generic[Shown], template="tutor:set:nothing"):
    """A select whose whole state is what is chosen in it."""

    limited = False

    @classmethod
    async def from_custom_id(
        cls, interaction: Asked, item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The select that was used, with what is chosen in it."""
        control = cls.__new__(cls)
        PersistentItem.__init__(control, item)
        return control

    async def act(self, interaction: Asked) -> None:
        """Keep what was chosen."""
        await change(interaction, **self.chosen())

    def chosen(self) -> dict[str, object]:
        """What changes."""
        raise NotImplementedError


class ChannelControl(_Control[ChannelSelect[View]], template="tutor:set:channels"):
    """Chooses the watched channels; none means all."""

    def __init__(self, settings: GuildSettings, language: Language) -> None:
        kind = discord.SelectDefaultValueType.channel
        super().__init__(
            ChannelSelect(
                custom_id="tutor:set:channels",
                channel_types=_WATCHABLE,
                placeholder=say(language, "settings.channels.placeholder"),
                min_values=0,
                max_values=_MOST_CHANNELS,
                default_values=[
                    discord.SelectDefaultValue(id=channel, type=kind)
                    for channel in settings.channels
                ],
            )
        )

    def chosen(self) -> dict[str, object]:
        """The channels."""
        return {"channels": tuple(channel.id for channel in self.item.values)}


class LanguageControl(_Control[Select[View]], template="tutor:set:language"):
    """Chooses the language of answers that all can see."""

    def __init__(self, settings: GuildSettings, language: Language) -> None:
        current = settings.language or _AUTO
        super().__init__(
            Select(
                custom_id="tutor:set:language",
                options=[
                    discord.SelectOption(
                        label=say(language, f"settings.language.{value}"),
                        value=value,
                        default=value == current,
                    )
                    for value in (_AUTO, *Language)
                ],
            )
        )

    def chosen(self) -> dict[str, object]:
        """The language."""
        value = self.item.values[0]
        return {"language": None if value == _AUTO else Language(value)}


class RunnersControl(_Control[Select[View]], template="tutor:set:runners"):
    """Chooses who may run code; a role has a control of its own."""

    def __init__(self, settings: GuildSettings, language: Language) -> None:
        offered = [Runners.EVERYONE, Runners.NOBODY]
        super().__init__(
            Select(
                custom_id="tutor:set:runners",
                placeholder=say(language, "settings.runners.placeholder"),
                options=[
                    discord.SelectOption(
                        label=say(language, f"settings.runners.{value}"),
                        value=value.value,
                        default=value is settings.runners,
                    )
                    for value in offered
                ],
            )
        )

    def chosen(self) -> dict[str, object]:
        """Who may run code."""
        return {"runners": Runners(self.item.values[0])}


class RoleControl(_Control[RoleSelect[View]], template="tutor:set:role"):
    """Lets only the people of one role run code."""

    def __init__(self, settings: GuildSettings, language: Language) -> None:
        kind = discord.SelectDefaultValueType.role
        role = settings.runner_role if settings.runners is Runners.ROLE else None
        super().__init__(
            RoleSelect(
                custom_id="tutor:set:role",
                placeholder=say(language, "settings.role.placeholder"),
                default_values=[discord.SelectDefaultValue(id=role, type=kind)] if role else [],
            )
        )

    def chosen(self) -> dict[str, object]:
        """The role."""
        return {"runners": Runners.ROLE, "runner_role": self.item.values[0].id}


class _Press(PersistentButton, template="tutor:set:press"):
    """A button that sets one thing to the value in its custom_id."""

    limited = False
    name: ClassVar[str]

    def __init__(self, value: str, language: Language) -> None:
        self.value = value
        super().__init__(
            Button(
                label=say(language, f"settings.{self.name}.to.{value}"),
                custom_id=f"tutor:set:{self.name}:{value}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: Asked, item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(match["value"], language_of(interaction.locale.value))


class PlaceControl(_Press, template="tutor:set:place:(?P<value>reply|thread)"):
    """Answers as replies, or in threads."""

    name = "place"

    async def act(self, interaction: Asked) -> None:
        """Keep it."""
        await change(interaction, place=Place(self.value))


class GpuControl(_Press, template="tutor:set:gpu:(?P<value>on|off)"):
    """Allows runs on the GPU, or not."""

    name = "gpu"

    async def act(self, interaction: Asked) -> None:
        """Keep it."""
        await change(interaction, gpu=self.value == "on")


class StoreControl(_Press, template="tutor:set:store_posts:(?P<value>on|off)"):
    """Allows posts to be kept, or not."""

    name = "store_posts"

    async def act(self, interaction: Asked) -> None:
        """Keep it."""
        await change(interaction, store_posts=self.value == "on")
        if self.value == "off" and interaction.guild_id is not None:
            await interaction.client.desk.learned.drop_guild(interaction.guild_id)


class QuietControl(_Press, template="tutor:set:quiet:(?P<value>ask)"):
    """Asks for the quiet hours."""

    name = "quiet"

    async def act(self, interaction: Asked) -> None:
        """Open the form."""
        settings = await interaction.client.desk.conduct.guilds.get(require_manager(interaction))
        form = QuietForm(settings.quiet, language_of(interaction.locale.value))
        await open_form(interaction, form)


class QuietForm(Modal):
    """Asks for the quiet hours; empty fields mean that there are none."""

    def __init__(self, quiet: QuietHours | None, language: Language) -> None:
        super().__init__(title=say(language, "settings.quiet.name"))
        now = {
            "begin": f"{quiet.begin:%H:%M}" if quiet else "",
            "end": f"{quiet.end:%H:%M}" if quiet else "",
            "zone": quiet.zone if quiet else "",
        }
        self._fields: dict[str, TextInput[QuietForm]] = {
            name: TextInput(
                custom_id=name,
                default=value or None,
                placeholder=say(language, f"settings.quiet.{name}.example"),
                max_length=60,
                required=False,
            )
            for name, value in now.items()
        }
        for name, field in self._fields.items():
            label = say(language, f"settings.quiet.{name}")
            self.add_item(Label(text=label, component=field))

    async def on_submit(self, interaction: Asked) -> None:
        """Called by discord.py with the filled form."""
        given = {name: field.value.strip() for name, field in self._fields.items()}
        await change(interaction, quiet=quiet_hours(given))

    async def on_error(  # type: ignore[override]  # discord.py narrows it for forms, too
        self, interaction: Asked, error: Exception, /
    ) -> None:
        """Called by discord.py when something failed after the form was sent."""
        await apologize(interaction, error)


def quiet_hours(given: dict[str, str]) -> QuietHours | None:
    """The quiet hours that somebody typed; None when all is empty. Raises InputError."""
    if not any(given.values()):
        return None
    try:
        return QuietHours.model_validate(given)
    except ValidationError:
        raise InputError(
            "quiet_hours",
            "Quiet hours need two different times, such as 22:00 and 07:00, and a time zone, "
            "such as Asia/Tokyo.",
        ) from None


CONTROLS: Sequence[type[PersistentItem[Any]]] = (
    ChannelControl,
    LanguageControl,
    RunnersControl,
    RoleControl,
    PlaceControl,
    GpuControl,
    StoreControl,
    QuietControl,
)
"""Every control, to be registered at start."""
