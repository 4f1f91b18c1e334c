"""What Discord refuses although its API description does not say so: lengths, counts, shapes."""

from __future__ import annotations

import re
from typing import Any

from bot.local.errors import Faults
from bot.local.model import JSON, CommandType, Flag, walk

MAX_CONTENT = 2_000  # characters
MAX_EMBEDS_TOGETHER = 6_000  # characters over all embeds of a message
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILES = 10
MAX_SLASH_STRING = 6_000
MAX_MENTIONS = 100
MAX_CHOICES = 25

_ACTION_ROW, _BUTTON, _STRING_SELECT, _TEXT_INPUT = 1, 2, 3, 4
_ENTITY_SELECTS = (5, 6, 7, 8)
_TEXT_DISPLAY, _LABEL, _FILE_UPLOAD = 10, 18, 19
_LINK_STYLE, _PREMIUM_STYLE = 5, 6
_COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")
_URL = re.compile(r"(https?|attachment)://\S+")

Path = tuple[str | int, ...]


def check_message(payload: JSON) -> None:
    """Raise `Invalid Form Body` for a message that Discord would refuse."""
    faults = Faults()
    faults.longest(("content",), payload.get("content"), MAX_CONTENT)
    _embeds(faults, payload.get("embeds") or [])
    if Flag(int(payload.get("flags") or 0)) & Flag.COMPONENTS_V2:
        faults.add(("flags",), "NOT_SUPPORTED", "The local Discord shows no components v2.")
    _rows(faults, payload.get("components") or [])
    _mentions(faults, payload.get("allowed_mentions") or {})
    if payload.get("enforce_nonce") and payload.get("nonce") is None:
        faults.add(("nonce",), "BASE_TYPE_REQUIRED", "This field is required")
    if len(payload.get("attachments") or []) > MAX_FILES:
        faults.add(
            ("attachments",), "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_FILES} or fewer in length."
        )
    faults.check()


def _mentions(faults: Faults, allowed: JSON) -> None:
    for kind in ("users", "roles"):
        if allowed.get(kind) and kind in (allowed.get("parse") or []):
            faults.add(
                ("allowed_mentions",),
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f"parse:['{kind}'] and {kind}: [ids...] are mutually exclusive.",
            )
        if len(allowed.get(kind) or []) > MAX_MENTIONS:
            faults.add(
                ("allowed_mentions", kind),
                "BASE_TYPE_MAX_LENGTH",
                f"Must be {MAX_MENTIONS} or fewer in length.",
            )


