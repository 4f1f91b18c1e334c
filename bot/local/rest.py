"""The HTTP API under /api/v10: the routes that a bot of this kind uses, and nobody else's."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.local import commands, errors, payloads
from bot.local.call import Call, read
from bot.local.changes import Typing
from bot.local.errors import ApiError
from bot.local.faults import Plan
from bot.local.gateway import Gateway
from bot.local.interactions import Interactions
from bot.local.model import JSON, Channel, Guild, Message
from bot.local.world import APPLICATION_ID, World

# Sees every request before it is handled.
Observer = Callable[[Call], None]
# Sees the method and template of every request that is refused, and why.
Refusal = Callable[[str, ApiError], None]
Handler = Callable[[Call], Any]


class Rest:
    """The routes, their handlers and who watches them."""

    def __init__(
        self,
        world: World,
        interactions: Interactions,
        gateway: Gateway,
        faults: Plan | None = None,
    ) -> None:
        self.world = world
        self.interactions = interactions
        self.gateway = gateway
        self.observers: list[Observer] = []
        self.refusals: list[Refusal] = []
        self._faults = faults or Plan()

    def app(self) -> Starlette:
        """The application to mount at /api/v10."""
        message = "/channels/{channel_id}/messages/{message_id}"
        reaction = message + "/reactions/{emoji_name}"
        command = "/applications/{application_id}"
        webhook = "/webhooks/{webhook_id}/{webhook_token}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/gateway", lambda call: {"url": self.gateway.url}),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/users/@me", lambda call: payloads.bot_user_json(self.world)),
            ("GET", "/users/{user_id}", self._user),
            ("POST", "/users/@me/channels", self._open_direct),
            ("GET", "/applications/@me", self._application),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", command + "/commands", self._commands),
            ("PUT", command + "/commands", self._overwrite_commands),
            ("GET", command + "/guilds/{guild_id}/commands", self._guild_commands),
            ("PUT", command + "/guilds/{guild_id}/commands", self._overwrite_guild_commands),
            ("GET", "/guilds/{guild_id}", self._guild),
            ("GET", "/guilds/{guild_id}/channels", self._guild_channels),
            ("GET", "/guilds/{guild_id}/members/{user_id}", self._member),
            ("GET", "/channels/{channel_id}", self._channel),
            ("POST", "/channels/{channel_id}/typing", self._typing),
            ("GET", "/channels/{channel_id}/messages", self._messages),
            ("POST", "/channels/{channel_id}/messages", self._create_message),
            ("POST", message + "/threads", self._begin_thread),
            ("GET", message, self._message),
            ("PATCH", message, self._edit_message),
            ("DELETE", message, self._delete_message),
            ("PUT", reaction + "/@me", self._react),
            ("DELETE", reaction + "/@me", self._unreact),
            ("POST", webhook, self._follow_up),
            ("GET", webhook + "/messages/{message_id}", self._webhook_message),
            ("PATCH", webhook + "/messages/{message_id}", self._edit_webhook_message),
            ("DELETE", webhook + "/messages/{message_id}", self._delete_webhook_message),
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self._callback),
        ]
        routes = [
            Route(template, self._endpoint(template, handler), methods=[method])
            for method, template, handler in table
        ]
        return Starlette(
            routes=routes,
            exception_handlers={
                ApiError: _refuse,
                HTTPException: _refuse_route,
            },
        )

    def _endpoint(
        self, template: str, handler: Handler
    ) -> Callable[[Request], Awaitable[Response]]:
        by_token = template.startswith(("/webhooks/", "/interactions/"))

        async def answer(request: Request) -> Response:
            if not by_token:
                self._authorize(request)
            call = await read(request, template)
            for observer in self.observers:
                observer(call)
            fault = self._faults.on_request(call.method, _path(request))
            if fault is not None and not fault.handled:
                return fault.response()
            result = handler(call)
            if fault is not None:
                return fault.response()
            return Response(status_code=204) if result is None else JSONResponse(result)

        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request)
            except ApiError as error:
                for refusal in self.refusals:
                    refusal(f"{request.method} {template}", error)
                raise

        return endpoint

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        expected = f"Bot {self.world.token}"
        if not secrets.compare_digest(given.encode(), expected.encode()):
            raise errors.unauthorized()

    # -- who and where

    def _gateway_bot(self, call: Call) -> JSON:
        return {
            "url": self.gateway.url,
            "shards": self.gateway.shards,
            "session_start_limit": {
                "total": 1000,
                "remaining": 1000,
                "reset_after": 14_400_000,
                "max_concurrency": 1,
            },
        }

    def _application(self, call: Call) -> JSON:
        return payloads.application_json(self.world)

    def _user(self, call: Call) -> JSON:
        return payloads.user_json(self.world.user(call.number("user_id")))

    def _open_direct(self, call: Call) -> JSON:
        person = self.world.user(int(call.form.get("recipient_id") or 0))
        return payloads.channel_json(self.world, self.world.direct_channel(person))

    def _guild(self, call: Call) -> JSON:
        return payloads.guild_json(self.world, self._guild_of(call))

    def _guild_channels(self, call: Call) -> list[JSON]:
        channels: list[JSON] = self._guild(call)["channels"]
        return channels

    def _member(self, call: Call) -> JSON:
        user = self.world.user(call.number("user_id"))
        return payloads.member_json(self.world, user, self._guild_of(call).id)

    def _guild_of(self, call: Call) -> Guild:
        try:
            return self.world.guilds[call.number("guild_id")]
        except KeyError:
            raise errors.unknown_guild() from None

    # -- commands

    def _check_application(self, call: Call) -> None:
        if call.number("application_id") != APPLICATION_ID:
            raise errors.missing_access()

    def _commands(self, call: Call) -> list[JSON]:
        self._check_application(call)
        return [*self.world.commands.values()]

    def _overwrite_commands(self, call: Call) -> list[JSON]:
        self._check_application(call)
        if not isinstance(call.body, list):
            raise errors.bad_json()
        return commands.overwrite(self.world, call.body)

    def _guild_commands(self, call: Call) -> list[JSON]:
        """No guild has commands of its own: global ones do."""
        self._check_application(call)
        self._guild_of(call)
        return []

    def _overwrite_guild_commands(self, call: Call) -> list[JSON]:
        self._guild_of(call)
        return self._overwrite_commands(call)

    # -- messages

    def _at(self, call: Call) -> Channel:
        return self.world.channel(call.number("channel_id"))

    def _found(self, call: Call) -> Message:
        message = self.world.message(self._at(call), call.number("message_id"))
        if message.ephemeral:
            raise errors.unknown_message()
        return message

    def _channel(self, call: Call) -> JSON:
        return payloads.channel_json(self.world, self._at(call))

    def _typing(self, call: Call) -> None:
        self.world.tell(Typing(self._at(call), self.world.bot))

    def _messages(self, call: Call) -> list[JSON]:
        wanted = [item for item in self.world.messages(self._at(call)) if not item.ephemeral]
        limit = min(max(int(call.query.get("limit", 50)), 1), 100)
        if "before" in call.query:
            wanted = [item for item in wanted if item.id < int(call.query["before"])]
        if "after" in call.query:
            wanted = [item for item in wanted if item.id > int(call.query["after"])][:limit]
        if "around" in call.query:
            middle = int(call.query["around"])
            nearest = sorted(wanted, key=lambda item: abs(item.id - middle))[:limit]
            wanted = sorted(nearest, key=lambda item: item.id)
        return [payloads.message_json(self.world, item) for item in reversed(wanted[-limit:])]

    def _begin_thread(self, call: Call) -> JSON:
        name = str(call.form.get("name") or "")
        faults = errors.Faults()
        faults.between(("name",), name, 1, 100)
        faults.check()
        return payloads.channel_json(self.world, self.world.thread(self._found(call), name))

    def _create_message(self, call: Call) -> JSON:
        channel = self._at(call)
        message = self.world.same(channel, call.form) or self.world.post(
            self.world.bot, channel, call.form, call.uploads
        )
        return payloads.message_json(self.world, message)

    def _message(self, call: Call) -> JSON:
        return payloads.message_json(self.world, self._found(call))

    def _edit_message(self, call: Call) -> JSON:
        message = self._found(call)
        if message.author != self.world.bot:
            raise errors.not_the_author()
        self.world.edit(message, call.form, call.uploads)
        return payloads.message_json(self.world, message)

    def _delete_message(self, call: Call) -> None:
        message = self._found(call)
        if message.author != self.world.bot:
            raise ApiError(403, 50013, "Missing Permissions")
        self.world.delete(message)

    def _react(self, call: Call) -> None:
        self.world.react(self._found(call), self.world.bot, call.path["emoji_name"], added=True)

    def _unreact(self, call: Call) -> None:
        message, emoji = self._found(call), call.path["emoji_name"]
        if emoji not in message.reactions:
            raise ApiError(404, 10014, "Unknown Emoji")
        self.world.react(message, self.world.bot, emoji, added=False)

    # -- interactions

    def _callback(self, call: Call) -> JSON | None:
        result = self.interactions.respond(
            call.number("interaction_id"),
            call.path["interaction_token"],
            call.form,
            call.uploads,
        )
        wanted = call.query.get("with_response", "").lower() in ("1", "true")
        return result if wanted else None

    def _token(self, call: Call) -> str:
        if call.number("webhook_id") != APPLICATION_ID:
            raise errors.unknown_webhook()
        return call.path["webhook_token"]

    def _follow_up(self, call: Call) -> JSON:
        message = self.interactions.follow_up(self._token(call), call.form, call.uploads)
        return payloads.message_json(self.world, message)

    def _webhook_message(self, call: Call) -> JSON:
        message = self.interactions.message(self._token(call), self._reference(call))
        return payloads.message_json(self.world, message)

    def _edit_webhook_message(self, call: Call) -> JSON:
        message = self.interactions.edit(
            self._token(call), self._reference(call), call.form, call.uploads
        )
        return payloads.message_json(self.world, message)

    def _delete_webhook_message(self, call: Call) -> None:
        self.interactions.delete(self._token(call), self._reference(call))

    @staticmethod
    def _reference(call: Call) -> str:
        reference = call.path["message_id"]
        return reference if reference == "@original" else str(call.number("message_id"))


def _path(request: Request) -> str:
    """The path below /api/v10."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class only
    return JSONResponse(error.body(), status_code=error.status)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    text = f"{error.status_code}: {error.detail}"
    return JSONResponse({"message": text, "code": 0}, status_code=error.status_code)
