"""One browser's window onto the local Discord: what it shows, and how it stays up to date."""

from __future__ import annotations

import json

from nicegui import ui

from bot.local.changes import (
    Change,
    CommandsChanged,
    InteractionMoved,
    InteractionStarted,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    PresenceChanged,
    Reacted,
    ThreadCreated,
    Typing,
)
from bot.local.commands import Slash, localized
from bot.local.gateway import Gateway
from bot.local.interactions import Interactions
from bot.local.model import (
    Channel,
    ChannelType,
    Interaction,
    InteractionType,
    Message,
    Phase,
    User,
)
from bot.local.page import forms
from bot.local.page.examples import EXAMPLES
from bot.local.page.notices import Notices, place
from bot.local.page.paint import Painter
from bot.local.page.texts import LANGUAGE_NAMES, Text
from bot.local.page.unread import Inbox
from bot.local.world import World
from knowledge.language import Language

SHOWN = 60  # messages at first, and more with each press of "older"
TYPING_FOR = 10.0  # seconds


class View:
    """The elements of one page, and what of the world they show."""

    def __init__(
        self, world: World, interactions: Interactions, gateway: Gateway, language: Language
    ) -> None:
        self.world = world
        self.interactions = interactions
        self.gateway = gateway
        self.painter = Painter(world, language, world.people[0])
        self.channel = next(iter(world.channels.values()))
        self.open_form: Interaction | None = None
        self._limit = SHOWN
        self._inbox = Inbox()
        self._shown: dict[int, ui.html] = {}
        self._waiting: dict[int, str] = {}  # message id -> custom_id that was pressed
        self._failed: set[int] = set()  # ids of messages whose last press failed
        self._build()
        self.client = ui.context.client
        self.client.on_delete(world.listen(self._on_change))
        self.refresh()

    @property
    def viewer(self) -> User:
        return self.painter.viewer

    @property
    def language(self) -> Language:
        return self.painter.language

    # -- building

    def _build(self) -> None:
        self._skip = place("div", "skip-slot")
        with ui.element("div").classes("app"):
            self._sidebar = place("nav", "sidebar")
            with ui.element("main").classes("chat"):
                self._header = place("header", "chat-header")
                with ui.element("div").classes("log-frame"):
                    with (
                        ui.element("div").classes("log").props("id=log tabindex=-1"),
                        ui.element("div").props("id=messages"),
                    ):
                        self._welcome = place("div", "welcome-slot")
                        self._log = ui.element("div").props("role=log aria-live=polite")
                        self.notices = Notices(self.painter)
                    self._jump = place("div", "jump-slot")
                with ui.element("div").classes("composer"):
                    self.picker = place("div", "picker-slot")
                    self.options = place("div", "options-slot")
                    self.strip = place("div", "strip-slot")
                    self._line = place("div", "line-tools")
                    self._text = (
                        ui.element("textarea")
                        .props("id=composer rows=1 spellcheck=false data-testid=composer")
                        .props("role=combobox aria-controls=picker aria-autocomplete=list")
                    )
                self._typing = place("div", "typing")
            self._members = place("aside", "members")
        self.menu = place("div", "menu-slot")
        self.modal = place("div", "modal-slot")
        self._drop_note = place("div", "drop-note")
        self._quiet = ui.timer(TYPING_FOR, self._stop_typing, active=False)

    # -- painting

    def refresh(self) -> None:
        """Paint everything anew: after a change of language, channel or person."""
        painter, channel = self.painter, self.channel
        first_unread = self._inbox.open(channel.id)
        self._paint_sidebar()
        self._paint_presence()
        self._drop_note.set_content(painter.paint("note", text=painter.say(Text.DROP_HERE)))
        self._line.set_content(painter.paint("line"))
        self._jump.set_content(painter.paint("jump"))
        self._skip.set_content(painter.paint("skip"))
        placeholder = painter.say(Text.PLACEHOLDER, channel=self.title)
        self._text.props["placeholder"] = placeholder
        self._text.props["aria-label"] = placeholder
        self._text.update()
        self._typing.set_content("")
        self._log.clear()
        self._shown.clear()
        visible = self._visible()
        older = len(visible) > self._limit
        self._welcome.set_content(
            painter.paint(
                "welcome", title=self.title, topic=self.topic, examples=EXAMPLES, older=older
            )
        )
        for message in visible[-self._limit :]:
            self._append(message)
        self.notices.refresh(channel)
        words = {
            "title": f"{self.title} | {painter.say(Text.TITLE)}",
            "fresh": painter.say(Text.NEW),
            "close": painter.say(Text.CLOSE),
            "original": painter.say(Text.OPEN_ORIGINAL),
        }
        self.run(f"tutorPage.setLanguage({json.dumps(painter.locale)}, {json.dumps(words)})")
        self.run(
            f"tutorPage.toBottom(); tutorPage.markUnread({json.dumps(str(first_unread or ''))})"
        )

    @property
    def title(self) -> str:
        name = self.channel.name
        if self.channel.parent_id:
            return name
        return f"#{name}" if self.channel.guild_id else f"@{name}"

    @property
    def topic(self) -> str:
        if self.channel.parent_id:
            parent = self.world.channel(self.channel.parent_id)
            return self.painter.say(Text.THREAD_OF, channel=parent.name)
        topics = {"help": Text.HELP_TOPIC, "general": Text.GENERAL_TOPIC}
        text = topics.get(self.channel.name) if self.channel.guild_id else Text.DIRECT_TOPIC
        return self.painter.say(text) if text else self.channel.topic

    def _paint_sidebar(self) -> None:
        places = self.world.channels.values()
        self._sidebar.set_content(
            self.painter.paint(
                "channels",
                text_channels=[item for item in places if item.type is ChannelType.TEXT],
                threads=[item for item in places if item.parent_id],
                direct=self.world.direct_channel(self.viewer),
                current=self.channel,
                unread=self._inbox.channels,
                languages=LANGUAGE_NAMES,
                language=self.language,
            )
        )

    def _paint_presence(self) -> None:
        online = self.gateway.online
        self._members.set_content(self.painter.paint("members", online=online))
        self._header.set_content(
            self.painter.paint("header", title=self.title, topic=self.topic, online=online)
        )

    def _visible(self) -> list[Message]:
        return [item for item in self.world.messages(self.channel) if item.seen_by(self.viewer)]

    def _append(self, message: Message) -> None:
        with self._log:
            self._shown[message.id] = place("div", "message-slot")
        self._paint_message(message)

    def _paint_message(self, message: Message) -> None:
        slot = self._shown.get(message.id)
        if slot is None:
            return
        before = [item for item in self._visible() if item.id < message.id]
        slot.set_content(
            self.painter.message(
                message,
                before[-1] if before else None,
                waiting=self._waiting.get(message.id),
                failed=message.id in self._failed,
            )
        )

    # -- what acts ask for

    def run(self, code: str) -> None:
        """Run JavaScript in this browser."""
        self.client.run_javascript(code)

    def go(self, channel: Channel) -> None:
        """Show another channel."""
        self.channel = channel
        self._limit = SHOWN
        self.refresh()

    def speak(self, language: Language) -> None:
        """Show everything in another language."""
        self.painter.language = language
        self.refresh()
        self.run(f"tutorPage.address({json.dumps(language.value)})")

    def become(self, person: User) -> None:
        """Read and write as another person."""
        self.painter.viewer = person
        if self.channel.person is not None:
            self.channel = self.world.direct_channel(person)
        self.refresh()

    def older(self) -> None:
        """Show more of the past."""
        self._limit += SHOWN
        self.refresh()

    def pressed(self, message: Message, custom_id: str) -> None:
        """Show that a button waits for its answer."""
        self._waiting[message.id] = custom_id
        self._failed.discard(message.id)
        self._paint_message(message)

    def show_options(self, slash: Slash, fields: list[forms.Field]) -> None:
        """Open the form of a slash command."""
        self.options.set_content(
            self.painter.paint(
                "options",
                shown_name=slash.shown_name(self.painter.locale),
                description=localized(slash.leaf, "description", self.painter.locale),
                fields=fields,
            )
        )

    def close_menu(self) -> None:
        self.menu.set_content("")

    def close_modal(self) -> None:
        self.open_form = None
        self.modal.set_content("")

    # -- what the world tells

    def _on_change(self, change: Change) -> None:
        match change:
            case MessageCreated(message):
                self._arrived(message)
            case MessageEdited(message) | Reacted(message):
                self._paint_message(message)
            case MessageDeleted(message):
                self._gone(message)
            case ThreadCreated(thread):
                self._paint_sidebar()
                self._paint_start(thread)
            case Typing(channel, user):
                if channel == self.channel:
                    self._show_typing(user)
            case InteractionStarted(interaction):
                self.notices.started(interaction, self.channel)
            case InteractionMoved(interaction):
                self._moved(interaction)
            case PresenceChanged():
                self._paint_presence()
            case CommandsChanged():
                self.picker.set_content("")

    def _arrived(self, message: Message) -> None:
        if not message.seen_by(self.viewer):
            return
        self._paint_start(message.channel)
        if message.channel != self.channel:
            if message.channel.person in (None, self.viewer):
                self._inbox.add(message, self.viewer)
                self._paint_sidebar()
            return
        if message.author.bot:
            self._stop_typing()
        self._append(message)
        if message.author != self.viewer:
            self.run(f"tutorPage.arrived('{message.id}')")

    def _paint_start(self, thread: Channel) -> None:
        """Show at the message where a thread begins that there is one, and how long it is."""
        slot = self._shown.get(thread.id)
        if slot is not None and thread.parent_id:
            self._paint_message(self.world.message(self.channel, thread.id))

    def _gone(self, message: Message) -> None:
        slot = self._shown.pop(message.id, None)
        if slot is None:
            return
        slot.delete()
        after = [item for item in self._visible() if item.id > message.id]
        for item in after[:1] + [item for item in after if item.reference == message.id]:
            self._paint_message(item)

    def _show_typing(self, user: User) -> None:
        self._typing.set_content(
            self.painter.paint(
                "note", text=self.painter.say(Text.TYPING, name=self.painter.name_of(user))
            )
        )
        self._quiet.activate()

    def _stop_typing(self) -> None:
        self._quiet.deactivate()
        self._typing.set_content("")

    def _moved(self, interaction: Interaction) -> None:
        failed = interaction.phase is Phase.FAILED
        message = interaction.message
        if message is not None and self._waiting.pop(message.id, None) is not None:
            if failed:
                self._failed.add(message.id)
            self._paint_message(message)
        elif message is not None and failed and interaction.user == self.viewer:
            self._failed.add(message.id)
            self._paint_message(message)
        self.notices.moved(interaction)
        if interaction.user != self.viewer:
            return
        if interaction.modal is not None and interaction is not self.open_form:
            self._open_modal(interaction)
        if interaction.type is InteractionType.AUTOCOMPLETE and not failed:
            self._suggest(interaction)

    def _open_modal(self, interaction: Interaction) -> None:
        modal = interaction.modal or {}
        self.open_form = interaction
        self.modal.set_content(
            self.painter.paint(
                "modal",
                title=modal.get("title", ""),
                parts=forms.modal_parts(modal, self.painter.choices),
            )
        )

    def _suggest(self, interaction: Interaction) -> None:
        for option in _flat(interaction.data.get("options") or []):
            if option.get("focused"):
                name, offered = json.dumps(option["name"]), json.dumps(interaction.choices)
                self.run(f"tutorPage.suggest({name}, {offered})")


def _flat(options: list[dict[str, object]]) -> list[dict[str, object]]:
    """The options of an interaction, out of their group and subcommand."""
    found: list[dict[str, object]] = []
    for option in options:
        inner = option.get("options")
        found += _flat(inner) if isinstance(inner, list) else [option]
    return found
