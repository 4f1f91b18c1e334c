"""The beginning of a new entry, made from a pasted error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from knowledge.post import Post
from knowledge.signature import Signature, SignatureError

_LONGEST: Final = 200
_SLUG_WORDS: Final = 5
_VARIABLE: Final = re.compile(
    r"""
      (?P<shape>torch\.Size\(\[[\d,\ ]{0,60}\]\)|\[\d+(?:,\ ?\d+){0,9}\]|\(\d+(?:,\ ?\d+){0,9},?\))
    | (?P<product>\d+x\d+)
    | (?P<device>\b(?:cuda|mps|xpu):\d+)
    | (?P<path>(?<![\w/])/[\w./-]+)
    | '(?P<name>[A-Za-z_][\w.]*)'
    | (?P<number>(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?(?![\w.]))
    | (?P<count>(?<![\w.])-?\d+(?![\w]))
    """,
    re.VERBOSE,
)
"""What differs from one learner's message to the next."""
_TYPES: Final = {
    "shape": "shape",
    "device": "w",
    "path": "w",
    "name": "w",
    "number": "n",
    "count": "d",
}


class NoError(ValueError):
    """The pasted text holds no error to make an entry of; the message says what to paste."""


@dataclass(frozen=True)
class Scaffold:
    """A new English entry with blanks: `template` matches the pasted error's message."""

    slug: str
    template: str
    text: str


def template_of(message: str) -> str:
    """The signature template of a message: its first line, with slots where values differ.

    Raises SignatureError when too little is left that tells this error from others.
    """
    line = next((each for each in message.splitlines() if each.strip()), "").strip()[:_LONGEST]
    template = "".join(_pieces(line))
    Signature(template)
    return template


def _pieces(line: str) -> Iterator[str]:
    seen: Counter[str] = Counter()

    def slot(name: str, kind: str) -> str:
        seen[name] += 1
        number = seen[name] if seen[name] > 1 else ""
        return f"{{{name}{number}:{kind}}}"

    end = 0
    for found in _VARIABLE.finditer(line):
        yield _literal(line[end : found.start()])
        kind = found.lastgroup or ""
        if kind == "product":
            yield f"{slot('rows', 'd')}x{slot('cols', 'd')}"
        elif kind == "name":
            yield f"'{slot('name', 'w')}'"
        else:
            yield slot(kind, _TYPES[kind])
        end = found.end()
    yield _literal(line[end:])


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def scaffold(post: Post, slug: str | None = None) -> Scaffold:
    """An entry for the decisive error of `post`, with blanks for what only a person can say.

    `slug` is derived from the message when None. The post's own code becomes the failing example.
    Raises NoError when the post holds no error, or one whose message says too little.
    """
    if not post.errors:
        raise NoError(
            "There is no error in this text. Paste the whole traceback, from “Traceback” to its "
            "last line."
        )
    error = post.errors[0]
    try:
        template = template_of(error.message or error.text)
    except SignatureError as problem:
        raise NoError(
            f"The message of this error says too little to recognise it: {problem}"
        ) from None
    slug = slug or _slug(error.message or error.text)
    front = yaml.safe_dump(
        {"signatures": [{"template": template}]}, allow_unicode=True, sort_keys=False, width=10_000
    )
    code = "\n\n".join(block.strip("\n") for block in post.code) or "import torch"
    text = f"""\
---
title:
kind: error
device: any
{front}symptoms:
  -
see: []
docs: []
---

## Cause

## Fix

## Example

```python fails
{code}
```

```python works
```
"""
    return Scaffold(slug, template, text)


def _slug(message: str) -> str:
    plain = _VARIABLE.sub(" ", message.splitlines()[0])
    words = [word.lower() for word in re.findall(r"[A-Za-z]{2,}", plain)]
    return "-".join(words[:_SLUG_WORDS]) or "new-error"
