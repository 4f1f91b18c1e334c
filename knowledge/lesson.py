"""An entry made of what somebody wrote into a form, as the Markdown file that it would be."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from knowledge.entry import Entry, EntryError, read_library
from knowledge.language import Language
from knowledge.page import Kind
from knowledge.validate import unfit

_TEMPLATE: Final = re.compile(r"\{[{%#]|[%#}]\}")
_BACKTICKS: Final = re.compile(r"`+")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")


@dataclass(frozen=True)
class Lesson:
    """What somebody knows about one error, in their own words and one language.

    `cause` and `fix` are Markdown, `fails` and `works` Python. `template` recognises the message;
    it is None where the failure prints none.
    """

    title: str
    cause: str
    fix: str
    fails: str
    works: str
    language: Language = Language.EN
    kind: Kind = Kind.ERROR
    template: str | None = None
    symptoms: tuple[str, ...] = ()

    def page(self) -> str:
        """The entry's file. Its headings are English in every language, as the format wants."""
        front = {
            "title": " ".join(self.title.split()),
            **({} if self.language is Language.EN else {"language": self.language.value}),
            "kind": self.kind.value,
            "device": "any",
            "signatures": [{"template": self.template}] if self.template else [],
            "symptoms": list(self.symptoms),
            "see": [],
            "docs": [],
        }
        summary, cause = _parted(_verbatim(self.cause))
        parts = [
            f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=10_000)}---",
            summary,
            f"## Cause\n\n{cause}",
            f"## Fix\n\n{_verbatim(self.fix)}",
            f"## Example\n\n{_fenced(self.fails, 'fails')}",
            _fenced(self.works, "works"),
        ]
        return "\n\n".join(parts) + "\n"

    def entry(self, slug: str, category: str, known: Collection[str]) -> Entry:
        """The entry that the file describes. Raises EntryError when it could not be shown.

        `known` are the slugs of all other entries.
        """
        with tempfile.TemporaryDirectory(prefix="tutor-lesson-") as folder:
            path = Path(folder) / category / f"{slug}.md"
            path.parent.mkdir()
            path.write_text(self.page(), encoding="utf-8")
            volumes, faults = read_library(Path(folder), known)
            found = [*faults, *(fault for volume in volumes for fault in unfit(volume))]
        if found or not volumes:
            raise EntryError(found)
        return volumes[0].entry


def _verbatim(text: str) -> str:
    """`text` as a template that says just that, whatever braces stand in it."""
    return _TEMPLATE.sub(lambda found: f"{{{{ '{found[0]}' }}}}", text.strip())


def _parted(text: str) -> tuple[str, str]:
    """The first sentence, which learners read first, and the rest; all of it where there is one."""
    first, *rest = text.split("\n\n", 1)
    if not rest:
        first, *rest = _SENTENCE.split(text, maxsplit=1)
    remaining = rest[0].strip() if rest else ""
    return (first.strip(), remaining) if first.strip() and remaining else (text, text)


def _fenced(code: str, mark: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python {mark}\n{code.strip(chr(10)).rstrip()}\n{fence}"
