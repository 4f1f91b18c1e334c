"""The files that were posted in the local Discord."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from bot.local.model import Attachment

KEPT_BYTES = 256 * 1024 * 1024  # of attachments; older ones are forgotten


@dataclass
class Files:
    """Attachments and their bytes, up to a total; the oldest make room."""

    limit: int = KEPT_BYTES
    _held: OrderedDict[int, tuple[Attachment, bytes]] = field(default_factory=OrderedDict)
    _size: int = 0

    def put(self, attachment: Attachment, data: bytes) -> None:
        self._held[attachment.id] = (attachment, data)
        self._size += len(data)
        while self._size > self.limit and len(self._held) > 1:
            _, (_, dropped) = self._held.popitem(last=False)
            self._size -= len(dropped)

    def get(self, attachment_id: int) -> tuple[Attachment, bytes] | None:
        return self._held.get(attachment_id)
