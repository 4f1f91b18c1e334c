"""How far each channel was read, so that nothing is skipped or read twice after a restart."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping


class Seen:
    """For each channel, the message up to which every message was looked at to the end."""

    def __init__(self) -> None:
        self._newest: dict[int, int] = {}
        self._at_work: dict[int, set[int]] = defaultdict(set)
        self._changed: set[int] = set()

    @contextlib.contextmanager
    def looking(self, channel_id: int, message_id: int) -> Iterator[None]:
        """While a message is looked at: the channel counts as read only up to the one before."""
        self._at_work[channel_id].add(message_id)
        finished = False
        try:
            yield
            finished = True
        finally:
            # A look that was broken off stays unfinished, and is made again after the restart.
            if finished:
                self._at_work[channel_id].discard(message_id)
                self.put(channel_id, message_id)

    def put(self, channel_id: int, message_id: int) -> None:
        """Count a channel as read up to a message, those at work excepted."""
        self._newest[channel_id] = max(message_id, self._newest.get(channel_id, 0))
        self._changed.add(channel_id)

    def changed(self) -> Mapping[int, int]:
        """How far the channels were read that were read on since the last call."""
        changed, self._changed = self._changed, set()
        return {channel_id: self._upto(channel_id) for channel_id in changed}

    def _upto(self, channel_id: int) -> int:
        at_work = self._at_work[channel_id]
        return (
            min(self._newest[channel_id], min(at_work) - 1) if at_work else self._newest[channel_id]
        )
