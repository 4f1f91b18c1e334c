"""Paste damaged posts at the parser: it must not fail, waver or take more than 50 ms per 100 kB.

Starts from real posts, mutates them, and keeps what was slow for further mutation. A failure is
printed with the seed and the round that made it, so that it can be had again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from knowledge.post import parse

ROOT = Path(__file__).resolve().parents[1]
SCALE = 100_000
MAX_CHARS = 6_000
KEPT = 60
TRIES = 4  # one, and three more before an input is called slow
SCALED_EVERY = 4

TOKENS: tuple[str, ...] = (
    *"\n \t>|`:\"'\\<&[](){}#*-=~^│╭╰❱❌。：，（）\x1b\u200b\u3000\ufeff\x00\ud800",
    "Traceback (most recent call last):\n",
    '  File "a.py", line 3, in f\n',
    "RuntimeError: ",
    "KeyError",
    "Error",
    "UserWarning: ",
    "During handling of the above exception, another exception occurred:\n",
    "The above exception was the direct cause of the following exception:\n",
    "```\n",
    "```python\n",
    "~~~\n",
    ">>> ",
    "----> 4 ",
    "E   ",
    "[rank0]: ",
    "2031-01-01 10:11:12,345 ERROR x ",
    "128.0s 206 ",
    "worker-1  | ",
    "| a | b |\n",
    "&lt;",
    "&amp;gt;",
    "<br>",
    "\\n",
    "\\_",
    '"\\n",\n',
    "\x1b[31m",
    "[0m",
    "Cell In[3], line 2\n",
    "frame #0: x\n",
    "Root Cause (first observed failure):\n",
    "  rank      : 1 (local_rank: 1)\n",
    "got RuntimeError('",
    "torch.Size([3, 4])",
    "CUDA error",
    "Assertion `x` failed",
    "RuntirneError: rnat1",
    "9" * 30,
    "a" * 200,
    "あ" * 30,
    "漢字",
)


@dataclass
class Run:
    """What one fuzz run did: `slowest` is in ms per 100 kB, with the input that took it."""

    seed: int
    executions: int = 0
    scaled: int = 0
    slowest: float = 0.0
    slowest_text: str = ""
    slow: list[tuple[float, int, str]] = field(default_factory=list)
    crashes: list[tuple[str, int, str]] = field(default_factory=list)
    corpus: list[str] = field(default_factory=list)


def seeds() -> list[str]:
    """The posts to start from."""
    tests = ROOT / "tests" / "knowledge"
    rows = yaml.safe_load((tests / "seed_rows.yaml").read_text(encoding="utf-8"))
    pasted = [path.read_text(encoding="utf-8") for path in sorted(tests.glob("pasted/*.txt"))]
    return [*pasted, *(str(row["post"]) for row in rows)]


def _span(text: str, chance: random.Random) -> tuple[int, int]:
    start = chance.randint(0, len(text))
    return start, min(len(text), start + chance.choice((1, 3, 10, 40, 200)))


def _insert(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    place = chance.randint(0, len(text))
    return text[:place] + chance.choice(TOKENS) * chance.choice((1, 1, 1, 2, 40)) + text[place:]


def _delete(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    start, end = _span(text, chance)
    return text[:start] + text[end:]


def _repeat(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    start, end = _span(text, chance)
    return text[:end] + text[start:end] * chance.choice((1, 5, 50)) + text[end:]


def _only(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    start, end = _span(text, chance)
    return text[start:end] or text


def _splice(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    other = chance.choice(corpus)
    return text[: chance.randint(0, len(text))] + other[chance.randint(0, len(other)) :]


def _shuffle(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    lines = text.split("\n")
    chance.shuffle(lines)
    return "\n".join(lines)


def _prefix(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    token = chance.choice(TOKENS).rstrip("\n")
    return "\n".join(token + line for line in text.split("\n"))


def _wrap(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    width = chance.choice((1, 7, 20, 40, 80))
    return "\n".join(text[place : place + width] for place in range(0, len(text), width))


def _join(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    return text.replace("\n", chance.choice((" ", "", "\\n", "\r\n", "\t")))


def _noise(text: str, corpus: Sequence[str], chance: random.Random) -> str:
    characters = list(text)
    for _ in range(min(len(characters), chance.choice((1, 5, 30)))):
        characters[chance.randrange(len(characters))] = chr(chance.randrange(0x11_0000))
    return "".join(characters)


MUTATIONS: tuple[Callable[[str, Sequence[str], random.Random], str], ...] = (
    _insert,
    _delete,
    _repeat,
    _only,
    _splice,
    _shuffle,
    _prefix,
    _wrap,
    _join,
    _noise,
)


def mutated(corpus: Sequence[str], chance: random.Random) -> str:
    """A post of `corpus` with one to six mutations."""
    text = chance.choice(corpus)
    for _ in range(chance.randint(1, 6)):
        mutate = chance.choice(MUTATIONS)
        text = mutate(text, corpus, chance)[:MAX_CHARS]
    return text


def milliseconds(text: str) -> float:
    """Processor time that parsing `text` takes."""
    start = time.process_time()
    parse(text)
    return (time.process_time() - start) * 1_000


def per_100_kb(text: str, bound: float) -> float:
    """Milliseconds for `text` repeated to 100 kB: the best of some tries if above `bound`."""
    scaled = (text + "\n") * (SCALE // (len(text) + 1) + 1)
    scaled = scaled[:SCALE]
    best = milliseconds(scaled)
    for _ in range(TRIES - 1):
        if best <= bound:
            break
        best = min(best, milliseconds(scaled))
    return best


def fuzz(seed: int, seconds: float, executions: int, bound: float) -> Run:
    """Run until `seconds` or `executions` are spent; both zero means no end."""
    chance = random.Random(seed)  # noqa: S311 (repeatable on purpose, no secret)
    run = Run(seed, corpus=seeds())
    started = len(run.corpus)
    speeds: list[tuple[float, str]] = []
    end = time.monotonic() + seconds if seconds else None
    while not (executions and run.executions >= executions):
        if end and time.monotonic() >= end:
            break
        text = mutated(run.corpus, chance)
        run.executions += 1
        try:
            if parse(text) != parse(text):
                raise AssertionError("two readings of one text differ")
            if run.executions % SCALED_EVERY:
                continue
            took = per_100_kb(text, bound)
        except Exception:  # whatever it is, it is what we look for
            run.crashes.append((traceback.format_exc(limit=-4), run.executions, text))
            continue
        run.scaled += 1
        if took > run.slowest:
            run.slowest, run.slowest_text = took, text
        if took > bound:
            run.slow.append((took, run.executions, text))
        speeds = sorted([*speeds, (took, text)], reverse=True)[:KEPT]
        run.corpus[started:] = [slow for _, slow in speeds]
    return run


def main() -> int:
    """Fuzz, print a summary, and return 1 for any failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long; 0 for no limit")
    parser.add_argument("--executions", type=int, default=0, help="how many; 0 for no limit")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same inputs")
    parser.add_argument("--bound", type=float, default=50, help="milliseconds per 100 kB")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that failed")
    asked = parser.parse_args()
    run = fuzz(asked.seed, asked.seconds, asked.executions, asked.bound)
    for trace, number, text in run.crashes[:5]:
        print(f"CRASH in round {number} of seed {run.seed}: {text[:300]!r}\n{trace}")
    for took, number, text in sorted(run.slow, reverse=True)[:10]:
        print(f"SLOW in round {number}: {took:.1f} ms per 100 kB: {text[:300]!r}")
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
        for _, number, text in (*run.crashes, *run.slow):
            kept = asked.keep / f"{run.seed}-{number}.txt"
            kept.write_text(text, encoding="utf-8", errors="surrogatepass")
    print(
        f"seed {run.seed}: {run.executions} executions, {run.scaled} of them also at 100 kB; "
        f"corpus {len(run.corpus)}; {len(run.crashes)} crashes, {len(run.slow)} slow; "
        f"slowest {run.slowest:.1f} ms per 100 kB: {run.slowest_text[:80]!r}"
    )
    return 1 if run.crashes or run.slow else 0


if __name__ == "__main__":
    sys.exit(main())
