"""An entry's texts in a learner's language, with the numbers of the learner's own error in them.

Slot values come out of strangers' messages. They are handed to the templates as values, never as
template source, and on their way out they lose whatever could change the Markdown around them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from knowledge.entry import Entry
from knowledge.language import Language
from knowledge.page import HEADINGS
from knowledge.signature import MAX_SLOT, SlotValue

# Marks around a value in rendered text, until it is known whether the value stands in code. They
# are private-use characters, which `_clean` removes from the values themselves.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_FENCE = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})")
_CODE_OR_VALUE = re.compile(f"`+|{_MARKED.pattern}")
_TAG_LINE = re.compile(r"^[ \t]*(\{%(?:(?!%\}).)*%\})[ \t]*\n", re.MULTILINE)
_GAP = re.compile(r"\n{3,}")
_BACKTICKS = re.compile(r"`+")

_SHAPE = re.compile(r"\[[\d, *-]*\]")
_MARKUP = re.compile(r"([\\*_~|\[\]<>#&])")
_LIST_MARK = re.compile(r"^(\d*)([-+=.)])")
_CALL = re.compile(r"@(?=everyone|here)")
_ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True)
class _Labels:
    """The fixed words of a whole explanation in one language."""

    fails: str
    works: str
    see: str
    docs: str
    colon: str


_LABELS: Final[Mapping[Language, _Labels]] = {
    Language.EN: _Labels("Goes wrong", "Works", "Easily confused with", "Documentation", ": "),
    Language.JA: _Labels(
        "うまくいかない例", "うまくいく例", "混同しやすい問題", "ドキュメント", ": "
    ),
    Language.ZH: _Labels("出错的代码", "正确的代码", "容易混淆的问题", "文档", "："),
}


@dataclass(frozen=True)
class See:
    """A sister entry and how to tell it apart."""

    slug: str
    title: str
    difference: str


@dataclass(frozen=True)
class Explanation:
    """An entry as one learner reads it; summary, cause and fix are Markdown.

    `language` is that of the texts: English, or what an author wrote instead, where an entry has no
    translation.
    """

    slug: str
    language: Language
    title: str
    summary: str
    cause: str
    fix: str
    fails: str | None
    works: str | None
    see: tuple[See, ...]
    docs: tuple[str, ...]

    def markdown(self) -> str:
        """The whole explanation as Markdown, with headings in its language."""
        labels = _LABELS[self.language]
        cause, fix = HEADINGS[self.language]
        parts = [f"# {self.title}", self.summary, f"## {cause}", self.cause, f"## {fix}", self.fix]
        for heading, code in ((labels.fails, self.fails), (labels.works, self.works)):
            if code is not None:
                parts += [f"## {heading}", _fenced(code)]
        if self.see:
            sisters = (f"- {s.title} (`{s.slug}`){labels.colon}{s.difference}" for s in self.see)
            parts += [f"## {labels.see}", "\n".join(sisters)]
        if self.docs:
            parts += [f"## {labels.docs}", "\n".join(f"- <{link}>" for link in self.docs)]
        return "\n\n".join(parts) + "\n"


def explain(
    entry: Entry,
    slots: Mapping[str, SlotValue],
    language: Language,
    library: Mapping[str, Entry],
) -> Explanation:
    """What `entry` says in `language`, with the values of `slots` filled in.

    Sisters that are not in `library` are left out. Raises jinja2.TemplateError when a text of the
    entry is no valid template, which `knowledge.validate` finds beforehand.
    """
    used = language if language in entry.texts else Language.EN
    text = entry.texts[used]
    names = frozenset(name for signature in entry.signatures for name in signature.slots)

    def fill(source: str) -> str:
        try:
            return render(source, names, slots)
        except Exception:
            # A stranger's numbers need not fit an author's expression (a division by zero, say).
            # The sentence for the case without numbers is right then too.
            if not slots:
                raise
            return render(source, names, {})

    return Explanation(
        slug=entry.slug,
        language=entry.written if used is Language.EN else used,
        title=text.title,
        summary=fill(text.summary),
        cause=fill(text.cause),
        fix=fill(text.fix),
        fails=entry.fails,
        works=entry.works,
        see=tuple(
            See(
                sister.slug,
                _in(used, {key: t.title for key, t in library[sister.slug].texts.items()}),
                _in(used, sister.difference),
            )
            for sister in entry.see
            if sister.slug in library
        ),
        docs=entry.docs,
    )


def render(source: str, names: frozenset[str], slots: Mapping[str, SlotValue]) -> str:
    """The Markdown template `source` with `slots` filled in; the other `names` are None.

    Raises jinja2.TemplateError for a broken template or a name that is not in `names`, and
    whatever an expression of the template raises.
    """
    values = {
        name: _clean(value) if isinstance(value, str) else value for name, value in slots.items()
    }
    filled = _template(source).render(dict.fromkeys(names) | values)
    return _GAP.sub("\n\n", _settle(filled)).strip()


def _finalize(value: object) -> str:
    if value is None:
        raise ValueError("a slot is printed while it is empty; put it inside {% if slot %}")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    return f"{_OPEN}{_clean(str(value))}{_CLOSE}"


ENVIRONMENT: Final = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,  # the result is Markdown, not HTML; `_settle` does the escaping
    finalize=_finalize,
)


@lru_cache(maxsize=2048)
def _template(source: str) -> Template:
    # A line that holds nothing but a tag leaves no empty line behind, which would end a list.
    return ENVIRONMENT.from_string(_TAG_LINE.sub(r"\1", source + "\n"))


def _in(language: Language, texts: Mapping[Language, str]) -> str:
    return texts.get(language) or texts[Language.EN]


def _clean(value: str) -> str:
    """`value` on one line, without backticks and invisible characters, cut to the longest slot."""
    visible = (
        character
        for character in " ".join(value[: 4 * MAX_SLOT].split())
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    plain = "".join(visible).replace("`", "'")[:MAX_SLOT].strip()
    return _CALL.sub(f"@{_ZERO_WIDTH_SPACE}", plain)


def _settle(filled: str) -> str:
    """`filled` with the marked values as they are in code, and with escaped markup elsewhere."""
    lines = []
    fence = ""  # the marks that opened the fence in which the line stands
    span = ""  # the backticks that opened the code span in which the line begins
    for line in filled.split("\n"):
        found = _FENCE.match(line)
        if fence:
            if found and found["marks"].startswith(fence) and not line.strip(" `~"):
                fence = ""
            lines.append(_MARKED.sub(r"\1", line))
        elif found and not span:
            fence = found["marks"]
            lines.append(_MARKED.sub(r"\1", line))
        else:
            settled, span = _settle_line(line, span if line.strip() else "")
            lines.append(settled)
    return "\n".join(lines)


def _settle_line(line: str, span: str) -> tuple[str, str]:
    def settle(found: re.Match[str]) -> str:
        nonlocal span
        if found[1] is None:
            if not span:
                span = found[0]
            elif span == found[0]:
                span = ""
            return found[0]
        return found[1] if span else _escaped(found[1])

    return _CODE_OR_VALUE.sub(settle, line), span


def _escaped(value: str) -> str:
    """`value` such that Markdown shows it literally and makes no link or mention of it."""
    if _SHAPE.fullmatch(value):
        return value
    inert = value.replace("://", f":{_ZERO_WIDTH_SPACE}//").replace("@", f"@{_ZERO_WIDTH_SPACE}")
    return _LIST_MARK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", inert))


def _fenced(code: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}python\n{code.rstrip()}\n{marks}"
