"""Explanations as Discord messages: pure functions, all wording from bot/locales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import discord

from bot import reply as limits
from bot.confirm import unified_diff
from bot.fence import Keep, clip_markdown, fenced, inline, one_line, units
from bot.locale import say
from bot.mending import Edit
from bot.proposal import Proposed
from bot.repair import Candidate
from bot.reply import Attached, Reply, embed_units
from bot.tutor import Answer
from knowledge.explain import Explanation
from knowledge.language import Language

BLUE = discord.Colour(0x3B6EA8)
GREEN = discord.Colour(0x2E7D32)
RED = discord.Colour(0xB3261E)
AMBER = discord.Colour(0xB26A00)

_DIFF_ROOM = 1_100
_DIFF_LINES = 24
WHOLE_TEXT = "explanation.md"
_SPARE = 64
"""Room kept free for what stands between the parts of an embed."""


def explained(answer: Answer) -> Reply:
    """The explanation that fits, or, when none is sure, the nearest ones and what would help."""
    if answer.explanation is None:
        return unsure(answer.language, answer.candidates)
    evidence = answer.ranking.matches[0].evidence.name.lower()
    remark = say(answer.language, f"evidence.{evidence}")
    if answer.explanation.language is not answer.language:
        remark += f" · {say(answer.language, f'answer.only_in.{answer.explanation.language}')}"
    return Reply(embeds=(brief_embed(answer.explanation, limits.EMBEDS, remark, answer.proposed),))


def brief_embed(
    explanation: Explanation, room: int, remark: str = "", proposed: Proposed | None = None
) -> discord.Embed:
    """What is wrong, in the learner's numbers, and what to change; in at most `room` UTF-16 units.

    The change is a diff of the learner's own code where one is proposed, else the entry's words.
    """
    language = explanation.language
    embed = discord.Embed(title=one_line(explanation.title, limits.TITLE), colour=BLUE)
    embed.set_footer(text=" · ".join(filter(None, (remark, explanation.slug))))
    parts = [explanation.summary.strip()]
    if proposed is None:
        parts.append(f"**{say(language, 'answer.fix')}**\n{explanation.fix.strip()}")
    else:
        change = change_sentence(proposed.candidate, language)
        note = say(language, "answer.not_run", button=say(language, "button.repair"))
        diff = diff_block(proposed.before, proposed.candidate.code)
        parts.append(f"**{change}**\n{diff}\n{note}")
    available = min(limits.DESCRIPTION, room - embed_units(embed) - _SPARE)
    embed.description = clip_markdown("\n\n".join(parts), available).text
    return embed


def whole(explanation: Explanation, remark: str = "") -> Reply:
    """One explanation as a message; `remark` stands at its foot beside the entry's name."""
    embed, shortened = explanation_embed(explanation, limits.EMBEDS, remark)
    if not shortened:
        return Reply(embeds=(embed,))
    note = say(explanation.language, "answer.clipped", name=WHOLE_TEXT)
    return Reply(
        content=note,
        embeds=(embed,),
        attached=(Attached(WHOLE_TEXT, explanation.markdown().encode("utf-8", "replace")),),
    )


def unsure(language: Language, candidates: Sequence[Explanation]) -> Reply:
    """An honest "I am not sure": the nearest explanations by name, and what to post instead."""
    hint = say(language, "unsure.hint")
    if candidates:
        nearest = "\n".join(
            f"{number}. **{one_line(candidate.title, 200)}**"
            for number, candidate in enumerate(candidates, start=1)
        )
        body = f"{say(language, 'unsure.nearest')}\n{nearest}\n\n{hint}"
    else:
        body = f"{say(language, 'unsure.nothing')}\n\n{hint}"
    embed = discord.Embed(title=say(language, "unsure.title"), description=body, colour=AMBER)
    return Reply(embeds=(embed,))


def others(language: Language, candidates: Sequence[Explanation]) -> Reply:
    """Further explanations that come near, each with its first words."""
    if not candidates:
        return Reply(content=say(language, "others.none"))
    room = limits.DESCRIPTION // len(candidates) - limits.TITLE - _SPARE
    body = "\n\n".join(
        f"**{one_line(candidate.title, limits.TITLE)}**\n"
        f"{clip_markdown(candidate.summary, room).text}"
        for candidate in candidates
    )
    embed = discord.Embed(title=say(language, "others.title"), description=body, colour=BLUE)
    return Reply(embeds=(embed,))


def explanation_embed(
    explanation: Explanation, room: int, remark: str = ""
) -> tuple[discord.Embed, bool]:
    """One explanation in at most `room` UTF-16 units, and whether anything had to be left out.

    The summary, with the learner's own numbers, comes first; when room is short the example goes
    before the words do.
    """
    language = explanation.language
    embed = discord.Embed(title=one_line(explanation.title, limits.TITLE), colour=BLUE)
    embed.set_footer(text=" · ".join(filter(None, (remark, explanation.slug))))
    for name, lines in (
        ("answer.see", [_sister(see.title, see.difference) for see in explanation.see]),
        ("answer.docs", [_link(url) for url in explanation.docs]),
    ):
        value = _lines_within(lines, limits.FIELD)
        if value:
            embed.add_field(name=say(language, name), value=value, inline=False)

    taken = embed_units(embed) + _SPARE
    available = min(limits.DESCRIPTION, room - taken)
    words = "\n\n".join(
        (
            explanation.summary.strip(),
            f"**{say(language, 'answer.cause')}**\n{explanation.cause.strip()}",
            f"**{say(language, 'answer.fix')}**\n{explanation.fix.strip()}",
        )
    )
    text = clip_markdown(words, available)
    example = _example(explanation, available - units(text.text))
    embed.description = text.text + (example or "")
    return embed, text.shortened or example is None


def _example(explanation: Explanation, room: int) -> str | None:
    """The code that works under a heading; empty when there is none, None when it does not fit."""
    if not explanation.works:
        return ""
    heading = f"\n\n**{say(explanation.language, 'answer.works')}**\n"
    block = fenced(explanation.works, limits.DESCRIPTION, syntax="py")
    if block.shortened or units(heading + block.text) > room:
        return None
    return heading + block.text


def change_sentence(edit: Candidate | Edit, language: Language) -> str:
    """What an edit of a learner's code changes, in words."""
    return say(
        language,
        f"repair.{edit.rewrite.replace('-', '_')}",
        **{
            name: inline(value, 60) if isinstance(value, str) else value
            for name, value in edit.values.items()
        },
    )


def diff_block(before: str, after: str) -> str:
    """The change between two programs as a coloured block, its middle left out when it is long."""
    # Without the two lines that name the files.
    lines = "\n".join((unified_diff(before, after) or "").splitlines()[2:])
    return fenced(lines, _DIFF_ROOM, syntax="diff", keep=Keep.ENDS, most_lines=_DIFF_LINES).text


def _sister(title: str, difference: str) -> str:
    return f"**{one_line(title, 200)}** — {one_line(difference, 400)}"


def _link(url: str) -> str:
    """A link that reads as the page's name: `torch.nn.Linear` for …/torch.nn.Linear.html."""
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name.removesuffix(".html") or parts.netloc
    return f"[{one_line(name, 80)}]({url})"


def _lines_within(lines: Sequence[str], room: int) -> str:
    """As many whole lines as fit."""
    kept: list[str] = []
    for line in lines:
        if units("\n".join((*kept, line))) > room:
            break
        kept.append(line)
    return "\n".join(kept)
