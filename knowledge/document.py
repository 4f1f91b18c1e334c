"""A Markdown file with YAML front matter, read so that every value knows its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from markdown_it import MarkdownIt

LONGEST_FILE: Final = 200_000
"""Bytes of an entry file."""
LONGEST_FRONT_MATTER: Final = 12_000
"""Characters. Deeper nesting than fits in here overruns the stack of the YAML parser, which would
end the whole process."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Blocks alone: the text inside paragraphs is a template, which becomes Markdown only when rendered.
_MARKDOWN = MarkdownIt("commonmark").disable(["inline", "html_block", "reference"])
_STRING = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file, and what to do about it. `line` counts from 1."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Prose:
    """A text and the line of its file where it begins."""

    text: str
    line: int


@dataclass(frozen=True)
class Fence:
    """A fenced code block; `line` is that of the first line of code."""

    info: str
    code: str
    line: int


@dataclass(frozen=True)
class Section:
    """What stands under one heading (an empty one: before the first), without the heading."""

    heading: str
    prose: Prose
    fences: tuple[Fence, ...]
    line: int


class Fields:
    """A YAML mapping whose values are asked for by key and kind.

    What is missing or of the wrong kind is put on the list of faults, and an empty value is given
    back, so that one reading finds all faults. `unused` must be asked last.
    """

    def __init__(
        self, path: Path, node: yaml.MappingNode, offset: int, faults: list[Fault]
    ) -> None:
        self.line = node.start_mark.line + offset
        self._path = path
        self._offset = offset
        self._faults = faults
        self._values: dict[str, yaml.Node] = {}
        self._key_lines: dict[str, int] = {}
        self._asked: set[str] = set()
        for key, value in node.value:
            if str(key.value) in self._values:
                self._add(key, f"the key {key.value} stands here twice; keep one of them")
            self._values[str(key.value)] = value
            self._key_lines[str(key.value)] = key.start_mark.line + offset

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def line_of(self, key: str) -> int:
        """The line of `key`, or of the mapping where the key is missing."""
        return self._key_lines.get(key, self.line)

    def text(self, key: str, example: str) -> Prose:
        """A text that must be there and not be empty; `example` shows how to write it."""
        node = self._get(key)
        if node is None:
            self._fault(self.line, f"{key} is missing; add {key}: {example}")
            return Prose("", self.line)
        return Prose(self._string(node, key, example), self.line_of(key))

    def plain(self, key: str) -> object:
        """Whatever stands under `key` as plain Python data; None where it is missing."""
        node = self._get(key)
        return None if node is None else _plain(node)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, which may be missing."""
        return tuple(
            self._string(node, f"this item of {key}", '"some text"') for node in self._items(key)
        )

    def each(self, key: str) -> list[tuple[object, int]]:
        """The items of a list, which may be missing, as plain data with their lines."""
        return [(_plain(node), node.start_mark.line + self._offset) for node in self._items(key)]

    def mappings(self, key: str) -> list[Fields]:
        """The items of a list of mappings, which may be missing."""
        found = []
        for node in self._items(key):
            if isinstance(node, yaml.MappingNode):
                found.append(Fields(self._path, node, self._offset, self._faults))
            else:
                self._add(node, f"this item of {key} must be a mapping of keys to texts")
        return found

    def mapping(self, key: str) -> Fields | None:
        """A mapping, or None where it is missing."""
        node = self._get(key)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            self._add(node, f"{key} must be a mapping, with one indented key: value per line")
            return None
        return Fields(self._path, node, self._offset, self._faults)

    def unused(self, known: str) -> None:
        """Note a fault for each key that was never asked for; `known` lists the right ones."""
        for key in self._values.keys() - self._asked:
            self._fault(
                self.line_of(key), f"unknown key {key}; remove it or correct it to one of {known}"
            )

    def _get(self, key: str) -> yaml.Node | None:
        self._asked.add(key)
        return self._values.get(key)

    def _items(self, key: str) -> list[yaml.Node]:
        node = self._get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._add(node, f"{key} must be a list; write each item on a line that opens with '- '")
            return []
        return list(node.value)

    def _string(self, node: yaml.Node, what: str, example: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._add(node, f"{what} must be a text; put it in quotes if it holds ': ' or '{{'")
            return ""
        if not str(node.value).strip():
            self._add(node, f"{what} is empty; write for example {example}")
        return str(node.value).strip()

    def _add(self, node: yaml.Node, message: str) -> None:
        self._fault(node.start_mark.line + self._offset, message)

    def _fault(self, line: int, message: str) -> None:
        self._faults.append(Fault(self._path, line, message))


@dataclass(frozen=True)
class Document:
    """A file's front matter and its sections, in order."""

    path: Path
    fields: Fields
    sections: tuple[Section, ...]


