"""What goes wrong, as plain data: faults that match a request, a frame, an event or an interaction.

A fault happens `times` times and is then used up. Tests plan them with `LocalDiscord.faults`:

    local.faults.add(RequestFault("POST /channels/*/messages", errors.missing_permissions()))
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.local.errors import ApiError
from bot.local.opcodes import Op

ALWAYS: Final = 1_000_000
"""As `times`: for as long as anybody looks."""


@dataclass(frozen=True)
class RequestFault:
    """A request that Discord does not answer as it should."""

    route: str
    """Method and path, "*" standing for anything: "PATCH /webhooks/*/messages/@original"."""
    error: ApiError | None = None
    """What is answered; None when the connection breaks before an answer is there."""
    retry_after: float | None = None
    """With status 429: the seconds after which to try again."""
    everywhere: bool = False
    """With status 429: whether all routes are limited and not only this one."""
    handled: bool = False
    """Whether what was asked for was done all the same."""
    times: int = 1

    def response(self) -> Response:
        """What the bot gets in place of an answer."""
        if self.error is None:
            return _Cut()
        body, headers = self.error.body(), {"Via": "1.1 local"}
        if self.retry_after is not None:
            body |= {"retry_after": self.retry_after, "global": self.everywhere}
            headers |= {
                "Retry-After": str(self.retry_after),
                "X-RateLimit-Scope": "global" if self.everywhere else "user",
            }
            if self.everywhere:
                headers["X-RateLimit-Global"] = "true"
        return JSONResponse(body, self.error.status, headers)


@dataclass(frozen=True)
class FrameFault:
    """A frame of the client that the gateway does not handle as it should."""

    op: Op
    """The kind of frame: `bot.local.opcodes.Op`."""
    answer: tuple[Op, Any] | None = None
    """Opcode and data of what is sent back instead; None for silence."""
    times: int = 1


@dataclass(frozen=True)
class EventFault:
    """An event that the gateway delivers more than once."""

    name: str
    """As the gateway names it: "MESSAGE_CREATE"."""
    copies: int = 2
    times: int = 1


@dataclass(frozen=True)
class InteractionFault:
    """An interaction that reaches the bot when its three seconds are over."""

    times: int = 1


Fault = RequestFault | FrameFault | EventFault | InteractionFault
_Kind = TypeVar("_Kind", RequestFault, FrameFault, EventFault, InteractionFault)


@dataclass
class Plan:
    """The faults that are still to happen, and those that have."""

    happened: list[Fault] = field(default_factory=list)
    _left: list[tuple[Fault, int]] = field(default_factory=list)

    def add(self, *faults: Fault) -> None:
        """Let each of `faults` happen as soon as it can; earlier ones come first."""
        self._left += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """From now on everything goes well."""
        self._left.clear()

    def on_request(self, method: str, path: str) -> RequestFault | None:
        """What happens to this request, which is then used up."""
        asked = f"{method} {path}"
        return self._take([one for one in self._of(RequestFault) if fnmatchcase(asked, one.route)])

    def on_frame(self, op: int) -> FrameFault | None:
        """What happens to this frame."""
        return self._take([one for one in self._of(FrameFault) if one.op == op])

    def copies(self, event: str) -> int:
        """How often an event is delivered."""
        fault = self._take([one for one in self._of(EventFault) if one.name == event])
        return fault.copies if fault else 1

    def on_interaction(self) -> InteractionFault | None:
        """What happens to an interaction that starts now."""
        return self._take(self._of(InteractionFault))

    def _of(self, kind: type[_Kind]) -> list[_Kind]:
        return [fault for fault, _ in self._left if isinstance(fault, kind)]

    def _take(self, matching: list[_Kind]) -> _Kind | None:
        if not matching:
            return None
        index = next(i for i, (fault, _) in enumerate(self._left) if fault is matching[0])
        fault, left = self._left.pop(index)
        if left > 1:
            self._left.insert(index, (fault, left - 1))
        self.happened.append(fault)
        return matching[0]


class _Cut(Response):
    """An answer whose connection breaks after the first bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # The server hangs up on whoever promised more than this and ends.
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
