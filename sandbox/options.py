"""Where the broker of a queue is, and how patient both its sides are."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class BrokerOptions:
    """What a client and a worker have to agree on. Times in seconds."""

    url: str = field(repr=False)
    """redis://, rediss:// or unix://; may hold a user and a password."""
    password: str | None = field(default=None, repr=False)
    redeliver_s: float = 15.0
    """A worker that gave no sign for so long has lost its runs to another."""
    keep_s: int = 600
    """For so long an answer waits to be fetched."""
    patience_s: float = 60.0
    """For so long a client waits for a broker or a worker that is away."""

    @property
    def place(self) -> str:
        """The address without user and password, for people."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
