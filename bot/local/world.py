"""The state of the local Discord, and everything that can be done to it.

People act through the page, the bot through the HTTP API; both call this class, and whoever wants
to know (gateway, page) listens to the changes. All of it runs on one event loop.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bot.local import errors
from bot.local.changes import (
    Change,
    Listener,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    Reacted,
    ThreadCreated,
)
from bot.local.files import Files
from bot.local.limits import MAX_FILE_BYTES, MAX_FILES, check_message
from bot.local.model import (
    JSON,
    NO_FLAGS,
    Attachment,
    Channel,
    ChannelType,
    Flag,
    Guild,
    Interaction,
    Message,
    Role,
    Snowflakes,
    Upload,
    User,
    number,
)
from bot.local.uploads import content_type, safe_filename

_log = logging.getLogger(__name__)

# Fixed, so that what the bot remembers about the guild still fits after a restart.
GUILD_ID = 1_100_000_000_000_000_000
APPLICATION_ID = 1_100_000_000_000_000_001
_USER_IDS = (1_100_000_000_000_000_010, 1_100_000_000_000_000_011)
_CHANNEL_IDS = (1_100_000_000_000_000_020, 1_100_000_000_000_000_021)
MENTOR_ID = 1_100_000_000_000_000_040
_DM_IDS = (1_100_000_000_000_000_030, 1_100_000_000_000_000_031)

GUILD_NAME = "PyTorch study group"
KEPT_MESSAGES = 1_000  # per channel; older ones are forgotten

_MENTION = re.compile(r"<@!?(\d{1,20})>")


class World:
    """Guilds with the same people, their channels and messages, and the bot's registered commands.

    There is one guild, which the page shows, until others are added.
    """

    def __init__(self, token: str = "local") -> None:  # noqa: S107 - a dummy by intent
        self.token = token
        self.base_url = ""  # set once the port is known
        self.ids = Snowflakes()
        self.bot = User(APPLICATION_ID, "traceback-tutor", "Traceback Tutor", bot=True)
        self.people: tuple[User, ...] = (
            User(_USER_IDS[0], "you", "You"),
            User(_USER_IDS[1], "learner", "Learner"),
        )
        self.guilds: dict[int, Guild] = {GUILD_ID: Guild(GUILD_ID, GUILD_NAME)}
        self.channels: dict[int, Channel] = {
            channel.id: channel
            for channel in (
                Channel(_CHANNEL_IDS[0], "help", "Stuck? Paste your traceback.", GUILD_ID),
                Channel(_CHANNEL_IDS[1], "general", "Everything else.", GUILD_ID),
                *(
                    Channel(dm, self.bot.name, person=person)
                    for dm, person in zip(_DM_IDS, self.people, strict=True)
                ),
            )
        }
        self.mentor = Role(MENTOR_ID, "mentor")
        self.mentors: set[int] = set()  # ids of the people who hold the role
        self.files = Files()
        self.commands: dict[int, JSON] = {}
        self._messages: dict[int, deque[Message]] = {
            channel: deque(maxlen=KEPT_MESSAGES) for channel in self.channels
        }
        self._listeners: list[Listener] = []

    def add_guild(self, guild_id: int, name: str, *channels: str) -> tuple[Channel, ...]:
        """Another guild with text channels of these names, before the bot logs in."""
        self.guilds[guild_id] = Guild(guild_id, name)
        added = tuple(Channel(self.ids.next(), each, guild_id=guild_id) for each in channels)
        for channel in added:
            self.channels[channel.id] = channel
            self._messages[channel.id] = deque(maxlen=KEPT_MESSAGES)
        return added

    def add_person(self, username: str) -> User:
        """Another person, before the bot logs in; without a conversation with the bot."""
        person = User(self.ids.next(), username, username)
        self.people = (*self.people, person)
        return person

    # -- who wants to know

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: Change) -> None:
        """Let every listener know. One that fails is logged and keeps nobody else waiting."""
        for listener in tuple(self._listeners):
            try:
                listener(change)
            except Exception:
                _log.exception("A listener failed on %s", type(change).__name__)

    # -- looking things up

    @property
    def users(self) -> tuple[User, ...]:
        return (self.bot, *self.people)

    def user(self, user_id: int) -> User:
        for user in self.users:
            if user.id == user_id:
                return user
        raise errors.unknown_user()

    def channel(self, channel_id: int) -> Channel:
        try:
            return self.channels[channel_id]
        except KeyError:
            raise errors.unknown_channel() from None

    def direct_channel(self, person: User) -> Channel:
        """The conversation of `person` with the bot."""
        for channel in self.channels.values():
            if channel.person == person:
                return channel
        raise errors.cannot_message()

    def messages(self, channel: Channel) -> Sequence[Message]:
        """All messages of a channel, oldest first, ephemeral ones too."""
        return self._messages[channel.id]

    def message(self, channel: Channel, message_id: int) -> Message:
        for message in reversed(self._messages[channel.id]):
            if message.id == message_id:
                return message
        raise errors.unknown_message()

    def same(self, channel: Channel, payload: JSON) -> Message | None:
        """The bot's message that was sent with this nonce before, where that is to be looked at.

        Discord looks back "a few minutes"; here as far as messages are kept.
        """
        nonce = payload.get("nonce")
        if nonce is None or not payload.get("enforce_nonce"):
            return None
        own = (one for one in self._messages[channel.id] if one.author == self.bot)
        return next((one for one in own if one.nonce == nonce), None)

    def find(self, message: Message) -> bool:
        """Whether `message` still exists."""
        return message in self._messages[message.channel.id]

    def thread(self, message: Message, name: str) -> Channel:
        """Begin a thread at a message, as the bot. Raises `ApiError` where there is one already."""
        if message.id in self.channels:
            raise errors.thread_exists()
        if message.channel.type is not ChannelType.TEXT:
            raise errors.no_thread_here()
        begun = Channel(
            message.id,
            name,
            guild_id=message.channel.guild_id,
            parent_id=message.channel.id,
            owner_id=self.bot.id,
        )
        self.channels[begun.id] = begun
        self._messages[begun.id] = deque(maxlen=KEPT_MESSAGES)
        self.tell(ThreadCreated(begun))
        return begun

    # -- messages

    def attach(self, upload: Upload, channel: Channel) -> Attachment:
        """Take a file in. Raises `ApiError` when it is larger than Discord allows."""
        if len(upload.data) > MAX_FILE_BYTES:
            raise errors.too_large()
        identity = self.ids.next()
        name = safe_filename(upload.filename)
        attachment = Attachment(
            id=identity,
            filename=name,
            size=len(upload.data),
            content_type=content_type(name, upload.data),
            url=f"{self.base_url}/attachments/{channel.id}/{identity}/{name}",
            description=upload.description,
        )
        self.files.put(attachment, upload.data)
        return attachment

    def say(
        self,
        author: User,
        channel: Channel,
        content: str,
        *,
        uploads: Sequence[Upload] = (),
        reply_to: Message | None = None,
    ) -> Message:
        """Post as a person. A reply pings whom it answers, as Discord does by default."""
        payload: JSON = {"content": content}
        if reply_to is not None:
            payload["message_reference"] = {"message_id": str(reply_to.id)}
        return self.post(author, channel, payload, uploads)

    def post(
        self,
        author: User,
        channel: Channel,
        payload: JSON,
        uploads: Sequence[Upload] = (),
        *,
        origin: Interaction | None = None,
        flags: Flag = NO_FLAGS,
    ) -> Message:
        """Add a message; `payload` is what the HTTP API takes. Raises `ApiError`."""
        check_message(payload)
        if len(uploads) > MAX_FILES:
            raise errors.too_large()
        flags |= Flag(int(payload.get("flags") or 0)) & (Flag.SUPPRESS_EMBEDS | Flag.EPHEMERAL)
        if origin is None:
            flags &= ~Flag.EPHEMERAL  # only an answer to an interaction can be ephemeral
        message = Message(id=self.ids.next(), channel=channel, author=author, origin=origin)
        message.flags = flags
        message.nonce = payload.get("nonce")
        if flags & Flag.EPHEMERAL and origin is not None:
            message.visible_to = origin.user
        reference = payload.get("message_reference")
        if reference:
            message.reference = self._referenced(channel, reference, payload)
        self._fill(message, payload, uploads)
        if not flags & Flag.LOADING and not has_substance(message):
            raise errors.empty_message()
        self._messages[channel.id].append(message)
        self.tell(MessageCreated(message))
        return message

    def edit(self, message: Message, payload: JSON, uploads: Sequence[Upload] = ()) -> Message:
        """Change a message in place; keys that `payload` lacks stay as they are."""
        check_message(payload)
        was_loading = message.loading
        before = (message.content, message.embeds, message.components, message.attachments)
        self._fill(message, payload, uploads)
        message.flags &= ~Flag.LOADING
        if not has_substance(message):
            message.content, message.embeds, message.components, message.attachments = before
            raise errors.empty_message()
        if not was_loading:
            message.edited = datetime.now(UTC)
        self.tell(MessageEdited(message))
        return message

    def delete(self, message: Message) -> None:
        try:
            self._messages[message.channel.id].remove(message)
        except ValueError:
            raise errors.unknown_message() from None
        self.tell(MessageDeleted(message))

    def react(self, message: Message, user: User, emoji: str, *, added: bool) -> None:
        who = message.reactions.setdefault(emoji, set())
        if added:
            who.add(user.id)
        else:
            who.discard(user.id)
        if not who:
            del message.reactions[emoji]
        self.tell(Reacted(message, user, emoji, added))

    def _referenced(self, channel: Channel, reference: JSON, payload: JSON) -> int | None:
        message_id = int(reference.get("message_id") or 0)
        try:
            return self.message(channel, message_id).id
        except errors.ApiError:
            if reference.get("fail_if_not_exists", True):
                faults = errors.Faults()
                faults.add(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
                faults.check()
        return None

    def _fill(self, message: Message, payload: JSON, uploads: Sequence[Upload]) -> None:
        """Copy what `payload` holds into `message`. The order of files is the order of sending."""
        if "content" in payload:
            message.content = payload["content"] or ""
        if uploads or payload.get("attachments") is not None:
            kept = {int(item["id"]) for item in payload.get("attachments") or []}
            old = [item for item in message.attachments if item.id in kept]
            keep_all = payload.get("attachments") is None
            message.attachments = (message.attachments if keep_all else old) + [
                self.attach(upload, message.channel) for upload in uploads
            ]
        if payload.get("embeds") is not None:
            message.embeds = [_shown(embed, message.attachments) for embed in payload["embeds"]]
        if payload.get("components") is not None:
            message.components = number(payload["components"])
        message.mentions, message.everyone = self._pinged(message, payload)

    def _pinged(self, message: Message, payload: JSON) -> tuple[tuple[User, ...], bool]:
        """Whom the text pings, after the sender's `allowed_mentions`."""
        allowed = payload.get("allowed_mentions")
        kinds = {"users", "everyone"} if allowed is None else set(allowed.get("parse") or [])
        listed = {int(user_id) for user_id in (allowed or {}).get("users") or []}
        named = {int(found) for found in _MENTION.findall(message.content)}
        pinged = {user for user in named if "users" in kinds or user in listed}
        if message.reference and (allowed is None or allowed.get("replied_user")):
            pinged.add(self.message(message.channel, message.reference).author.id)
        everyone = "everyone" in kinds and bool(re.search("@(everyone|here)", message.content))
        return tuple(user for user in self.users if user.id in pinged), everyone


def has_substance(message: Message) -> bool:
    return bool(message.content or message.embeds or message.attachments or message.components)


def _shown(embed: JSON, attachments: list[Attachment]) -> JSON:
    """The embed as Discord gives it back: typed, and with `attachment://` addresses resolved."""
    shown = {"type": "rich", **embed}
    by_name = {item.filename: item for item in attachments}
    for key in ("image", "thumbnail"):
        url = str((embed.get(key) or {}).get("url", ""))
        name = url.removeprefix("attachment://")
        if name != url and name in by_name:
            shown[key] = {**embed[key], "url": by_name[name].url}
    return shown
