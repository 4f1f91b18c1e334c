"""Discord's Markdown as safe HTML: every character of a message is escaped, tags are only ours.

Discord is not CommonMark: newlines stay, indentation stays, quotes end with their line, `__x__`
underlines, and there are mentions, timestamps and spoilers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from bot.local.page import ansi

_EXCERPT = 200  # characters
_MAX_DEPTH = 8  # of marks inside marks; deeper ones stay as they were typed

_FENCED = r"```(?:(?P<language>[\w+#.\-]{1,20})\n)?\n*(?P<fenced>.+?)\n*```"
_FENCE_MARK = re.compile(r"```(?:[\w+#.\-]{1,20}\n)?")
_FENCE = re.compile(_FENCED, re.DOTALL)
# What stands by itself: code, the rest of a message as a quote, lines that are quoted one by one.
_SECTION = re.compile(
    rf"{_FENCED}|^>>> (?P<rest>.*)|(?P<quoted>^>(?: [^\n]*)?$(?:\n>(?: [^\n]*)?$)*)",
    re.DOTALL | re.MULTILINE,
)
_HEADING = re.compile(r"(#{1,3}) +(\S.*)")
_SUBTEXT = re.compile(r"-# +(\S.*)")
_ITEM = re.compile(r"( *)([-*]|\d{1,9}\.) +(\S.*)")
_FORMATTER = HtmlFormatter(nowrap=True, classprefix="hl-")

_INLINE = re.compile(
    r"""
      (?P<escape>\\(?P<escaped>[^0-9A-Za-z\s]))
    | (?P<code>``(?P<twice>[^\n]+?)``(?!`)|`(?P<coded>[^`\n]+)`(?!`))
    | (?P<user><@!?(?P<user_id>\d{1,20})>)
    | (?P<role><@&(?P<role_id>\d{1,20})>)
    | (?P<everyone>@(?:everyone|here)\b)
    | (?P<channel><\#(?P<channel_id>\d{1,20})>)
    | (?P<command></(?P<command_name>[-_'\w ]{1,100}):\d{1,20}>)
    | (?P<time><t:(?P<unix>-?\d{1,13})(?::(?P<style>[tTdDfFR]))?>)
    | (?P<masked>\[(?P<label>[^\[\]\n]{1,400})\]\(<?(?P<target>https?://[^\s()<>]+)>?\))
    | (?P<quiet><(?P<quiet_url>https?://[^\s<>]+)>)
    | (?P<link>https?://[^\s<>]*[^\s<>.,:;"'()\[\]])
    | (?P<boldit>\*\*\*(?P<in_boldit>[^\s*](?:[^*]*[^\s*])?)\*\*\*)
    | (?P<bold>\*\*(?P<in_bold>(?:[^*]|\*(?!\*))+?)\*\*(?!\*))
    | (?P<under>__(?P<in_under>(?:[^_]|_(?!_))+?)__(?!_))
    | (?P<strike>~~(?P<in_strike>(?:[^~]|~(?!~))+?)~~)
    | (?P<spoiler>\|\|(?P<in_spoiler>(?:[^|]|\|(?!\|))+?)\|\|)
    | (?P<star>\*(?P<in_star>[^\s*](?:[^*\n]*[^\s*])?)\*(?!\*))
    | (?P<dash>(?<!\w)_(?P<in_dash>[^_\n]+)_(?!\w))
    """,
    re.VERBOSE,
)

_MARKS = {
    "bold": ("strong", "in_bold"),
    "under": ("u", "in_under"),
    "strike": ("s", "in_strike"),
    "star": ("em", "in_star"),
    "dash": ("em", "in_dash"),
}


@dataclass(frozen=True)
class Names:
    """What ids in a text stand for."""

    users: dict[int, str] = field(default_factory=dict)
    channels: dict[int, str] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)


def render(text: str, names: Names | None = None) -> str:
    """`text` as HTML. Never raises; never lets a tag, an attribute or an address of the text in."""
    return _sections(text, names or Names(), _SECTION)


def excerpt(text: str, names: Names) -> str:
    """The beginning of `text` as HTML on one line, for those who quote it."""
    line = " ".join(_FENCE_MARK.sub(" ", text).split())
    return _inline(line[:_EXCERPT], names, 0)


def _sections(text: str, names: Names, pattern: re.Pattern[str]) -> str:
    """Running text, and between it what `pattern` finds. Quotes do not hold quotes."""
    out: list[str] = []
    position = 0
    for found in pattern.finditer(text):
        out.append(_blocks(text[position : found.start()].removesuffix("\n"), names))
        out.append(_section(found, names))
        position = found.end()
        if text[position : position + 1] == "\n":
            position += 1
    out.append(_blocks(text[position:], names))
    return "".join(out)


def _section(found: re.Match[str], names: Names) -> str:
    if found["fenced"] is not None:
        return _code_block(found["fenced"], found["language"] or "")
    inner = found["rest"]
    if inner is None:
        inner = "\n".join(line[2:] for line in found["quoted"].split("\n"))
    return f"<blockquote>{_sections(inner, names, _FENCE)}</blockquote>"


def highlighted(code: str, language: str) -> str:
    """Code as escaped HTML, coloured where the language is known."""
    if language == "ansi":
        return ansi.colour(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        lexer = None
    if lexer is None:
        return escape(code)
    return str(highlight(code, lexer, _FORMATTER)).removesuffix("\n")


def _code_block(code: str, language: str) -> str:
    return f'<pre class="fence"><code>{highlighted(code, language)}</code></pre>'


def _blocks(text: str, names: Names) -> str:
    """Headings and lists, line by line; everything between them is running text."""
    if not text:
        return ""
    out: list[str] = []
    running: list[str] = []
    lines = text.split("\n")
    index = 0

    def flush() -> None:
        if running:
            out.append(_inline("\n".join(running), names, 0))
            running.clear()

    while index < len(lines):
        line = lines[index]
        taken, html = _list(lines, index, names) or (0, "")
        if not taken:
            taken, html = _heading(line, names) or (0, "")
        if taken:
            flush()
            out.append(html)
            index += taken
        else:
            running.append(line)
            index += 1
    flush()
    return "".join(out)


def _list(lines: list[str], start: int, names: Names) -> tuple[int, str] | None:
    items: list[str] = []
    first = _ITEM.fullmatch(lines[start])
    if first is None:
        return None
    index = start
    while index < len(lines) and (item := _ITEM.fullmatch(lines[index])):
        level = min(len(item[1]) // 2, 5)
        number = item[2].rstrip(".") if item[2].endswith(".") else ""
        kind = f' value="{int(number)}"' if number else ' class="bullet"'
        inner = _inline(item[3], names, 0)
        items.append(f'<li data-level="{level}"{kind}>{inner}</li>')
        index += 1
    tag = "ol" if first[2].endswith(".") else "ul"
    return index - start, f"<{tag}>{''.join(items)}</{tag}>"


def _heading(line: str, names: Names) -> tuple[int, str] | None:
    if match := _HEADING.fullmatch(line):
        level = len(match[1]) + 2  # the page itself has the levels above
        return 1, f"<h{level}>{_inline(match[2], names, 0)}</h{level}>"
    if match := _SUBTEXT.fullmatch(line):
        return 1, f'<div class="subtext">{_inline(match[1], names, 0)}</div>'
    return None


def _inline(text: str, names: Names, depth: int) -> str:
    if depth > _MAX_DEPTH:
        return escape(text)
    out: list[str] = []
    position = 0
    for match in _INLINE.finditer(text):
        out.append(escape(text[position : match.start()]))
        out.append(_mark(match, names, depth))
        position = match.end()
    out.append(escape(text[position:]))
    return "".join(out)


def _mark(match: re.Match[str], names: Names, depth: int) -> str:
    kind = match.lastgroup or ""
    for name in _OUTER:
        if match[name] is not None:
            kind = name
            break
    if kind in _MARKS:
        tag, group = _MARKS[kind]
        return f"<{tag}>{_inline(match[group], names, depth + 1)}</{tag}>"
    return _PLAIN[kind](match, names, depth)


def _link(url: str, label: str) -> str:
    return f'<a href="{escape(url)}" rel="noopener noreferrer">{label}</a>'


def _user(match: re.Match[str], names: Names, depth: int) -> str:
    name = names.users.get(int(match["user_id"]), "unknown-user")
    return f'<span class="mention">@{escape(name)}</span>'


def _role(match: re.Match[str], names: Names, depth: int) -> str:
    name = names.roles.get(int(match["role_id"]), "unknown-role")
    return f'<span class="mention">@{escape(name)}</span>'


def _channel(match: re.Match[str], names: Names, depth: int) -> str:
    name = names.channels.get(int(match["channel_id"]), "unknown")
    return f'<span class="mention">#{escape(name)}</span>'


def _time(match: re.Match[str], names: Names, depth: int) -> str:
    style = match["style"] or "f"
    return f'<time data-unix="{int(match["unix"])}" data-style="{style}">{match["unix"]}</time>'


_PLAIN: dict[str, Callable[[re.Match[str], Names, int], str]] = {
    "escape": lambda match, names, depth: escape(match["escaped"]),
    "code": lambda match, names, depth: f"<code>{escape(match['coded'] or match['twice'])}</code>",
    "user": _user,
    "role": _role,
    "everyone": lambda match, names, depth: f'<span class="mention">{match["everyone"]}</span>',
    "channel": _channel,
    "command": lambda match, names, depth: (
        f'<span class="mention">/{escape(match["command_name"])}</span>'
    ),
    "time": _time,
    "masked": lambda match, names, depth: _link(
        match["target"], _inline(match["label"], names, _MAX_DEPTH)
    ),
    "quiet": lambda match, names, depth: _link(match["quiet_url"], escape(match["quiet_url"])),
    "link": lambda match, names, depth: _link(match["link"], escape(match["link"])),
    "boldit": lambda match, names, depth: (
        f"<strong><em>{_inline(match['in_boldit'], names, depth + 1)}</em></strong>"
    ),
    "spoiler": lambda match, names, depth: (
        '<span class="spoiler" data-spoiler tabindex="0" role="button">'
        f"{_inline(match['in_spoiler'], names, depth + 1)}</span>"
    ),
}
_OUTER = (*_PLAIN, *_MARKS)
