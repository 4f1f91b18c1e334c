"""What every runner of snippets promises: the pool of this process, or a queue to workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sandbox.protocol import Device, Limits, Result, Snippet


class SandboxError(RuntimeError):
    """The sandbox cannot run anything; the message says why and what to do."""


class DeviceUnavailable(SandboxError):
    """No host of this sandbox can run snippets on the device asked for."""

    def __init__(self, device: Device, message: str) -> None:
        super().__init__(message)
        self.device = device


@dataclass(frozen=True)
class Progress:
    """How far an accepted run is: how many come before it, or what it printed so far."""

    ahead: int
    """Those who start earlier; 0 for the next one and for one that is running."""
    running: bool = False
    stdout: str = ""
    """The end of what a running snippet has printed, a few thousand characters at most."""


Watch = Callable[[Progress], None]
"""Is told of each change; called in the event loop, must not block."""


class Runner(Protocol):
    """Whatever runs snippets."""

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """Run `snippet` and tell what happened.

        Everything that a snippet can do ends in a Result. Cancelling the call ends the run.
        Raises DeviceUnavailable, and SandboxError when nothing can be run.
        """
