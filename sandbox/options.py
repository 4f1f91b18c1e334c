"""What the parts of the sandbox have to know of the world around: the broker, the GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sandbox.protocol import Tier


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


@dataclass(frozen=True)
class GpuOptions:
    """Which GPU runs snippets, and how it is watched. Times in seconds."""

    index: int = 0
    """Counted as nvidia-smi does."""
    fraction: float = 0.5
    """How much of its memory one run may have."""
    recovery_s: float = 10.0
    """For so long after a run the memory may take to come free."""
    minimum_tier: Tier = Tier.STRONG
    """Walls that a run must have. Cells on a GPU reach the floor tier."""
