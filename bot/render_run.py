"""Runs as Discord messages: how one ended, what it printed, and before against after."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot import reply as limits
from bot.fence import Cut, Keep, fenced, inline, one_line, units
from bot.findings import findings_embed
from bot.locale import say
from bot.outcome import error_text
from bot.render import GREEN, RED, brief_embed
from bot.render_scene import scene_embed
from bot.reply import Attached, Reply, embed_units, within_limits
from bot.tutor import ExampleRun, RunReport
from knowledge.language import Language
from sandbox.protocol import OutputFile, Result, Status

WHOLE_OUTPUT = "output.txt"
_PNG = b"\x89PNG\r\n\x1a\n"
_ODD_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_HELPED = frozenset(Status) - {Status.OK, Status.ERROR}
"""The ends of a run that need a word of advice."""
_DETAILED = frozenset({Status.SIGNAL, Status.INTERNAL})
"""The ends of a run of which the status alone says too little."""
_SPARE = 200
"""Units kept free for the title and the foot of a message."""
_MOST_LINES = 24
"""The most lines of one stream that are shown: a channel is no place for a log."""


@dataclass(frozen=True)
class _Block:
    """A stretch of output: its heading, its text, which part matters, and its share of the room."""

    heading: str
    text: str
    keep: Keep
    share: int


def ran(report: RunReport) -> Reply:
    """How a run ended, in words; what it printed; its pictures; and what its error means."""
    result, language = report.result, report.language
    explanation = report.answer.explanation if report.answer else None
    scene = scene_embed(result.scene, language) if result.scene else None
    findings = findings_embed(result.findings, language) if report.checked else None
    free = limits.EMBEDS - _SPARE - sum(embed_units(one) for one in (scene, findings) if one)
    about = brief_embed(explanation, free // 2) if explanation else None
    free -= embed_units(about) if about else 0
    pictures, others = _pictures(result.files)

    notes = _notes(result, language, others)
    blocks = _blocks(result, language)
    room = min(free, limits.DESCRIPTION) - units("\n\n".join(notes))
    body, shortened = _fill(blocks, room)
    if not blocks and result.status not in _HELPED:
        notes = (say(language, "run.no_output"), *notes)

    embed = discord.Embed(
        title=_worded(result, language, "run.title"),
        description="\n".join(filter(None, ("\n".join(notes), body))),
        colour=GREEN if result.status is Status.OK else RED,
    )
    facts = say(
        language,
        "run.facts",
        seconds=_seconds(result),
        memory=round(result.peak_mib),
        device=say(language, f"device.{result.device}"),
        tier=say(language, f"tier.{result.tier}"),
    )
    embed.set_footer(text=facts)
    if len(pictures) == 1:
        embed.set_image(url=f"attachment://{pictures[0].name}")
    return Reply(
        content=say(language, "answer.clipped", name=WHOLE_OUTPUT) if shortened else "",
        embeds=within_limits((embed, scene, findings, about)),
        attached=(*pictures, *((_whole_output(result),) if shortened else ())),
    )


def example_ran(example: ExampleRun) -> Reply:
    """An entry's own example: the code that fails and the code that works, each with its end."""
    explanation = example.explanation
    language = explanation.language
    embeds = tuple(
        discord.Embed(
            title=_change(key, result, language),
            description=_code_and_end(code or "", result),
            colour=GREEN if result.status is Status.OK else RED,
        )
        for key, code, result in (
            ("change.before", explanation.fails, example.before),
            ("change.after", explanation.works, example.after),
        )
    )
    return Reply(content=f"**{one_line(explanation.title, limits.TITLE)}**", embeds=embeds)


def _worded(result: Result, language: Language, family: str) -> str:
    return say(
        language,
        f"{family}.{result.status}",
        code=result.exit_code,
        signal=result.signal,
    )


def _seconds(result: Result) -> str:
    return f"{result.wall_s:.2f}"


