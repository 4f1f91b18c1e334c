"""How long one post takes, from its text to the embed, and how long a start takes."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.assembly import build_searcher
from bot.render import explained
from bot.settings import Settings
from bot.tutor import Tutor
from knowledge.entry import Entry
from knowledge.search import Evidence

QUESTIONS = Path(__file__).parents[1] / "tests" / "knowledge" / "questions.jsonl"
SIGNATURE_MS = 5.0
MEANING_MS = 25.0
READY_S = 6.0
STARTS = 3

READY = """\
import asyncio
from bot.assembly import running_tutor
from bot.settings import Settings

async def main():
    async with running_tutor(Settings(), lambda tutor: tutor.prepare()) as tutor:
        await tutor.answer("my loss stays at 2.30 in every epoch, what is wrong?")
        print("answered", flush=True)

asyncio.run(main())
"""
_SLOT = re.compile(r"\{[^{}:]*:(\w+)\}")
_VALUES = {"d": "3", "n": "2.5", "w": "Float", "shape": "[2, 3]", "t": "some text"}


@dataclass(frozen=True)
class Taken:
    """Milliseconds that posts took, parted by what decided them."""

    signature: tuple[float, ...]
    meaning: tuple[float, ...]


def posts_of_entries(entries: Sequence[Entry]) -> list[str]:
    """A post about each entry that errors are recognized by."""
    return [_post(entry) for entry in entries if entry.signatures]


def _post(entry: Entry) -> str:
    """A post with the code and the error of `entry`, its slots filled."""
    said = _SLOT.sub(lambda slot: _VALUES[slot[1]], entry.signatures[0].template)
    return (
        f"why does this fail?\n```python\n{entry.fails or ''}```\n"
        "Traceback (most recent call last):\n"
        '  File "train.py", line 31, in <module>\n    loss = step(batch)\n'
        f"RuntimeError: {said}"
    )


async def answered(tutor: Tutor, posts: Sequence[str]) -> Taken:
    """Answer `posts` one after the other: parse, search, explain, lay out the embed."""
    signature, meaning = [], []
    for text in posts:
        started = time.perf_counter()
        answer = await tutor.answer(text)
        explained(answer)
        taken = (time.perf_counter() - started) * 1000
        best = answer.ranking.best
        by_meaning = best is None or best.evidence is Evidence.MEANING
        (meaning if by_meaning else signature).append(taken)
    return Taken(tuple(signature), tuple(meaning))


def start_s() -> float:
    """Seconds from the start of a process, sandbox included, to its first answered question."""
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", READY], stdout=subprocess.PIPE) as process:
        said = process.stdout.readline() if process.stdout else b""
        taken = time.perf_counter() - started
    if said != b"answered\n" or process.returncode:
        sys.exit("a tutor of the bench did not start, or did not end well")
    return taken


def posts(console: Console) -> None:
    """Print a table of both, the target beside each figure."""
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    searcher = build_searcher(Settings())
    searcher.load()
    tutor = Tutor(searcher)
    texts = posts_of_entries(searcher.entries)
    texts += [json.loads(line)["text"] for line in lines]
    first = asyncio.run(answered(tutor, texts))
    later = asyncio.run(answered(tutor, texts))
    starts = sorted(start_s() for _ in range(STARTS))
    table = Table(
        "what",
        "posts",
        "median",
        "p99",
        "target (median)",
        title="one post: parse, search, explain, lay out the embed",
    )
    for when, taken in (("first post of its entry", first), ("later", later)):
        for what, values, target in (
            ("a signature decides", taken.signature, SIGNATURE_MS),
            ("the encoder is needed", taken.meaning, MEANING_MS),
        ):
            table.add_row(
                f"{what}, {when}",
                str(len(values)),
                f"{share(values, 0.5):.1f} ms",
                f"{share(values, 0.99):.1f} ms",
                f"{target:.0f} ms",
            )
    table.add_row(
        "start to first answered question, warm cache",
        str(STARTS),
        f"{starts[len(starts) // 2]:.1f} s",
        f"{starts[-1]:.1f} s",
        f"{READY_S:.0f} s",
    )
    console.print(table)


def share(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    posts(Console())
