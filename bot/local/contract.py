"""Holds the bot's requests against Discord's own description of its HTTP API (OpenAPI 3.1).

Switched on in tests by the environment variable TUTOR_DISCORD_OPENAPI, which holds the path of
that description; what is found is added to the file that TUTOR_DISCORD_REPORT names, if any. Needs
`openapi-schema-validator` and `jsonschema`, which the extra `dev` brings.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bot.local.call import Call
from bot.local.errors import ApiError
from bot.local.model import JSON

_JSON_BODY = "application/json"
_SNOWFLAKE_FLOOR = 1 << 40  # a larger integer is an id, not a count or a colour
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# What discord.py itself sends although the description does not know it; Discord takes no offence.
_LIBRARY_KEYS = {
    "ApplicationCommandUpdateRequest": ("nsfw", "dm_permission"),
    "MessageEditRequestPartial": ("tts",),
    "IncomingWebhookUpdateForInteractionCallbackRequestPartial": ("tts",),
    "IncomingWebhookUpdateRequestPartial": ("tts",),
    "RichEmbed": ("flags",),
}
# What Discord answers to a request that it cannot take, whatever the description says: form body,
# empty message, too large, no JSON.
_CANNOT_BE_TAKEN = frozenset({50035, 50006, 40005, 50109})
# No mistake of the sender: the post was deleted while the answer was on its way.
_POST_IS_GONE = "REPLIES_UNKNOWN_MESSAGE"


class Description:
    """Discord's description of its API, made strict, with a validator for each body."""

    def __init__(self, document: JSON) -> None:
        for name, schema in document["components"]["schemas"].items():
            if "properties" in schema:  # the description forgets that unknown keys are mistakes
                schema.setdefault("additionalProperties", False)
                for key in _LIBRARY_KEYS.get(name, ()):
                    schema["properties"].setdefault(key, True)
        self._paths: dict[str, JSON] = document["paths"]
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:discord", resource)
        self._validators: dict[tuple[str, str], Any] = {}

    def operation(self, method: str, template: str) -> JSON | None:
        """What is said about a route; None when there is none."""
        operation: JSON | None = self._paths.get(template, {}).get(method.lower())
        return operation

    def validator(self, method: str, template: str) -> Any:
        """Checks the JSON bodies of a route. Raises `ValueError` when it takes none."""
        key = (method.lower(), template)
        if key not in self._validators:
            if _JSON_BODY not in self._paths[template][key[0]]["requestBody"]["content"]:
                raise ValueError(f"{template}: the description has no JSON body")
            place = "/".join(
                step.replace("~", "~0").replace("/", "~1")
                for step in ("paths", template, key[0], "requestBody", "content", _JSON_BODY)
            )
            schema = {"$ref": f"urn:discord#/{_quoted(place)}/schema"}
            self._validators[key] = OAS31Validator(schema, registry=self._registry)
        return self._validators[key]


@cache
def _read_description(path: Path) -> Description:
    return Description(json.loads(path.read_text(encoding="utf-8")))


