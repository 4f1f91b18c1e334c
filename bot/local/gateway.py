"""The websocket side: HELLO, IDENTIFY, heartbeats, events with sequence numbers, RESUME."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bot.local import payloads
from bot.local.changes import (
    Change,
    InteractionStarted,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    PresenceChanged,
    Reacted,
    ThreadCreated,
    Typing,
)
from bot.local.faults import Plan
from bot.local.model import JSON, Channel, ChannelType, Message
from bot.local.opcodes import Close, Intent, Op
from bot.local.pulse import Pulse
from bot.local.world import APPLICATION_ID, World

HEARTBEAT_MS = 41_250
REPLAYED_EVENTS = 20_000  # kept for a client that comes back
KEPT_SESSIONS = 64
# Seconds. An answer faster than any real network confuses discord.py, which notes the moment of
# sending in another thread and would report a latency of a whole heartbeat interval.
_ACK_AFTER = 0.02


@dataclass(eq=False)
class Session:
    """One logged-in shard: what it wants to hear and what it heard, for a later RESUME."""

    intents: Intent
    shard: tuple[int, int]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    history: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAYED_EVENTS))
    outgoing: asyncio.Queue[str] | None = None  # None while the client is away

    def owns(self, channel: Channel) -> bool:
        """Whether this shard hears of `channel`; direct messages go to the first one."""
        return self.hosts(channel.guild_id) if channel.guild_id else self.shard[0] == 0

    def hosts(self, guild_id: int) -> bool:
        """Whether this shard hears of a guild."""
        return self.shard[0] == (guild_id >> 22) % self.shard[1]

    def dispatch(self, event: str, data: JSON) -> None:
        """Number an event, remember it, and send it if the client is there."""
        self.sequence += 1
        frame = _frame(Op.DISPATCH, data, self.sequence, event)
        self.history.append((self.sequence, frame))
        if self.outgoing is not None:
            self.outgoing.put_nowait(frame)

    def missed(self, after: int) -> list[str] | None:
        """The events after number `after`, or None if they are no longer known."""
        if after > self.sequence or (self.history and after < self.history[0][0] - 1):
            return None
        return [frame for number, frame in self.history if number > after]


class Hangup(Exception):
    """The conversation ends with this close code."""

    def __init__(self, code: Close) -> None:
        super().__init__(code.name)
        self.code = code


class Gateway:
    """All sessions, and the way from a change of the world to their events."""

    def __init__(
        self,
        world: World,
        *,
        message_content: bool = True,
        heartbeat_ms: int = HEARTBEAT_MS,
        faults: Plan | None = None,
    ) -> None:
        self.world = world
        self._faults = faults or Plan()
        self.url = ""  # set once the port is known
        self._message_content = message_content
        self.heartbeat_ms = heartbeat_ms
        self.shards = 1
        """How many shards a bot is advised to have."""
        self.pulses: deque[Pulse] = deque(maxlen=KEPT_SESSIONS)
        """Those of the last connections."""
        self._sessions: dict[str, Session] = {}
        self._sockets: dict[Session, WebSocket] = {}
        self.heartbeats = 0
        world.listen(self._on_change)

    @property
    def online(self) -> bool:
        """Whether the bot is logged in."""
        return bool(self._sockets)

    # -- one connection

    async def connect(self, socket: WebSocket) -> None:
        """Serve one websocket until it closes."""
        await socket.accept()
        outgoing: asyncio.Queue[str] = asyncio.Queue()
        outgoing.put_nowait(_frame(Op.HELLO, {"heartbeat_interval": self.heartbeat_ms}))
        pulse = Pulse(self.heartbeat_ms / 1000)
        self.pulses.append(pulse)
        sender = asyncio.create_task(_send(socket, outgoing, pulse))
        session: Session | None = None
        try:
            while True:
                session = await self._receive(socket, outgoing, session, pulse)
        except Hangup as hangup:
            await _close(socket, hangup.code)
        except WebSocketDisconnect:
            pass
        finally:
            sender.cancel()
            if session is not None and session.outgoing is outgoing:
                session.outgoing = None
                self._sockets.pop(session, None)
                self.world.tell(PresenceChanged())

    async def _receive(
        self,
        socket: WebSocket,
        outgoing: asyncio.Queue[str],
        session: Session | None,
        pulse: Pulse,
    ) -> Session | None:
        """Handle one frame; returns the session that the connection now belongs to."""
        try:
            async with asyncio.timeout(self.heartbeat_ms / 1000 * 2):
                text = await socket.receive_text()
        except TimeoutError:
            raise Hangup(Close.TIMED_OUT) from None
        except KeyError:  # a binary frame
            raise Hangup(Close.DECODE_ERROR) from None
        try:
            frame = json.loads(text)
            op, data = int(frame["op"]), frame.get("d")
        except (ValueError, KeyError, TypeError):
            raise Hangup(Close.DECODE_ERROR) from None
        if fault := self._faults.on_frame(op):
            if fault.answer is not None:
                outgoing.put_nowait(_frame(*fault.answer))
            return session
        match op:
            case Op.HEARTBEAT:
                self.heartbeats += 1
                pulse.came.append(time.monotonic())
                asyncio.get_running_loop().call_later(_ACK_AFTER, outgoing.put_nowait, _ACK)
            case Op.IDENTIFY:
                if session is not None:
                    raise Hangup(Close.ALREADY_AUTHENTICATED)
                return self._identify(socket, outgoing, data)
            case Op.RESUME:
                if session is not None:
                    raise Hangup(Close.ALREADY_AUTHENTICATED)
                return self._resume(socket, outgoing, data)
            case _ if session is None:
                raise Hangup(Close.NOT_AUTHENTICATED)
            case Op.REQUEST_MEMBERS:
                self._members(session, data)
            case Op.PRESENCE | Op.VOICE_STATE:
                pass  # nobody looks at them here
            case _:
                raise Hangup(Close.UNKNOWN_OPCODE)
        return session

    def _identify(self, socket: WebSocket, outgoing: asyncio.Queue[str], data: Any) -> Session:
        try:
            token, intents = str(data["token"]), Intent(int(data["intents"]))
            shard_id, shard_count = (int(part) for part in data.get("shard") or (0, 1))
        except (KeyError, TypeError, ValueError):
            raise Hangup(Close.DECODE_ERROR) from None
        if not secrets.compare_digest(token.encode(), self.world.token.encode()):
            raise Hangup(Close.AUTHENTICATION_FAILED)
        if not 0 <= shard_id < shard_count:
            raise Hangup(Close.INVALID_SHARD)
        if intents & Intent.MESSAGE_CONTENT and not self._message_content:
            raise Hangup(Close.DISALLOWED_INTENTS)
        session = Session(intents, (shard_id, shard_count), outgoing=outgoing)
        self._remember(session, socket)
        guilds = [one for one in self.world.guilds.values() if session.hosts(one.id)]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": payloads.bot_user_json(self.world),
                "guilds": [{"id": str(one.id), "unavailable": True} for one in guilds],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.url,
                "shard": [shard_id, shard_count],
                "application": {
                    "id": str(APPLICATION_ID),
                    "flags": payloads.application_json(self.world)["flags"],
                },
                "private_channels": [],
                "user_settings": {},
                "relationships": [],
                "presences": [],
                "guild_join_requests": [],
                "geo_ordered_rtc_regions": [],
            },
        )
        for guild in guilds if intents & Intent.GUILDS else ():
            session.dispatch("GUILD_CREATE", payloads.guild_json(self.world, guild))
        return session

    def _resume(self, socket: WebSocket, outgoing: asyncio.Queue[str], data: Any) -> Session | None:
        try:
            token, session_id = str(data["token"]), str(data["session_id"])
            sequence = int(data["seq"])
        except (KeyError, TypeError, ValueError):
            raise Hangup(Close.DECODE_ERROR) from None
        if not secrets.compare_digest(token.encode(), self.world.token.encode()):
            raise Hangup(Close.AUTHENTICATION_FAILED)
        session = self._sessions.get(session_id)
        missed = session.missed(sequence) if session else None
        if session is None or missed is None:
            outgoing.put_nowait(_frame(Op.INVALID_SESSION, False))
            return None
        for frame in missed:
            outgoing.put_nowait(frame)
        session.outgoing = outgoing
        self._sockets[session] = socket
        session.dispatch("RESUMED", {})
        self.world.tell(PresenceChanged())
        return session

    def _remember(self, session: Session, socket: WebSocket) -> None:
        self._sessions[session.id] = session
        self._sockets[session] = socket
        self.world.tell(PresenceChanged())
        away = [kept for kept in self._sessions.values() if kept.outgoing is None]
        for kept in away[: max(0, len(self._sessions) - KEPT_SESSIONS)]:
            del self._sessions[kept.id]

    def _members(self, session: Session, data: Any) -> None:
        guild_id = int((data or {}).get("guild_id") or 0)
        query = str((data or {}).get("query") or "").lower()
        wanted = {str(item) for item in (data or {}).get("user_ids") or []}
        members = [
            payloads.member_json(self.world, user, guild_id)
            for user in self.world.users
            if user.username.startswith(query) and (not wanted or str(user.id) in wanted)
        ]
        chunk: JSON = {
            "guild_id": str(guild_id),
            "members": members,
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
            "presences": [],
        }
        if (data or {}).get("nonce"):
            chunk["nonce"] = data["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)

    # -- trouble on purpose: what a real gateway also does now and then

    async def drop(self, code: int = 4000) -> None:
        """Break every connection; the clients may resume."""
        for socket in tuple(self._sockets.values()):
            await _close(socket, code)

    def ask_to_reconnect(self) -> None:
        """Tell every client to come back, as Discord does before maintenance."""
        for session in self._sockets:
            if session.outgoing is not None:
                session.outgoing.put_nowait(_frame(Op.RECONNECT, None))

    def forget_sessions(self) -> None:
        """Make every later RESUME fail, so that clients have to identify again."""
        self._sessions.clear()

    # -- events

    def _on_change(self, change: Change) -> None:
        for session in tuple(self._sessions.values()):
            for event, data in self._events(session, change):
                for _ in range(self._faults.copies(event)):
                    session.dispatch(event, data)

    def _events(self, session: Session, change: Change) -> list[tuple[str, JSON]]:
        match change:
            case MessageCreated(message) | MessageEdited(message):
                if not self._hears(session, message):
                    return []
                event = "MESSAGE_CREATE" if isinstance(change, MessageCreated) else "MESSAGE_UPDATE"
                return [(event, self._readable(session, message))]
            case MessageDeleted(message):
                if not self._hears(session, message):
                    return []
                return [("MESSAGE_DELETE", _where(message))]
            case ThreadCreated(thread):
                if not session.owns(thread) or not session.intents & Intent.GUILDS:
                    return []
                body = payloads.channel_json(self.world, thread)
                return [("THREAD_CREATE", {**body, "newly_created": True})]
            case InteractionStarted(interaction):
                if not session.owns(interaction.channel):
                    return []
                body = payloads.interaction_json(self.world, interaction)
                return [("INTERACTION_CREATE", body)]
            case Reacted(message, user, emoji, added):
                wanted = _intent(message.channel, Intent.GUILD_REACTIONS, Intent.DM_REACTIONS)
                if not session.owns(message.channel) or not session.intents & wanted:
                    return []
                body = {
                    **_where(message),
                    "message_id": str(message.id),
                    "user_id": str(user.id),
                    "emoji": {"id": None, "name": emoji},
                    "type": 0,
                    "burst": False,
                }
                return [("MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE", body)]
            case Typing(channel, user):
                wanted = _intent(channel, Intent.GUILD_TYPING, Intent.DM_TYPING)
                if not session.owns(channel) or not session.intents & wanted:
                    return []
                body = {"channel_id": str(channel.id), "user_id": str(user.id), "timestamp": 0}
                return [("TYPING_START", body)]
            case _:
                return []

    def _hears(self, session: Session, message: Message) -> bool:
        """Ephemeral messages reach the bot over HTTP only."""
        wanted = _intent(message.channel, Intent.GUILD_MESSAGES, Intent.DM_MESSAGES)
        return (
            not message.ephemeral
            and session.owns(message.channel)
            and bool(session.intents & wanted)
        )

    def _readable(self, session: Session, message: Message) -> JSON:
        """The message, emptied when the bot may not read it."""
        body = payloads.event_message_json(self.world, message)
        may_read = (
            session.intents & Intent.MESSAGE_CONTENT
            or message.channel.type is ChannelType.DM
            or message.author == self.world.bot
            or self.world.bot in message.mentions
        )
        if not may_read:
            body |= {"content": "", "embeds": [], "attachments": [], "components": []}
        return body


def _intent(channel: Channel, guild: Intent, direct: Intent) -> Intent:
    return guild if channel.guild_id else direct


def _where(message: Message) -> JSON:
    place = {"id": str(message.id), "channel_id": str(message.channel.id)}
    if message.channel.guild_id:
        place["guild_id"] = str(message.channel.guild_id)
    return place


def _frame(op: Op, data: Any, sequence: int | None = None, event: str | None = None) -> str:
    return json.dumps({"t": event, "s": sequence, "op": int(op), "d": data}, separators=(",", ":"))


_ACK = _frame(Op.HEARTBEAT_ACK, None)


async def _send(socket: WebSocket, outgoing: asyncio.Queue[str], pulse: Pulse) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the other side went away
        while True:
            frame = await outgoing.get()
            await socket.send_text(frame)
            if frame == _ACK:
                pulse.acknowledged.append(time.monotonic())


async def _close(socket: WebSocket, code: int) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(RuntimeError):
            await socket.close(code)
