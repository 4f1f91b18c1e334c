"""`/tutor gaps`: what nobody could answer, a page at a time, for those who can teach it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import discord
from discord.ui import Button, Item, View

from bot import reply as limits
from bot.conduct import NotAllowed, Right
from bot.delivery import acknowledge, defer, deliver
from bot.fence import Keep, fenced, inline, one_line
from bot.gaps import Cluster, clustered, nearest
from bot.locale import language_of, say
from bot.persistent import PersistentButton
from bot.render import AMBER, GREEN
from bot.reply import Reply
from bot.teaching import TeachButton
from knowledge.explain import Explanation
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"

A_PAGE: Final = 3
_EXAMPLE: Final = 420
_REMARKS: Final = 3


def require_mentor(asked: discord.Interaction[Any]) -> int:
    """The guild whose unanswered posts somebody may read. Raises NotAllowed."""
    if asked.guild_id is None or not asked.is_guild_integration():
        raise NotAllowed(Right.NO_GUILD)
    granted = asked.permissions
    if not (granted.manage_messages or granted.manage_guild or granted.administrator):
        raise NotAllowed(Right.MENTORS)
    return asked.guild_id


async def open_gaps(asked: Asked) -> None:
    """Show the first page to a mentor. Answers the interaction. Raises NotAllowed."""
    guild_id = require_mentor(asked)
    await defer(asked, ephemeral=True)
    await _show(asked, guild_id, 0)


async def turn_to(asked: Asked, page: int) -> None:
    """Show another page in place of the one whose button was pressed. Raises NotAllowed."""
    guild_id = require_mentor(asked)
    await acknowledge(asked, asked.response.defer)
    await _show(asked, guild_id, page)


async def _show(asked: Asked, guild_id: int, page: int) -> None:
    desk = asked.client.desk
    language = language_of(asked.locale.value)
    settings = await desk.conduct.guilds.get(guild_id)
    found = await clustered(desk.tutor, await desk.learned.gaps(guild_id))
    pages = max(1, -(-len(found) // A_PAGE))
    page = min(page, pages - 1)
    shown = found[page * A_PAGE :][:A_PAGE]
    near = [await nearest(desk.tutor, cluster.example, language) for cluster in shown]
    votes = await desk.learned.tally(guild_id)
    kept = settings.store_posts
    embed = overview(language, shown, near, (page, pages), votes, kept=kept)
    view = View(timeout=None)
    for number, cluster in enumerate(shown, start=page * A_PAGE + 1):
        view.add_item(TeachButton(language, cluster.example.source_id, number))
    for name, target in (("back", page - 1), ("next", page + 1)):
        if 0 <= target < pages:
            view.add_item(PageButton(language, target, name))
    await deliver(asked, Reply(embeds=(embed,)), view)


def overview(
    language: Language,
    shown: Sequence[Cluster],
    near: Sequence[Explanation | None],
    place: tuple[int, int],
    votes: tuple[int, int],
    *,
    kept: bool,
) -> discord.Embed:
    """One page. `place` is its number, from 0, and how many there are; `votes` are 👍 and 👎.

    `kept` tells whether the server allows posts to be kept.
    """
    page, pages = place
    embed = discord.Embed(
        title=say(language, "gaps.title"), colour=AMBER if shown else GREEN, description=""
    )
    if not kept:
        embed.description = say(language, "gaps.not_kept", toggle=say(language, _ALLOW))
    elif not shown:
        embed.description = say(language, "gaps.none")
    for number, (cluster, nearby) in enumerate(
        zip(shown, near, strict=True), start=page * A_PAGE + 1
    ):
        example = cluster.example
        name = f"{number}. {one_line(example.error or example.text, 160)}"
        embed.add_field(name=name, value=_about(cluster, nearby, language), inline=False)
    up, down = votes
    feet = [say(language, "gaps.votes", up=up, down=down)]
    if pages > 1:
        feet.insert(0, say(language, "gaps.page", page=page + 1, pages=pages))
    embed.set_footer(text=" · ".join(feet))
    return embed


_ALLOW: Final = "settings.store_posts.to.on"


def _about(cluster: Cluster, nearby: Explanation | None, language: Language) -> str:
    counted = say(language, "gaps.count", posts=len(cluster.gaps), people=cluster.people)
    example = fenced(cluster.example.text, _EXAMPLE, keep=Keep.TAIL, most_lines=8).text
    lines = [counted, example]
    if nearby is not None:
        nearest_one = f"{one_line(nearby.title, 100)} (`{nearby.slug}`)"
        lines.append(say(language, "gaps.nearest", entry=nearest_one))
    lines += (
        say(language, "gaps.remark", remark=inline(remark, 80))
        for remark in cluster.remarks[:_REMARKS]
    )
    while len("\n".join(lines)) > limits.FIELD:
        lines.pop()
    return "\n".join(lines)


class PageButton(PersistentButton, template=r"tutor:gaps:(?P<name>back|next):(?P<page>\d{1,4})"):
    """Turns to another page."""

    def __init__(self, language: Language, page: int, name: str) -> None:
        self.page = page
        super().__init__(
            Button(
                label=say(language, f"button.{name}"),
                custom_id=f"tutor:gaps:{name}:{page}",
                row=1,
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(language_of(interaction.locale.value), int(match["page"]), match["name"])

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Turn to it."""
        await turn_to(interaction, self.page)
