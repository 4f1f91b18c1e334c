"""Verdicts as Discord messages: the change as a diff, and the runs before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import discord

from bot.confirm import Confirmation, Verdict
from bot.fence import inline
from bot.locale import say
from bot.memory import SIZES, shown
from bot.mending import Repair
from bot.render import (
    AMBER,
    GREEN,
    RED,
    change_sentence,
    diff_block,
    explanation_embed,
)
from bot.render_run import heading_and_end
from bot.render_scene import scene_embed
from bot.reply import Attached, Reply, within_limits
from knowledge.language import Language

WHOLE_REPAIR = "repaired.py"
_COLOURS = {Verdict.FIXED: GREEN, Verdict.SAME_ERROR: RED}
_END_ROOM = 450


def confirmed(confirmation: Confirmation) -> Reply:
    """The verdict on a changed piece of code, with the runs before and after."""
    language, verdict = confirmation.language, confirmation.verdict
    name = verdict.name.lower()
    repair = confirmation.repair
    title = "repaired.title" if repair else f"verdict.{name}.title"
    if repair is not None:
        parts = [*_changes(confirmation, repair)]
    else:
        parts = [_body(confirmation), *_guesses(confirmation)]
    parts.append("\n".join(completion_notes(confirmation)))
    parts.append("\n".join(estimate_sentences(confirmation)))
    if confirmation.before is None:
        parts.append(say(language, "change.no_before"))
    else:
        parts.append(heading_and_end("change.before", confirmation.before, language, _END_ROOM))
    if confirmation.after is not None:
        parts.append(heading_and_end("change.after", confirmation.after, language, _END_ROOM))
    embeds: list[discord.Embed | None] = [
        discord.Embed(
            title=say(language, title),
            description="\n\n".join(filter(None, parts)),
            colour=_COLOURS.get(verdict, AMBER),
        )
    ]
    scene = confirmation.before.scene if confirmation.before else None
    if scene is not None:
        embeds.append(scene_embed(scene, language))
    if confirmation.explanation is not None:
        embeds.append(explanation_embed(confirmation.explanation, 1_400)[0])
    attached = (Attached(WHOLE_REPAIR, confirmation.code.encode("utf-8", "replace")),)
    return Reply(embeds=within_limits(embeds), attached=attached if repair else ())


def repair_sentence(repair: Repair, language: Language) -> str:
    """What a repair changed, in words, and how sure it is."""
    sentences = " ".join(change_sentence(edit, language) for edit in repair.edits)
    return f"{sentences} ({say(language, f'grade.{repair.grade}')})"


def _changes(confirmation: Confirmation, repair: Repair) -> Sequence[str]:
    """The repair that the tutor found, as words and as a diff, and what else would run."""
    language = confirmation.language
    alternatives = [
        say(language, "repaired.alternative", change=repair_sentence(other, language))
        for other in confirmation.alternatives
    ]
    return (
        f"**{repair_sentence(repair, language)}**",
        diff_block(confirmation.before_code, repair.code),
        say(language, "repaired.body"),
        "\n".join(alternatives),
    )


def _guesses(confirmation: Confirmation) -> Iterator[str]:
    """What runs, where nothing is sure enough to be called a fix; the first one as a diff."""
    language = confirmation.language
    for number, guess in enumerate(confirmation.alternatives):
        yield say(language, "repaired.guess", change=repair_sentence(guess, language))
        if number == 0:
            yield diff_block(confirmation.before_code, guess.code)


def _body(confirmation: Confirmation) -> str:
    language = confirmation.language
    missing = ", ".join(inline(part, 60) for part in confirmation.missing[:20])
    return say(
        language,
        f"verdict.{confirmation.verdict.name.lower()}.body",
        missing=missing,
        button=say(language, "button.confirm"),
    )


def completion_notes(confirmation: Confirmation) -> list[str]:
    """What was added to the learner's code before it ran, and how it ran."""
    language = confirmation.language
    imports = ", ".join(inline(line, 80) for line in confirmation.imports[:5])
    values = ", ".join(inline(f"{each.name}: {each.text}", 90) for each in confirmation.made_up[:5])
    notes = []
    if imports:
        notes.append(say(language, "made_up.imports", names=imports))
    if values:
        notes.append(say(language, "made_up.values", names=values))
    if confirmation.simulated:
        notes.append(say(language, "change.simulated"))
    return notes


def estimate_sentences(confirmation: Confirmation) -> list[str]:
    """What is known about the memory of a post whose memory ran out."""
    language, told = confirmation.language, confirmation.estimate
    if told is None:
        return []
    facts: dict[str, object] = {
        name: shown(size)
        for name in ("asked", "free", "total", "held", "room")
        if (size := getattr(told, name)) is not None
    }
    sentences = []
    if told.asked is not None and told.total is not None and told.asked > told.total:
        sentences.append(say(language, "memory.larger", **facts))
    elif told.asked is not None and told.free is not None and told.asked > told.free:
        sentences.append(
            say(language, "memory.short", short=shown(told.asked - told.free), **facts)
        )
    elif told.asked is not None:
        sentences.append(say(language, "memory.asked", **facts))
    if told.held is not None and told.total is not None:
        sentences.append(say(language, "memory.held", **facts))
    step = told.step
    if step is None:
        return sentences
    facts |= {"fixed": shown(step.fixed), "each": shown(step.each), "batch": step.batch}
    facts["needs"] = shown(step.needs(step.batch))
    sentences.append(say(language, "memory.step", sizes=", ".join(map(str, SIZES)), **facts))
    if told.room is not None:
        fits = step.fits(told.room)
        if fits >= step.batch:
            sentences.append(say(language, "memory.elsewhere", **facts))
        elif fits:
            sentences.append(say(language, "memory.fits", fits=fits, **facts))
        else:
            sentences.append(say(language, "memory.none_fits", **facts))
    return sentences
