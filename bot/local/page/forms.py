"""Forms: the options of a slash command and the fields of a modal, as one kind of field.

From Discord's description of a form to what the page shows, and from what was filled in back to
the values of an interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from bot.local.commands import Slash, localized
from bot.local.limits import MAX_SLASH_STRING
from bot.local.model import JSON, Attachment
from bot.local.page.offers import Choice, SelectType
from bot.local.page.texts import Text

Values = Mapping[str, Any]
TakeFile = Callable[[str], Attachment | None]
Offers = Callable[[JSON], tuple[Choice, ...]]


class Kind(StrEnum):
    TEXT = "text"
    LINES = "lines"
    NUMBER = "number"
    CHOICE = "choice"
    FILE = "file"


class OptionType(IntEnum):
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


_TEXT_DISPLAY, _LABEL, _FILE_UPLOAD = 10, 18, 19
_PARAGRAPH = 2
_SELECTS = {
    OptionType.USER: SelectType.USER,
    OptionType.CHANNEL: SelectType.CHANNEL,
    OptionType.ROLE: SelectType.ROLE,
    OptionType.MENTIONABLE: SelectType.MENTIONABLE,
}


@dataclass(frozen=True)
class Field:
    """One thing to fill in."""

    name: str
    label: str
    kind: Kind
    required: bool = False
    hint: str = ""
    placeholder: str = ""
    value: str = ""
    longest: int = 0  # characters; 0 is no limit
    choices: tuple[Choice, ...] = ()
    least: int = 1  # of the choices that are to be made
    most: int = 1
    fraction: bool = False
    suggest: bool = False

    @property
    def many(self) -> bool:
        """Whether more than one choice or file can be given."""
        return self.most > 1


@dataclass(frozen=True)
class Part:
    """A piece of a modal: running text, or a field."""

    text: str = ""
    field: Field | None = None


class MissingValue(ValueError):
    """A required field was left empty."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


# -- slash commands


def option_fields(
    slash: Slash, locale: str, say: Callable[[Text], str], offers: Offers
) -> list[Field]:
    """The options of a command as fields."""
    fields = []
    for option in slash.options:
        offered = tuple(
            Choice(str(choice["value"]), localized(choice, "name", locale))
            for choice in option.get("choices") or []
        )
        kind = Kind.CHOICE if offered else Kind.TEXT
        match option["type"]:
            case OptionType.BOOLEAN:
                kind = Kind.CHOICE
                offered = (Choice("true", say(Text.YES)), Choice("false", say(Text.NO)))
            case kind_of_option if kind_of_option in _SELECTS:
                kind = Kind.CHOICE
                offered = offers({**option, "type": _SELECTS[kind_of_option]})
            case OptionType.ATTACHMENT:
                kind = Kind.FILE
            case OptionType.INTEGER | OptionType.NUMBER if not offered:
                kind = Kind.NUMBER
        fields.append(
            Field(
                name=str(option["name"]),
                label=localized(option, "name", locale),
                kind=kind,
                required=bool(option.get("required")),
                hint=localized(option, "description", locale),
                longest=int(option.get("max_length") or MAX_SLASH_STRING),
                choices=offered,
                fraction=option["type"] == OptionType.NUMBER,
                suggest=bool(option.get("autocomplete")),
            )
        )
    return fields


def option_values(
    slash: Slash, locale: str, values: Values, take: TakeFile
) -> tuple[list[JSON], list[Attachment]]:
    """The filled-in options as an interaction carries them. Raises `MissingValue`."""
    given: list[JSON] = []
    files: list[Attachment] = []
    for option in slash.options:
        raw = str(values.get(option["name"]) or "")
        if option["type"] == OptionType.ATTACHMENT:
            attachment = take(raw) if raw else None
            if attachment is not None:
                files.append(attachment)
            raw = str(attachment.id) if attachment else ""
        if not raw.strip():
            if option.get("required"):
                raise MissingValue(localized(option, "name", locale))
            continue
        given.append(
            {"name": option["name"], "type": option["type"], "value": _typed(option["type"], raw)}
        )
    return given, files


def _typed(kind: int, raw: str) -> str | int | float | bool:
    match kind:
        case OptionType.INTEGER:
            return int(float(raw))
        case OptionType.NUMBER:
            return float(raw)
        case OptionType.BOOLEAN:
            return raw == "true"
        case OptionType.STRING:
            return " ".join(raw.splitlines())  # Discord's own field holds one line
        case _:
            return raw


# -- modals


def modal_parts(modal: JSON, offers: Offers) -> list[Part]:
    """A modal's texts and fields, from top to bottom."""
    parts = []
    for row, item in _items(modal.get("components") or []):
        if item["type"] == _TEXT_DISPLAY:
            parts.append(Part(text=str(item.get("content") or "")))
        else:
            parts.append(Part(field=_modal_field(row, item, offers)))
    return parts


def _items(rows: list[JSON]) -> Iterator[tuple[JSON, JSON]]:
    """Each row with the item in it; a row of text is its own item."""
    for row in rows:
        if row["type"] == _LABEL:
            yield row, row["component"]
        elif row["type"] == _TEXT_DISPLAY:
            yield row, row
        else:
            for item in row.get("components") or []:
                yield row, item


def _modal_field(row: JSON, item: JSON, offers: Offers) -> Field:
    chooses = item["type"] in [*SelectType]
    required = item.get("required")
    most = int(item.get("max_values") or 1)
    least = item.get("min_values")
    return Field(
        name=str(item["custom_id"]),
        label=_label(row, item),
        kind=_kind(item),
        required=True if required is None else bool(required),
        hint=str(row.get("description") or ""),
        placeholder=str(item.get("placeholder") or ""),
        value=str(item.get("value") or ""),
        longest=int(item.get("max_length") or 4_000),
        choices=offers(item) if chooses else (),
        least=1 if least is None else int(least),
        most=most,
    )


def _label(row: JSON, item: JSON) -> str:
    return str(item.get("label") or row.get("label") or "")


def _kind(item: JSON) -> Kind:
    if item["type"] in [*SelectType]:
        return Kind.CHOICE
    if item["type"] == _FILE_UPLOAD:
        return Kind.FILE
    return Kind.LINES if item.get("style") == _PARAGRAPH else Kind.TEXT


def modal_values(
    modal: JSON, values: Values, take: TakeFile
) -> tuple[list[JSON], list[Attachment]]:
    """What was filled in, in the modal's own shape. Raises `MissingValue`."""
    sent: list[JSON] = []
    files: list[Attachment] = []
    for row, item in _items(modal.get("components") or []):
        if item["type"] == _TEXT_DISPLAY:
            sent.append({"type": _TEXT_DISPLAY, "id": item.get("id", 0)})
            continue
        kind = _kind(item)
        raw = values.get(str(item["custom_id"]))
        filled: JSON = {
            "type": item["type"],
            "id": item.get("id", 0),
            "custom_id": item["custom_id"],
        }
        if kind is Kind.FILE:
            taken = [found for key in str(raw or "").split() if (found := take(key))]
            files += taken
            filled["values"] = [str(attachment.id) for attachment in taken]
        elif kind is Kind.CHOICE:
            chosen = raw if isinstance(raw, list) else [raw]
            filled["values"] = [str(value) for value in chosen if value]
        else:
            filled["value"] = str(raw or "")
        if item.get("required") is not False and not (filled.get("value") or filled.get("values")):
            raise MissingValue(_label(row, item))
        label = row["type"] == _LABEL
        inner = {"component": filled} if label else {"components": [filled]}
        sent.append({"type": row["type"], "id": row.get("id", 0), **inner})
    return sent, files