def _notes(result: Result, language: Language, others: Sequence[str]) -> tuple[str, ...]:
    """The sentences around the output, each on its own line."""
    notes: list[str] = []
    if result.status in _HELPED:
        notes.append(_worded(result, language, "run.help"))
    if result.hint is not None:
        notes.append(say(language, f"run.wall.{result.hint.wall}", most=result.hint.most))
    if result.detail and result.status in _DETAILED:
        notes.append(inline(result.detail, 300))
    if result.truncated:
        notes.append(say(language, "run.truncated"))
    for key, names in (("run.files_left", others), ("run.files_skipped", result.skipped_files)):
        if names:
            listed = ", ".join(inline(name, 80) for name in names[:8])
            more = f" +{len(names) - 8}" if len(names) > 8 else ""
            notes.append(say(language, key, names=listed + more))
    return tuple(notes)


def _blocks(result: Result, language: Language) -> tuple[_Block, ...]:
    line = result.exception.line if result.exception else None
    error = (
        say(language, "run.error") if line is None else say(language, "run.error_line", line=line)
    )
    blocks = (
        _Block(error, error_text(result), Keep.TAIL, 3),
        _Block(say(language, "run.stdout"), result.stdout, Keep.ENDS, 4),
        _Block(say(language, "run.stderr"), result.stderr, Keep.TAIL, 2),
    )
    return tuple(block for block in blocks if block.text.strip())


def _fill(blocks: Sequence[_Block], room: int) -> tuple[str, bool]:
    """The blocks within `room`, each given its share, and whether one was shortened."""
    shares = sum(block.share for block in blocks)
    filled: list[Cut] = []
    for block in blocks:
        heading = f"**{block.heading}**\n"
        own = room * block.share // shares - len(heading) - 1
        part = fenced(block.text, own, keep=block.keep, most_lines=_MOST_LINES)
        filled.append(Cut(heading + part.text, part.shortened))
    return "\n".join(cut.text for cut in filled), any(cut.shortened for cut in filled)


def _end(result: Result, room: int) -> str:
    """The decisive last words of a run as a code block: its error, else what it printed."""
    raised = result.exception
    if raised is not None:
        words = f"{raised.type}: {raised.message}"
    else:
        words = result.stdout if result.stdout.strip() else result.stderr
    if not words.strip():
        return ""
    return fenced(words, room, keep=Keep.TAIL, most_lines=_MOST_LINES // 2).text


def _change(key: str, result: Result, language: Language) -> str:
    outcome = _worded(result, language, "outcome")
    return say(language, key, outcome=outcome, seconds=_seconds(result))


def heading_and_end(key: str, result: Result, language: Language, room: int) -> str:
    """How one of two runs ended, and its last words within `room`; `key` is its heading."""
    return f"**{_change(key, result, language)}**\n{_end(result, room)}".rstrip()


def _code_and_end(code: str, result: Result) -> str:
    block = fenced(code, 1_600, syntax="py", keep=Keep.HEAD).text if code.strip() else ""
    return "\n".join(filter(None, (block, _end(result, 900))))


def _pictures(files: Sequence[OutputFile]) -> tuple[tuple[Attached, ...], tuple[str, ...]]:
    """The pictures that can be attached, under harmless names, and the names of all other files.

    A picture is known by its first bytes and is never decoded here: it comes from a stranger.
    """
    pictures: list[Attached] = []
    others: list[str] = []
    total = 0
    for file in files:
        try:
            data = base64.b64decode(file.content_base64, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        # One place is kept for the whole output.
        fits = len(pictures) < limits.FILES - 1 and total + len(data) <= limits.BYTES // 2
        if data.startswith(_PNG) and fits:
            total += len(data)
            pictures.append(Attached(_picture_name(file.name, len(pictures) + 1), data))
        else:
            others.append(file.name)
    return tuple(pictures), tuple(others)


def _picture_name(name: str, number: int) -> str:
    """A name that cannot clash with another and that `attachment://` takes."""
    stem = _ODD_IN_A_NAME.sub("_", name.rpartition("/")[2].removesuffix(".png"))[:60].strip("._")
    return f"{number}-{stem or 'picture'}.png"


def _whole_output(result: Result) -> Attached:
    """Everything that was printed, in one text file of bounded size."""
    parts = [
        f"--- {name} ---\n{text}"
        for name, text in (
            ("traceback", error_text(result)),
            ("stdout", result.stdout),
            ("stderr", result.stderr),
        )
        if text.strip()
    ]
    data = "\n\n".join(parts).encode("utf-8", "backslashreplace")
    return Attached(WHOLE_OUTPUT, data[: limits.BYTES // 2])