class Contract:
    """Collects every request that breaks the description, and every one that is refused as wrong.

    An observer of the HTTP API. Each violation is added to the file `report` as a line of JSON as
    soon as it is found, and the number of requests by `close`.
    """

    def __init__(self, description: Description, report: Path | None = None) -> None:
        self._description = description
        self._report = report
        self.checked = 0
        self.violations: list[str] = []

    @classmethod
    def load(cls, path: Path, report: Path | None = None) -> Contract:
        """Read the description. Raises `OSError` or `ValueError` when it is not one."""
        return cls(_read_description(path), report)

    def __call__(self, call: Call) -> None:
        self.checked += 1
        self._note(self.check(call))

    def refused(self, route: str, error: ApiError) -> None:
        """Take note of a request that the local Discord refuses."""
        if error.code in _CANNOT_BE_TAKEN and _POST_IS_GONE not in str(error.errors):
            self._note([f"{route}: refused, {error} {json.dumps(error.errors or {})[:300]}"])

    def close(self) -> None:
        """Report how many requests were held against the description."""
        self._write({"checked": self.checked})

    def _note(self, violations: list[str]) -> None:
        self.violations += violations
        for violation in violations:
            self._write({"violation": violation})

    def _write(self, line: JSON) -> None:
        if self._report is not None:
            with self._report.open("a", encoding="utf-8") as report:
                report.write(json.dumps(line) + "\n")

    def check(self, call: Call) -> list[str]:
        """What is wrong with one request, as "METHOD path: where: what"."""
        template = call.template
        if call.path.get("message_id") == "@original":
            template = template.replace("{message_id}", "@original")
        here = f"{call.method} {template}"
        operation = self._description.operation(call.method, template)
        if operation is None:
            return [f"{here}: Discord has no such route"]
        wrong = self._query(call, operation) + self._body(call, template, operation)
        return [f"{here}: {what}" for what in wrong + _files(call)]

    def _query(self, call: Call, operation: JSON) -> list[str]:
        known = {
            parameter["name"]: parameter["schema"]
            for parameter in operation.get("parameters") or []
            if parameter.get("in") == "query"
        }
        wrong = [f"query: {name}: unknown" for name in call.query if name not in known]
        for name, schema in known.items():
            if name in call.query and "type" in schema:
                error = best_match(
                    OAS31Validator(schema).iter_errors(_read(call.query[name], schema))
                )
                wrong += [f"query: {name}: {error.message}"] if error else []
        return wrong

    def _body(self, call: Call, template: str, operation: JSON) -> list[str]:
        if "requestBody" not in operation:
            return [] if call.body is None else ["a body where none is taken"]
        if call.body is None:
            required = operation["requestBody"].get("required", False)
            return ["the body is missing"] if required else []
        validator = self._description.validator(call.method, template)
        error = best_match(validator.iter_errors(_coerced(call.body)))
        if error is None:
            return []
        where = "/".join(str(step) for step in error.absolute_path) or "body"
        return [f"{where}: {error.message[:300]}"]


def _files(call: Call) -> list[str]:
    """Files that nothing names, and names without a file; the description speaks of neither."""
    if not isinstance(call.body, dict):
        return []
    data = call.body.get("data")
    message = data if isinstance(data, dict) else call.body
    listed = [one for one in message.get("attachments") or [] if isinstance(one, dict)]
    ids = [int(one.get("id") or 0) for one in listed]
    new = sorted(number for number in ids if number < _SNOWFLAKE_FLOOR)
    wrong = []
    if listed and new != [*range(len(call.uploads))]:
        wrong.append(f"attachments: {new} named, {len(call.uploads)} sent")
    names = {upload.filename for upload in call.uploads}
    kept = len(ids) > len(new) or call.method == "PATCH"  # such a file may be there already
    for embed in message.get("embeds") or []:
        for key in ("image", "thumbnail"):
            url = str((embed.get(key) or {}).get("url", ""))
            name = url.removeprefix("attachment://")
            if name != url and name not in names and not kept:
                wrong.append(f"embeds: {key}: no file {name} was sent")
    return wrong


def _read(value: str, schema: JSON) -> object:
    """A query value as what it stands for."""
    if schema["type"] == "boolean" and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    return int(value) if value.lstrip("-").isdecimal() else value


def _quoted(pointer: str) -> str:
    """A JSON pointer as it stands in the fragment of an address."""
    return pointer.replace("{", "%7B").replace("}", "%7D").replace("@", "%40")


def _coerced(value: Any, key: str = "") -> Any:
    """Ids as text: Discord reads both, the description knows only text."""
    if isinstance(value, dict):
        return {
            name: str(item)
            if name == "id" and key == "attachments" and isinstance(item, int)
            else _coerced(item, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_coerced(item, key) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > _SNOWFLAKE_FLOOR:
        return str(value)
    return value
