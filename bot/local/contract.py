"""Holds the bot's requests against Discord's own description of its HTTP API (OpenAPI 3.1).

Switched on in tests by the environment variable TUTOR_DISCORD_OPENAPI, which holds the path of
that description. Needs `openapi-schema-validator` and `jsonschema`, which the extra `dev` brings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from starlette.responses import Response

from bot.local.model import JSON
from bot.local.rest import Call

_JSON_BODY = "application/json"
_SNOWFLAKE_FLOOR = 1 << 40  # a larger integer is an id, not a count or a colour
# What discord.py itself sends although the description does not know it; Discord takes no offence.
_LIBRARY_KEYS = {
    "ApplicationCommandUpdateRequest": ("nsfw", "dm_permission"),
    "MessageEditRequestPartial": ("tts",),
    "IncomingWebhookUpdateForInteractionCallbackRequestPartial": ("tts",),
    "IncomingWebhookUpdateRequestPartial": ("tts",),
    "RichEmbed": ("flags",),
}


class Contract:
    """Collects, as an observer of the HTTP API, every request that breaks the description."""

    def __init__(self, description: JSON) -> None:
        for name, schema in description["components"]["schemas"].items():
            if "properties" in schema:  # the description forgets that unknown keys are mistakes
                schema.setdefault("additionalProperties", False)
                for key in _LIBRARY_KEYS.get(name, ()):
                    schema["properties"].setdefault(key, True)
        self._paths: dict[str, JSON] = description["paths"]
        resource = Resource.from_contents(description, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:discord", resource)
        self._validators: dict[tuple[str, str], Any] = {}
        self.checked = 0
        self.violations: list[str] = []

    @classmethod
    def load(cls, path: Path) -> Contract:
        """Read the description. Raises `OSError` or `ValueError` when it is not one."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def __call__(self, call: Call) -> Response | None:
        self.checked += 1
        self.violations += self.check(call)
        return None

    def check(self, call: Call) -> list[str]:
        """What is wrong with one request, as "METHOD path: where: what"."""
        template = call.template
        if call.path.get("message_id") == "@original":
            template = template.replace("{message_id}", "@original")
        here = f"{call.method} {template}"
        operation = self._paths.get(template, {}).get(call.method.lower())
        if operation is None:
            return [f"{here}: Discord has no such route"]
        if "requestBody" not in operation:
            return [] if call.body is None else [f"{here}: a body where none is taken"]
        if call.body is None:
            required = operation["requestBody"].get("required", False)
            return [f"{here}: the body is missing"] if required else []
        validator = self._validator(call.method.lower(), template, operation)
        error = best_match(validator.iter_errors(_coerced(call.body)))
        if error is None:
            return []
        where = "/".join(str(step) for step in error.absolute_path) or "body"
        return [f"{here}: {where}: {error.message[:300]}"]

    def _validator(self, method: str, template: str, operation: JSON) -> Any:
        key = (method, template)
        if key not in self._validators:
            if _JSON_BODY not in operation["requestBody"]["content"]:
                raise ValueError(f"{template}: the description has no JSON body")
            place = "/".join(
                step.replace("~", "~0").replace("/", "~1")
                for step in ("paths", template, method, "requestBody", "content", _JSON_BODY)
            )
            schema = {"$ref": f"urn:discord#/{_quoted(place)}/schema"}
            self._validators[key] = OAS31Validator(schema, registry=self._registry)
        return self._validators[key]


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
