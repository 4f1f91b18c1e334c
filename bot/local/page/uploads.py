"""Files that the browser has sent ahead and that no message holds yet."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.local.limits import MAX_FILE_BYTES
from bot.local.model import Upload
from bot.local.uploads import safe_filename

KEPT_UPLOADS = 32
_OVERHEAD = 64 * 1024  # bytes of a form around its file


class Uploads:
    """The last few files, each under a key that only its sender was told."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Upload] = OrderedDict()

    def put(self, upload: Upload) -> str:
        """Keep a file and return its key."""
        key = secrets.token_urlsafe(16)
        self._held[key] = upload
        while len(self._held) > KEPT_UPLOADS:
            self._held.popitem(last=False)
        return key

    def take(self, key: str) -> Upload | None:
        """The file of a key, once; None when it is gone."""
        return self._held.pop(key, None)

    def peek(self, key: str) -> Upload | None:
        """The file of a key, which stays."""
        return self._held.get(key)

    async def receive(self, request: Request) -> Response:
        """The address that the page posts a file to."""
        if int(request.headers.get("content-length") or 0) > MAX_FILE_BYTES + _OVERHEAD:
            return JSONResponse({"error": "too large"}, status_code=413)
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return JSONResponse({"error": "no file"}, status_code=400)
            data = await file.read()
        if len(data) > MAX_FILE_BYTES:
            return JSONResponse({"error": "too large"}, status_code=413)
        name = safe_filename(file.filename or "file")
        return JSONResponse({"key": self.put(Upload(name, data)), "filename": name})
