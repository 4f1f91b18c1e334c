"""The buttons under the bot's messages, and which of them stand under which message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import discord
from discord.ui import Button, Item, View

from bot import reply as limits
from bot.feedback import vote
from bot.fence import one_line
from bot.locale import say
from bot.persistent import PersistentButton
from knowledge.explain import Explanation
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

_SLUG = r"(?P<slug>[A-Za-z0-9-]{1,64})"


def answer_view(
    language: Language,
    slug: str,
    asker_id: int,
    *,
    runnable: bool,
    repairable: bool = False,
) -> View:
    """The buttons under a brief explanation. Needs a running event loop, as every View does.

    `repairable` tells that the post holds code of its own.
    """
    view = View(timeout=None)
    if repairable:
        view.add_item(RepairButton(language))
    if runnable:
        view.add_item(ExampleButton(language, slug))
    view.add_item(ConfirmButton(language))
    view.add_item(ShowButton(slug, 0, say(language, "button.details")))
    view.add_item(DeleteButton(asker_id, language))
    for helpful in (True, False):
        view.add_item(VoteButton(language, slug, helpful=helpful))
    return view


def details_view(language: Language, slug: str, *, runnable: bool, others: bool) -> View:
    """The buttons under a whole explanation, which only the one who opened it sees."""
    view = View(timeout=None)
    if runnable:
        view.add_item(ExampleButton(language, slug))
    view.add_item(ConfirmButton(language))
    if others:
        view.add_item(OthersButton(language))
    return view


def choice_view(
    candidates: Sequence[Explanation],
    *,
    answer_id: int | None = None,
    deletable: tuple[int, Language] | None = None,
) -> View:
    """A button for each candidate that opens it.

    `answer_id` is the answer that they are candidates for, where it is another message than the one
    with the buttons. `deletable` is who asked, and in which language.
    """
    view = View(timeout=None)
    for candidate in candidates:
        view.add_item(ShowButton(candidate.slug, answer_id or 0, candidate.title))
    if deletable is not None:
        view.add_item(DeleteButton(*deletable))
    return view


def delete_view(asker_id: int, language: Language, *, drawable: bool = False) -> View:
    """The button that takes a message away, and, for a way of the data, the one that draws it."""
    view = View(timeout=None)
    if drawable:
        view.add_item(PictureButton(language))
    view.add_item(DeleteButton(asker_id, language))
    return view


def stop_view(asker_id: int, language: Language) -> View:
    """The button that ends what is under way."""
    view = View(timeout=None)
    view.add_item(StopButton(asker_id, language))
    return view


class ExampleButton(PersistentButton, template=rf"tutor:example:(?P<language>en|ja|zh):{_SLUG}"):
    """Runs an entry's own example: as it fails, and as it works."""

    def __init__(self, language: Language, slug: str) -> None:
        self.language, self.slug = language, slug
        super().__init__(
            Button(
                style=discord.ButtonStyle.primary,
                label=say(language, "button.example"),
                custom_id=f"tutor:example:{language}:{slug}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(Language(match["language"]), match["slug"])

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Run it."""
        await interaction.client.desk.example(interaction, self.slug, self.language)


class VoteButton(
    PersistentButton,
    template=rf"tutor:vote:(?P<vote>up|down):(?P<language>en|ja|zh):{_SLUG}",
):
    """Tells that an answer helped, or that it did not."""

    def __init__(self, language: Language, slug: str, *, helpful: bool) -> None:
        self.language, self.slug, self.helpful = language, slug, helpful
        which = "up" if helpful else "down"
        super().__init__(
            Button(
                emoji="👍" if helpful else "👎",
                label=say(language, f"button.{which}"),
                custom_id=f"tutor:vote:{which}:{language}:{slug}",
                row=1,
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(Language(match["language"]), match["slug"], helpful=match["vote"] == "up")

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Take the vote."""
        await vote(interaction, self.slug, self.language, helpful=self.helpful)


class _SpokenButton(PersistentButton, template=r"tutor:nothing:(?P<language>en|ja|zh)"):
    """A button whose whole state is the language of the message that it stands under."""

    name: ClassVar[str]
    style: ClassVar[discord.ButtonStyle] = discord.ButtonStyle.secondary

    def __init__(self, language: Language) -> None:
        self.language = language
        super().__init__(
            Button(
                style=self.style,
                label=say(language, f"button.{self.name}"),
                custom_id=f"tutor:{self.name}:{language}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(Language(match["language"]))


class ConfirmButton(_SpokenButton, template=r"tutor:confirm:(?P<language>en|ja|zh)"):
    """Asks for the changed code, to run it against the post's own."""

    name = "confirm"
    style = discord.ButtonStyle.success

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the form."""
        await interaction.client.desk.ask_for_fix(interaction, self.language)


class RepairButton(_SpokenButton, template=r"tutor:repair:(?P<language>en|ja|zh)"):
    """Runs the post's own code and looks for a change under which it runs."""

    name = "repair"
    style = discord.ButtonStyle.primary

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Look for a repair."""
        await interaction.client.desk.repair(interaction, self.language)


class CorrectButton(_SpokenButton, template=r"tutor:correct:(?P<language>en|ja|zh)"):
    """Asks for a better text than the one that was read from a picture."""

    name = "correct"

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the form."""
        await interaction.client.desk.correct(interaction, self.language)


class PictureButton(_SpokenButton, template=r"tutor:picture:(?P<language>en|ja|zh)"):
    """Draws the way of the data to the layer that failed."""

    name = "picture"

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Draw it."""
        await interaction.client.desk.picture(interaction, self.language)


class OthersButton(_SpokenButton, template=r"tutor:others:(?P<language>en|ja|zh)"):
    """Lists the explanations that come near the one shown."""

    name = "others"

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """List them."""
        await interaction.client.desk.others(interaction)


class ShowButton(PersistentButton, template=rf"tutor:show:(?P<answer>\d{{1,20}}):{_SLUG}"):
    """Opens one explanation among several, for the person who pressed it."""

    def __init__(self, slug: str, answer_id: int, title: str) -> None:
        self.slug, self.answer_id = slug, answer_id
        super().__init__(
            Button(label=one_line(title, limits.LABEL), custom_id=f"tutor:show:{answer_id}:{slug}")
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(match["slug"], int(match["answer"]), match["slug"])

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open it."""
        await interaction.client.desk.show(interaction, self.slug, self.answer_id)


class _AskerButton(
    PersistentButton, template=r"tutor:nobody:(?P<asker>\d{1,20}):(?P<language>en|ja|zh)"
):
    """A button for the asker, and for those who may manage messages."""

    name: ClassVar[str]

    def __init__(self, asker_id: int, language: Language) -> None:
        self.asker_id = asker_id
        super().__init__(
            Button(
                label=say(language, f"button.{self.name}"),
                custom_id=f"tutor:{self.name}:{asker_id}:{language}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(int(match["asker"]), Language(match["language"]))


class DeleteButton(
    _AskerButton, template=r"tutor:delete:(?P<asker>\d{1,20}):(?P<language>en|ja|zh)"
):
    """Takes the message away."""

    name = "delete"

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Take it away."""
        await interaction.client.desk.delete(interaction, self.asker_id)


class StopButton(_AskerButton, template=r"tutor:stop:(?P<asker>\d{1,20}):(?P<language>en|ja|zh)"):
    """Ends what is under way."""

    name = "stop"

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """End it."""
        await interaction.client.desk.stop(interaction, self.asker_id)


BUTTONS = (
    RepairButton,
    ExampleButton,
    ConfirmButton,
    PictureButton,
    CorrectButton,
    OthersButton,
    ShowButton,
    VoteButton,
    StopButton,
    DeleteButton,
)
"""Every kind of button, to be registered at start."""
