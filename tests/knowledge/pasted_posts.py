"""Posts as people paste them, one in each file of `pasted/`; the fuzz run starts from them too."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from knowledge.post import Post, parse

_FOLDER = Path(__file__).parent / "pasted"

NAMES = sorted(path.stem for path in _FOLDER.glob("*.txt"))


@cache
def pasted(name: str) -> str:
    """The text of the post `name`, as it was pasted."""
    return (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def read(name: str) -> Post:
    """The post `name`, taken apart."""
    return parse(pasted(name))


def calls(post: Post) -> list[str]:
    """The functions in the frames of the decisive error, outermost first."""
    return [frame.function for frame in post.errors[0].frames]