def _embeds(faults: Faults, embeds: list[JSON]) -> None:
    if len(embeds) > 10:
        faults.add(("embeds",), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(embeds):
        path: Path = ("embeds", index)
        author, footer = embed.get("author") or {}, embed.get("footer") or {}
        fields = embed.get("fields") or []
        faults.longest((*path, "title"), embed.get("title"), 256)
        faults.longest((*path, "description"), embed.get("description"), 4_096)
        faults.longest((*path, "footer", "text"), footer.get("text"), 2_048)
        faults.longest((*path, "author", "name"), author.get("name"), 256)
        if len(fields) > 25:
            faults.add((*path, "fields"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        for position, item in enumerate(fields):
            here: Path = (*path, "fields", position)
            faults.between((*here, "name"), item.get("name"), 1, 256)
            faults.between((*here, "value"), item.get("value"), 1, 1_024)
        for key in ("url", "image", "thumbnail"):
            value = embed.get(key)
            url = value.get("url") if isinstance(value, dict) else value
            if url and not _URL.fullmatch(str(url)):
                faults.add((*path, key), "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        total += embed_size(embed)
    if total > MAX_EMBEDS_TOGETHER:
        faults.add(
            ("embeds",),
            "MAX_EMBED_SIZE_EXCEEDED",
            f"Embed size exceeds maximum size of {MAX_EMBEDS_TOGETHER}",
        )


def embed_size(embed: JSON) -> int:
    """The characters of an embed that count against the 6,000."""
    texts: list[Any] = [
        embed.get("title"),
        embed.get("description"),
        (embed.get("footer") or {}).get("text"),
        (embed.get("author") or {}).get("name"),
    ]
    for item in embed.get("fields") or []:
        texts += [item.get("name"), item.get("value")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _rows(faults: Faults, rows: list[JSON]) -> None:
    if len(rows) > 5:
        faults.add(("components",), "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length.")
    for index, row in enumerate(rows):
        path: Path = ("components", index)
        if row.get("type") != _ACTION_ROW:
            faults.add((*path, "type"), "UNION_TYPE_CHOICES", "Must be an action row (1).")
            continue
        children = row.get("components") or []
        faults.between((*path, "components"), children, 1, 5)
        if len(children) > 1 and any(child.get("type") != _BUTTON for child in children):
            faults.add(
                (*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "A select fills a row."
            )
        for position, child in enumerate(children):
            _component(faults, (*path, "components", position), child)
    _unique_custom_ids(faults, rows)


def _component(faults: Faults, path: Path, child: JSON) -> None:
    match child.get("type"):
        case 2:
            _button(faults, path, child)
        case 3:
            _select(faults, path, child)
        case kind if kind in _ENTITY_SELECTS:
            faults.between((*path, "custom_id"), child.get("custom_id"), 1, 100)
            faults.longest((*path, "placeholder"), child.get("placeholder"), 150)
        case _:
            faults.add((*path, "type"), "UNION_TYPE_CHOICES", "Not allowed in a message.")


def _button(faults: Faults, path: Path, button: JSON) -> None:
    faults.longest((*path, "label"), button.get("label"), 80)
    if not button.get("label") and not button.get("emoji"):
        faults.add(path, "BUTTON_COMPONENT_INVALID_LABEL", "A label or an emoji is required.")
    if button.get("style") == _LINK_STYLE:
        if not _URL.fullmatch(str(button.get("url"))):
            faults.add((*path, "url"), "URL_TYPE_INVALID_URL", "Not a well formed URL.")
    elif button.get("style") != _PREMIUM_STYLE:
        faults.between((*path, "custom_id"), button.get("custom_id"), 1, 100)


def _select(faults: Faults, path: Path, select: JSON) -> None:
    options = select.get("options") or []
    faults.between((*path, "custom_id"), select.get("custom_id"), 1, 100)
    faults.longest((*path, "placeholder"), select.get("placeholder"), 150)
    faults.between((*path, "options"), options, 1, 25)
    values = [option.get("value") for option in options]
    if len(set(values)) != len(values):
        faults.add((*path, "options"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "Twice.")
    for position, option in enumerate(options):
        here: Path = (*path, "options", position)
        faults.between((*here, "label"), option.get("label"), 1, 100)
        faults.between((*here, "value"), option.get("value"), 1, 100)
        faults.longest((*here, "description"), option.get("description"), 100)


def _unique_custom_ids(faults: Faults, components: list[JSON]) -> None:
    ids = [part["custom_id"] for part in walk(components) if part.get("custom_id")]
    if len(set(ids)) != len(ids):
        faults.add(
            ("components",),
            "COMPONENT_CUSTOM_ID_DUPLICATED",
            "Component custom id cannot be duplicated",
        )


def check_choices(choices: list[JSON]) -> None:
    """Raise `Invalid Form Body` for suggestions that Discord would refuse."""
    faults = Faults()
    faults.between(("data", "choices"), choices, 0, MAX_CHOICES)
    for index, choice in enumerate(choices):
        here: Path = ("data", "choices", index)
        faults.between((*here, "name"), choice.get("name"), 1, 100)
        faults.longest((*here, "value"), choice.get("value"), 100)
    faults.check()


def check_modal(modal: JSON) -> None:
    """Raise `Invalid Form Body` for a form that Discord would refuse."""
    faults = Faults()
    rows = modal.get("components") or []
    faults.between(("data", "title"), modal.get("title"), 1, 45)
    faults.between(("data", "custom_id"), modal.get("custom_id"), 1, 100)
    faults.between(("data", "components"), rows, 1, 5)
    for index, row in enumerate(rows):
        path: Path = ("data", "components", index)
        if row.get("type") == _ACTION_ROW:
            for position, child in enumerate(row.get("components") or []):
                here: Path = (*path, "components", position)
                faults.between((*here, "label"), child.get("label"), 1, 45)
                _field(faults, here, child, allowed=(_TEXT_INPUT,))
        elif row.get("type") == _LABEL:
            faults.between((*path, "label"), row.get("label"), 1, 45)
            faults.longest((*path, "description"), row.get("description"), 100)
            _field(
                faults,
                (*path, "component"),
                row.get("component") or {},
                allowed=(_STRING_SELECT, *_ENTITY_SELECTS, _TEXT_INPUT, _FILE_UPLOAD),
            )
        elif row.get("type") == _TEXT_DISPLAY:
            faults.between((*path, "content"), row.get("content"), 1, 4_000)
        else:
            faults.add((*path, "type"), "UNION_TYPE_CHOICES", "Not allowed in a modal.")
    _unique_custom_ids(faults, rows)
    faults.check()


def _field(faults: Faults, path: Path, item: JSON, *, allowed: tuple[int, ...]) -> None:
    if item.get("type") not in allowed:
        faults.add((*path, "type"), "UNION_TYPE_CHOICES", f"Must be one of {allowed}.")
    elif item["type"] == _STRING_SELECT:
        _select(faults, path, item)
    else:
        faults.between((*path, "custom_id"), item.get("custom_id"), 1, 100)
        faults.longest((*path, "placeholder"), item.get("placeholder"), 100)
        faults.longest((*path, "value"), item.get("value"), 4_000)


def check_commands(commands: list[JSON]) -> None:
    """Raise `Invalid Form Body` for a list of commands that Discord would refuse."""
    faults = Faults()
    keys = [(command.get("type", 1), command.get("name")) for command in commands]
    for index, command in enumerate(commands):
        slash = command.get("type", 1) == CommandType.SLASH
        if keys.count(keys[index]) > 1:
            faults.add(
                (index, "name"),
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique",
            )
        _named(faults, (index,), command, slash=slash)
        if slash:
            _options(faults, (index, "options"), command.get("options") or [])
            if _command_size(command) > 8_000:
                faults.add((index,), "APPLICATION_COMMAND_TOO_LARGE", "Over 8000 characters.")
        elif command.get("description"):
            faults.add((index, "description"), "BASE_TYPE_BAD_LENGTH", "Must be empty.")
    faults.check()


def _named(faults: Faults, path: Path, item: JSON, *, slash: bool) -> None:
    """Check a name and, on slash commands, a description, each with its translations."""
    for locale, name in {"": item.get("name"), **(item.get("name_localizations") or {})}.items():
        key = (*path, "name_localizations", locale) if locale else (*path, "name")
        faults.between(key, name, 1, 32)
        text = str(name)
        if slash and (text != text.lower() or not _COMMAND_NAME.fullmatch(text)):
            faults.add(key, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if slash:
        texts = {"": item.get("description"), **(item.get("description_localizations") or {})}
        for locale, text in texts.items():
            key = (*path, "description_localizations", locale) if locale else (*path, "description")
            faults.between(key, text, 1, 100)


def _options(faults: Faults, path: Path, options: list[JSON]) -> None:
    if len(options) > 25:
        faults.add(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    optional_seen = False
    for index, option in enumerate(options):
        here: Path = (*path, index)
        _named(faults, here, option, slash=True)
        if option.get("required") and optional_seen:
            faults.add(
                here,
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options",
            )
        optional_seen = optional_seen or not option.get("required")
        for position, choice in enumerate(option.get("choices") or []):
            faults.between((*here, "choices", position, "name"), choice.get("name"), 1, 100)
            faults.longest((*here, "choices", position, "value"), choice.get("value"), 100)
        _options(faults, (*here, "options"), option.get("options") or [])


def _command_size(item: JSON) -> int:
    longest = max(
        [str(item.get("name")), *(item.get("name_localizations") or {}).values()], key=len
    )
    described = max(
        [str(item.get("description")), *(item.get("description_localizations") or {}).values()],
        key=len,
    )
    choices = sum(
        len(str(choice.get("name"))) + len(str(choice.get("value")))
        for choice in item.get("choices") or []
    )
    children = sum(_command_size(option) for option in item.get("options") or [])
    return len(longest) + len(described) + choices + children
