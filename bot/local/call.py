"""One request of the bot, read and taken apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from bot.local import errors
from bot.local.errors import ApiError
from bot.local.limits import MAX_FILE_BYTES, MAX_FILES
from bot.local.model import JSON, Upload

MAX_BODY = MAX_FILES * MAX_FILE_BYTES + 1024 * 1024  # bytes

_FILE_FIELD = re.compile(r"files?\[?(\d*)\]?")


@dataclass(frozen=True)
class Call:
    """One request of the bot, taken apart: what `Observer`s see and handlers work with."""

    method: str
    template: str  # "/channels/{channel_id}/messages"
    path: dict[str, str]
    query: dict[str, str]
    body: Any  # the JSON document, or None
    uploads: tuple[Upload, ...] = ()

    def number(self, name: str) -> int:
        """A snowflake of the path. Raises `ApiError` when it is none."""
        value = self.path[name]
        if not value.isascii() or not value.isdigit() or len(value) > 20:
            faults = errors.Faults()
            faults.add((name,), "NUMBER_TYPE_COERCE", f'Value "{value[:40]}" is not snowflake.')
            faults.check()
        return int(value)

    @property
    def form(self) -> JSON:
        """The body as an object. Raises `ApiError` when it is something else."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise errors.bad_json()
        return self.body


async def read(request: Request, template: str) -> Call:
    """Take a request apart. Raises `ApiError` for a body that Discord would not read."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise errors.too_large()
    kind = request.headers.get("content-type", "").split(";")[0]
    body: Any = None
    uploads: tuple[Upload, ...] = ()
    if kind == "multipart/form-data":
        body, uploads = await _multipart(request)
    else:
        raw = await request.body()
        if raw:
            if kind != "application/json":
                raise ApiError(400, 50035, "Invalid Form Body")
            body = _json(raw)
    return Call(
        request.method,
        template,
        {key: str(value) for key, value in request.path_params.items()},
        dict(request.query_params),
        body,
        uploads,
    )


async def _multipart(request: Request) -> tuple[Any, tuple[Upload, ...]]:
    files: dict[int, Upload] = {}
    body: Any = {}
    async with request.form(max_files=MAX_FILES, max_fields=20) as form:
        for name, value in form.multi_items():
            if name == "payload_json":
                raw = await value.read() if isinstance(value, UploadFile) else value
                body = _json(raw)
            elif isinstance(value, UploadFile):
                match = _FILE_FIELD.fullmatch(name)
                if match is None:
                    raise ApiError(400, 50035, f"Invalid Form Body: no field {name[:40]}")
                index = int(match[1] or 0)
                files[index] = Upload(value.filename or "file", await value.read())
    return body, _described(body, files)


def _described(body: Any, files: dict[int, Upload]) -> tuple[Upload, ...]:
    """The files in order, with the names and descriptions that `attachments` gives them."""
    named = _attachments(body)
    uploads = []
    for index, upload in sorted(files.items()):
        about = named.get(str(index), {})
        uploads.append(
            Upload(
                str(about.get("filename") or upload.filename), upload.data, about.get("description")
            )
        )
    return tuple(uploads)


def _attachments(body: Any) -> dict[str, JSON]:
    """`attachments` of a message, or of the message inside an interaction's answer, by id."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("data")
    source = inner if isinstance(inner, dict) else body
    listed = source.get("attachments") or []
    return {str(item.get("id")): item for item in listed if isinstance(item, dict)}


def _json(raw: str | bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise errors.bad_json() from None
