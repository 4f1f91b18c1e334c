"""When a client's heartbeats came, and when they were acknowledged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

KEPT_BEATS = 10_000


def _moments() -> deque[float]:
    return deque(maxlen=KEPT_BEATS)


@dataclass(eq=False)
class Pulse:
    """The heartbeats of one connection; moments are seconds of the monotonic clock."""

    interval_s: float
    """What the client was asked to keep."""
    shard: int | None = None
    """None until the client has said which one it is."""
    came: deque[float] = field(default_factory=_moments)
    acknowledged: deque[float] = field(default_factory=_moments)

    def lateness(self) -> list[float]:
        """By how many seconds each heartbeat came after its interval; none for the first."""
        return [later - earlier - self.interval_s for earlier, later in pairwise(self.came)]

    def delays(self) -> list[float]:
        """How many seconds each acknowledgement had to wait for what was being sent."""
        return [sent - came for came, sent in zip(self.came, self.acknowledged, strict=False)]
