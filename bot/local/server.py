"""Puts the local Discord together on one port: gateway, HTTP API, attachments, and the page.

async with LocalDiscord(port=8080) as discord:
    ...                     # start a bot with discord.environment()
    await discord.closed()
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.local.faults import Plan
from bot.local.gateway import Gateway
from bot.local.interactions import ANSWER_WITHIN, Interactions
from bot.local.rest import Rest
from bot.local.world import World

if TYPE_CHECKING:
    from bot.local.contract import Contract

_log = logging.getLogger(__name__)


class LocalDiscordError(RuntimeError):
    """The local Discord cannot start; the message says why and what to do."""


class LocalDiscord:
    """One local Discord that runs while it is entered, in the current event loop."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        token: str = "local",  # noqa: S107 - guards nothing but this computer's own page
        page: bool = True,
        answer_within: float = ANSWER_WITHIN,
        message_content: bool = True,
    ) -> None:
        self._host, self._port = host, port
        self.world = World(token)
        self.faults = Plan()
        self.interactions = Interactions(
            self.world, answer_within=answer_within, faults=self.faults
        )
        self.gateway = Gateway(self.world, message_content=message_content, faults=self.faults)
        self.rest = Rest(self.world, self.interactions, self.gateway, self.faults)
        self.contract: Contract | None = None
        self._page = page
        self._server: uvicorn.Server | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of the page."""
        return self.world.base_url

    def environment(self) -> dict[str, str]:
        """The environment variables that send a bot here instead of to Discord."""
        return {
            "TUTOR_DISCORD_API": f"{self.url}/api/v10",
            "TUTOR_DISCORD_GATEWAY": self.gateway.url,
        }

    async def __aenter__(self) -> Self:
        """Listen. Raises `LocalDiscordError` when the port cannot be had."""
        listener = _bind(self._host, self._port)
        port = int(listener.getsockname()[1])
        visible = "127.0.0.1" if _is_any(self._host) else self._host
        place = f"[{visible}]:{port}" if ":" in visible else f"{visible}:{port}"
        self.world.base_url = f"http://{place}"
        self.gateway.url = f"ws://{place}/gateway"
        self._watch_contract(os.environ.get("TUTOR_DISCORD_OPENAPI"))
        config = uvicorn.Config(
            self.app(),
            log_level="warning",
            access_log=False,
            ws_max_size=4 * 1024 * 1024,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._running = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started:
            if self._running.done():
                await self._running
                raise LocalDiscordError("The local Discord stopped while it was starting.")
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is None or self._running is None:
            return
        await self.gateway.drop(1001)
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        if self.contract is not None:
            self.contract.close()

    async def closed(self) -> None:
        """Wait until the server stops."""
        if self._running is not None:
            await asyncio.shield(self._running)

    def app(self) -> FastAPI:
        """The whole as one ASGI application."""
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.router.routes.extend(
            [
                Mount("/api/v10", self.rest.app()),
                WebSocketRoute("/gateway", self.gateway.connect),
                Route("/local/contract", self._contract_report),
                Route("/attachments/{channel:int}/{attachment:int}/{name}", self._attachment),
            ]
        )
        if self._page:
            from bot.local.page import mount  # NiceGUI takes a second to import

            mount(app, self.world, self.interactions, self.gateway)
        app.add_middleware(OwnPagesOnly, host=self._host)
        return app

    def _watch_contract(self, description: str | None) -> None:
        """In tests: hold every request of the bot against Discord's description of its API."""
        if description and self.contract is None:
            from bot.local.contract import Contract  # its libraries come with the extra `dev`

            report = os.environ.get("TUTOR_DISCORD_REPORT")
            self.contract = Contract.load(Path(description), Path(report) if report else None)
            self.rest.observers.append(self.contract)
            self.rest.refusals.append(self.contract.refused)

    async def _contract_report(self, request: Request) -> Response:
        if self.contract is None:
            return PlainTextResponse("No description of Discord's API was given.", 404)
        return JSONResponse(
            {"checked": self.contract.checked, "violations": self.contract.violations}
        )

    async def _attachment(self, request: Request) -> Response:
        if fault := self.faults.on_request(request.method, request.url.path):
            return fault.response()
        held = self.world.files.get(request.path_params["attachment"])
        if held is None or held[0].filename != request.path_params["name"]:
            return PlainTextResponse("This file is no longer kept.", 404)
        attachment, data = held
        shown = "inline" if attachment.is_image else "attachment"
        return Response(
            data,
            media_type=attachment.content_type,
            headers={
                "Content-Disposition": shown,
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "X-Content-Type-Options": "nosniff",
            },
        )


class _Server(uvicorn.Server):
    """A server that leaves signals alone: whoever entered `LocalDiscord` decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class OwnPagesOnly:
    """Refuses requests that a foreign web page makes a browser send to this computer.

    A page from elsewhere may not use the learner's browser to run code here, neither by its own
    address (`Origin`) nor by a name that it points at 127.0.0.1 (`Host`).
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._anywhere = _is_any(host)
        self._names = {host.lower(), "127.0.0.1", "localhost", "::1"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not self._ours(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await PlainTextResponse("Not from this address.", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _ours(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return False
        return self._anywhere or (urlsplit(f"//{host}").hostname or "") in self._names


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise LocalDiscordError(
            f"Port {port} on {host} cannot be used ({error.strerror}). "
            "Stop the program that holds it, or choose another port."
        ) from error
    return listener


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    token: str = "local",  # noqa: S107 - see LocalDiscord
    started: Callable[[LocalDiscord], None] | None = None,
) -> None:
    """Run the local Discord with its page until cancelled; `started` is called once it listens."""
    async with LocalDiscord(host, port, token=token) as discord:
        if started is not None:
            started(discord)
        await discord.closed()
