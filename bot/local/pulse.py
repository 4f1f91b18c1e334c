"""When a client's heartbeats came, and when they were acknowledged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

KEPT_BEATS = 10_000


@dataclass(frozen=True)
class Beat:
    """One heartbeat after another."""

    late_s: float
    """By how many seconds it came after the interval that was asked for."""
    acknowledged_s: float
    """How many seconds its acknowledgement had to wait, for messages before it say."""


def _moments() -> deque[float]:
    return deque(maxlen=KEPT_BEATS)


@dataclass(eq=False)
class Pulse:
    """The heartbeats of one connection; moments are seconds of the monotonic clock."""

    interval_s: float
    """What the client was asked to keep."""
    came: deque[float] = field(default_factory=_moments)
    acknowledged: deque[float] = field(default_factory=_moments)

    def beats(self, since: float) -> list[Beat]:
        """The acknowledged heartbeats that followed another after the moment `since`."""
        pairs = zip(pairwise(self.came), list(self.acknowledged)[1:], strict=False)
        return [
            Beat(came - before - self.interval_s, acknowledged - came)
            for (before, came), acknowledged in pairs
            if before >= since
        ]