def read_text(path: Path, faults: list[Fault]) -> str | None:
    """The text of the file at `path`, or None (and a fault) where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except OSError as error:
        faults.append(Fault(path, 1, f"cannot be read ({error.strerror}); check its permissions"))
        return None
    if len(data) > LONGEST_FILE:
        message = f"is longer than {LONGEST_FILE:,} bytes; an entry explains one error"
        faults.append(Fault(path, 1, message))
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.append(Fault(path, line, "is not valid UTF-8; save the file in UTF-8"))
        return None


def parse(path: Path, text: str, faults: list[Fault]) -> Document | None:
    """The document that `text` holds, or None (and a fault) where its frame is broken."""
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if lines[0].rstrip() != "---" or end is None:
        faults.append(
            Fault(path, 1, "has no front matter; open the file with --- keys: values and --- lines")
        )
        return None
    front = "\n".join(lines[1:end])
    if len(front) > LONGEST_FRONT_MATTER:
        message = f"the front matter has over {LONGEST_FRONT_MATTER:,} characters; make it shorter"
        faults.append(Fault(path, 2, message))
        return None
    try:
        node = yaml.compose(front, Loader=_LOADER)
    except yaml.YAMLError as error:
        faults.append(Fault(path, _yaml_line(error) + 2, _yaml_message(error)))
        return None
    if not isinstance(node, yaml.MappingNode):
        faults.append(Fault(path, 2, "the front matter is no mapping; write lines of key: value"))
        return None
    return Document(path, Fields(path, node, 2, faults), _sections(lines, end + 1))


def _sections(lines: list[str], start: int) -> tuple[Section, ...]:
    """The sections of the lines from index `start` on, parted at headings of level two."""
    tokens = _MARKDOWN.parse("\n".join(lines[start:]))
    headings = [("", start, start)]  # text, index of the heading, index after it
    fences: list[tuple[int, Fence]] = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.map is None:
            continue
        first, last = token.map[0] + start, token.map[1] + start
        if token.type == "heading_open" and token.level == 0 and following is not None:
            marks = "" if token.tag == "h2" else token.markup + " "
            headings.append((marks + following.content.strip(), first, last))
        elif token.type == "fence":
            fences.append((first, Fence(token.info.strip(), token.content, first + 2)))
    ends = [first for _, first, _ in headings[1:]] + [len(lines)]
    return tuple(
        Section(
            heading,
            _prose(lines, after, end),
            tuple(fence for index, fence in fences if after <= index < end),
            first + 1,
        )
        for (heading, first, after), end in zip(headings, ends, strict=True)
    )


def _prose(lines: list[str], first: int, end: int) -> Prose:
    """The lines from index `first` to before `end`, without the empty ones around them."""
    while first < end and not lines[first].strip():
        first += 1
    return Prose("\n".join(lines[first:end]).strip(), first + 1)


def _plain(node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if node.tag == _STRING:
        return str(node.value)
    return yaml.safe_load(str(node.value))


def _yaml_line(error: yaml.YAMLError) -> int:
    """The line of a syntax error, from 0. An open quotation is at fault where it was opened."""
    context = getattr(error, "context_mark", None)
    if context is not None and "quoted scalar" in str(getattr(error, "context", "")):
        return int(context.line)
    mark = getattr(error, "problem_mark", None) or context
    return int(mark.line) if mark is not None else 0


def _yaml_message(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return (
        f"broken YAML ({problem}); check the indentation, and quote texts that hold "
        "': ', '#', '{', '[' or a quotation mark"
    )
