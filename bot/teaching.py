"""`/tutor teach`: a form in which a mentor writes what is wrong, and what becomes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import discord
from discord.ui import Button, Item, Label, Modal, TextInput, View

from bot import reply as limits
from bot.conduct import NotAllowed, Right
from bot.delivery import defer, deliver, open_form
from bot.desk import asker_of, only_code
from bot.fence import inline, units
from bot.gaps import answered_by
from bot.inputs import InputError
from bot.learned import Gap
from bot.locale import language_of, say
from bot.panel import require_manager
from bot.persistent import PersistentButton
from bot.prove import Flaw, Objection
from bot.render import AMBER, GREEN
from bot.reply import Attached, Reply
from bot.teach import Draft, NotHeld, Taught
from bot.trouble import apologize
from knowledge.language import Language, detect_language
from knowledge.post import parse
from knowledge.validate import LONGEST_TITLE

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"

LONGEST_PROSE: Final = 1_600
"""Characters of the cause, and of the fix: an explanation has room for both."""
FIELDS: Final = {
    "title": LONGEST_TITLE,
    "cause": LONGEST_PROSE,
    "fix": LONGEST_PROSE,
    "fails": limits.MODAL_TEXT,
    "works": limits.MODAL_TEXT,
}
"""The fields of the form, with the most characters of each."""


def require_teacher(asked: discord.Interaction[Any]) -> int:
    """The guild for which somebody may teach the bot. Raises NotAllowed."""
    guild_id = require_manager(asked)
    bot = asked.client
    only = len(bot.guilds) == 1 and (bot.shard_count or 1) == 1
    if not bot.desk.teacher.is_open_to(guild_id, only_guild=only):
        raise NotAllowed(Right.TAUGHT_ELSEWHERE)
    return guild_id


async def ask_lesson(asked: Asked, source_id: int | None = None) -> None:
    """Open the form, about one of the posts that had no answer where `source_id` names it.

    Answers the interaction. Raises NotAllowed.
    """
    guild_id = require_teacher(asked)
    gap = None if source_id is None else await asked.client.desk.learned.gap(guild_id, source_id)
    if source_id is not None and gap is None:
        raise InputError("gap_gone", "This post is not kept any more.")
    await open_form(asked, LessonForm(language_of(asked.locale.value), _begun(gap)))


def _begun(gap: Gap | None) -> dict[str, str]:
    """What can be filled in beforehand."""
    if gap is None:
        return {}
    code = "\n\n".join(block.strip("\n") for block in parse(gap.text).code)
    return {"fails": code, "post": gap.text}


class LessonForm(Modal):
    """Asks for title, cause, fix and both programs; `begun` fills fields in."""

    def __init__(self, language: Language, begun: dict[str, str]) -> None:
        super().__init__(title=say(language, "modal.lesson.title"), timeout=3_600)
        self._post = begun.get("post", "")
        self._fields: dict[str, TextInput[LessonForm]] = {}
        for name, longest in FIELDS.items():
            given = begun.get(name, "")
            style = discord.TextStyle.short if name == "title" else discord.TextStyle.paragraph
            self._fields[name] = TextInput(
                custom_id=name,
                style=style,
                default=given if given and units(given) <= longest else None,
                max_length=longest,
            )
            self.add_item(
                Label(
                    text=say(language, f"lesson.{name}.label"),
                    description=say(language, f"lesson.{name}.description"),
                    component=self._fields[name],
                )
            )

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Called by discord.py with the filled form."""
        require_teacher(interaction)
        given = {name: field.value for name, field in self._fields.items()}
        for name in ("fails", "works"):
            given[name] = await only_code(given[name])
        written = detect_language(f"{given['title']}\n{given['cause']}\n{given['fix']}")
        await teach(interaction, Draft(**given, language=written, post=self._post))

    async def on_error(  # type: ignore[override]  # discord.py narrows it for forms, too
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Called by discord.py when something failed after the form was sent."""
        await apologize(interaction, error)


async def teach(asked: Asked, draft: Draft) -> None:
    """Prove what a mentor wrote, and show what became of it. Answers the interaction."""
    guild_id = require_teacher(asked)
    await defer(asked, ephemeral=True)
    desk = asked.client.desk
    language = language_of(asked.locale.value)
    try:
        taught = await desk.teacher.teach(draft, asker_of(asked))
    except NotHeld as refused:
        desk.drafts.put(asked.id, asked.user.id, draft)
        view = View(timeout=None)
        view.add_item(AgainButton(language, asked.id))
        await deliver(asked, _refused(refused, language), view)
        return
    except Exception as error:
        desk.drafts.put(asked.id, asked.user.id, draft)
        view = View(timeout=None)
        view.add_item(AgainButton(language, asked.id))
        await apologize(asked, error)
        again = say(language, "taught.kept_draft")
        await asked.followup.send(again, view=view, ephemeral=True)
        return
    gaps = await desk.learned.gaps(guild_id)
    answered = await answered_by(desk.tutor, gaps, taught.entry.slug)
    await desk.learned.drop(*answered)
    view = View(timeout=None)
    view.add_item(TakeBackButton(language, taught.entry.slug))
    await deliver(asked, _live(taught, len(answered), language), view)


def _live(taught: Taught, answered: int, language: Language) -> Reply:
    slug = taught.entry.slug
    title = taught.entry.texts[Language.EN].title
    body = [say(language, "taught.body", title=inline(title, 100), slug=slug)]
    if answered:
        body.append(say(language, "taught.answers", count=answered))
    embed = discord.Embed(
        title=say(language, "taught.title"), description="\n\n".join(body), colour=GREEN
    )
    return Reply(embeds=(embed,), attached=(Attached(f"{slug}.md", taught.page.encode()),))


def _refused(refused: NotHeld, language: Language) -> Reply:
    reasons = [f"• {_reason(one, language)}" for one in refused.objections]
    reasons += (f"• {inline(fault, 500)}" for fault in refused.faults[:4])
    body = "\n".join((*reasons, "", say(language, "taught.nothing_kept")))
    embed = discord.Embed(title=say(language, "taught.refused"), description=body, colour=AMBER)
    return Reply(embeds=(embed,), attached=(Attached("draft.md", refused.page.encode()),))


def _reason(objection: Objection, language: Language) -> str:
    values: dict[str, str] = dict(objection.values)
    if "status" in values:
        values["status"] = inline(values["status"])
    for name in ("said", "ranked"):
        if name in values:
            values[name] = inline(values[name] or "—", 250)
    return say(language, f"flaw.{Flaw(objection.flaw).name.lower()}", **values)


async def take_back(asked: Asked, slug: str) -> None:
    """Remove an entry that was just taught. Answers the interaction. Raises NotAllowed."""
    require_teacher(asked)
    await defer(asked, ephemeral=True)
    await asked.client.desk.teacher.take_back(slug)
    language = language_of(asked.locale.value)
    reply = Reply(say(language, "taught.taken_back", slug=slug))
    await deliver(asked, reply, View(timeout=None))


async def export(asked: Asked) -> None:
    """Hand over the files of the group's own entries. Answers the interaction.

    Raises NotAllowed.
    """
    require_teacher(asked)
    await defer(asked, ephemeral=True)
    packed, count = await asked.client.desk.teacher.export()
    language = language_of(asked.locale.value)
    reply = Reply(
        say(language, "export.content", count=count), attached=(Attached("entries.zip", packed),)
    )
    await deliver(asked, reply, View(timeout=None))


class TeachButton(
    PersistentButton, template=r"tutor:teach:(?P<source>\d{1,20}):(?P<number>\d{1,4})"
):
    """Opens the form about one of the unanswered posts."""

    def __init__(self, language: Language, source_id: int, number: int) -> None:
        self.source_id = source_id
        super().__init__(
            Button(
                style=discord.ButtonStyle.primary,
                label=say(language, "button.teach", number=number),
                custom_id=f"tutor:teach:{source_id}:{number}",
                row=0,
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        language = language_of(interaction.locale.value)
        return cls(language, int(match["source"]), int(match["number"]))

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the form."""
        await ask_lesson(interaction, self.source_id)


class AgainButton(PersistentButton, template=r"tutor:again:(?P<draft>\d{1,20})"):
    """Opens the form with what was written before."""

    def __init__(self, language: Language, draft: int) -> None:
        self.draft = draft
        super().__init__(
            Button(
                style=discord.ButtonStyle.primary,
                label=say(language, "button.again"),
                custom_id=f"tutor:again:{draft}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(language_of(interaction.locale.value), int(match["draft"]))

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the form."""
        require_teacher(interaction)
        draft = interaction.client.desk.drafts.get(self.draft, interaction.user.id)
        begun = {name: getattr(draft, name) for name in (*FIELDS, "post")}
        await open_form(interaction, LessonForm(language_of(interaction.locale.value), begun))


class TakeBackButton(PersistentButton, template=r"tutor:take-back:(?P<slug>[A-Za-z0-9-]{1,64})"):
    """Removes an entry that was taught."""

    def __init__(self, language: Language, slug: str) -> None:
        self.slug = slug
        super().__init__(
            Button(
                style=discord.ButtonStyle.danger,
                label=say(language, "button.take_back"),
                custom_id=f"tutor:take-back:{slug}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(language_of(interaction.locale.value), match["slug"])

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Remove it."""
        await take_back(interaction, self.slug)
