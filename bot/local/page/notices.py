"""Notices below the messages: a command that waits for the bot, or that nobody answered."""

from __future__ import annotations

from nicegui import ui

from bot.local.model import Channel, CommandType, Interaction, InteractionType, Phase
from bot.local.page.paint import Painter


def place(tag: str, name: str) -> ui.html:
    """An empty place for painted HTML. The browser cleans it once more (DOMPurify)."""
    return ui.html("", sanitize=True, tag=tag).classes(name)


class Notices:
    """The notices of one reader, each at the end of the channel where the command was used."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
        self._box = ui.element("div")
        self._kept: dict[int, tuple[Interaction, ui.html]] = {}

    def started(self, interaction: Interaction, shown: Channel) -> None:
        """The reader used a command or sent a form, and looks at the channel `shown`."""
        asked = interaction.type in (InteractionType.COMMAND, InteractionType.MODAL)
        if interaction.user != self._painter.viewer or not asked or interaction.message:
            return
        with self._box:
            notice = place("div", "notice-slot")
        self._kept[interaction.id] = (interaction, notice)
        notice.set_content(self._painted(interaction))
        notice.set_visibility(interaction.channel == shown)

    def moved(self, interaction: Interaction) -> None:
        """The bot answered, or let the time pass."""
        if interaction.id not in self._kept:
            return
        if interaction.phase is Phase.FAILED:
            self._kept[interaction.id][1].set_content(self._painted(interaction))
        else:
            self.forget(interaction.id)

    def forget(self, interaction_id: int) -> None:
        """Take a notice away."""
        kept = self._kept.pop(interaction_id, None)
        if kept is not None:
            kept[1].delete()

    def refresh(self, shown: Channel) -> None:
        """Paint anew, for the channel that is shown now."""
        for interaction, notice in self._kept.values():
            notice.set_visibility(interaction.channel == shown)
            notice.set_content(self._painted(interaction))

    def _painted(self, interaction: Interaction) -> str:
        slash = interaction.data.get("type") == CommandType.SLASH
        name = interaction.name
        return self._painter.paint(
            "notice",
            user=interaction.user,
            command=f"/{name}" if slash else name,
            failed=interaction.phase is Phase.FAILED,
            key=interaction.id,
        )
