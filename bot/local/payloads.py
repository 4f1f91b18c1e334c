"""Discord's JSON for what exists here: the shapes that a client library reads."""

from __future__ import annotations

from datetime import datetime

from bot.local.model import (
    JSON,
    Attachment,
    Channel,
    ChannelType,
    CommandType,
    Guild,
    Interaction,
    InteractionType,
    Message,
    User,
)
from bot.local.world import APPLICATION_ID, GUILD_ID, World

# What a member of a study group may do: see, write, react, use commands.
MEMBER_PERMISSIONS = (
    1 << 6 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 31 | 1 << 35 | 1 << 38
)
ADMINISTRATOR = 1 << 3
_OWNER_PERMISSIONS = MEMBER_PERMISSIONS | ADMINISTRATOR | 1 << 5
_JOINED = "2024-01-01T00:00:00.000000+00:00"
_MESSAGE_CONTENT_LIMITED = 1 << 19


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def user_json(user: User) -> JSON:
    return {
        "id": str(user.id),
        "username": user.username,
        "global_name": None if user.bot else user.name,
        "discriminator": "0",
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "flags": 0,
    }


def bot_user_json(world: World) -> JSON:
    return {**user_json(world.bot), "verified": True, "mfa_enabled": False, "email": None}


def permissions(world: World, user: User) -> int:
    """The first person owns every guild; the bot and the others are plain members."""
    return _OWNER_PERMISSIONS if user == world.people[0] else MEMBER_PERMISSIONS


def member_json(world: World, user: User, guild_id: int | None, *, with_user: bool = True) -> JSON:
    """A person as a member of a guild; only the first guild has a role to hold."""
    is_mentor = guild_id == GUILD_ID and user.id in world.mentors
    member: JSON = {
        "nick": None,
        "avatar": None,
        "roles": [str(world.mentor.id)] if is_mentor else [],
        "joined_at": _JOINED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    if with_user:
        member["user"] = user_json(user)
    return member


def channel_json(world: World, channel: Channel) -> JSON:
    messages = world.messages(channel)
    common: JSON = {
        "id": str(channel.id),
        "type": int(channel.type),
        "last_message_id": str(messages[-1].id) if messages else None,
        "flags": 0,
    }
    if channel.type is ChannelType.DM:
        assert channel.person is not None  # noqa: S101 - a direct channel always has one
        return {**common, "recipients": [user_json(channel.person)]}
    if channel.type is ChannelType.PUBLIC_THREAD:
        return {**common, **_thread_json(world, channel)}
    return {
        **common,
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "topic": channel.topic,
        "position": [*world.channels].index(channel.id),
        "permission_overwrites": [],
        "nsfw": False,
        "rate_limit_per_user": 0,
        "parent_id": None,
        "permissions": str(MEMBER_PERMISSIONS),
    }


def _thread_json(world: World, channel: Channel) -> JSON:
    count = len(world.messages(channel))
    return {
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "parent_id": str(channel.parent_id),
        "owner_id": str(channel.owner_id),
        "rate_limit_per_user": 0,
        "permissions": str(MEMBER_PERMISSIONS),
        "message_count": count,
        "member_count": 1,
        "total_message_sent": count,
        "thread_metadata": {
            "archived": False,
            "archive_timestamp": _JOINED,
            "auto_archive_duration": 1440,
            "locked": False,
            "create_timestamp": _JOINED,
        },
    }


def guild_json(world: World, guild: Guild) -> JSON:
    """A whole guild, as GUILD_CREATE brings it."""
    roles = [(guild.id, "@everyone", MEMBER_PERMISSIONS)]
    if guild.id == GUILD_ID:
        roles.append((world.mentor.id, world.mentor.name, 0))
    own = [channel for channel in world.channels.values() if channel.guild_id == guild.id]
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": str(world.people[0].id),
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "roles": [
            {
                "id": str(identity),
                "name": name,
                "color": 0,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
                "hoist": False,
                "position": 0 if identity == guild.id else 1,
                "permissions": str(granted),
                "managed": False,
                "mentionable": False,
                "flags": 0,
            }
            for identity, name, granted in roles
        ],
        "emojis": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "public_updates_channel_id": None,
        "nsfw_level": 0,
        "stickers": [],
        "premium_progress_bar_enabled": False,
        "safety_alerts_channel_id": None,
        "joined_at": _JOINED,
        "large": False,
        "unavailable": False,
        "member_count": len(world.users),
        "voice_states": [],
        "members": [member_json(world, user, guild.id) for user in world.users],
        "channels": [
            channel_json(world, channel) for channel in own if channel.type is ChannelType.TEXT
        ],
        "threads": [
            channel_json(world, channel)
            for channel in own
            if channel.type is ChannelType.PUBLIC_THREAD
        ],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_json(world: World) -> JSON:
    owner = user_json(world.people[0])
    return {
        "id": str(APPLICATION_ID),
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": _MESSAGE_CONTENT_LIMITED,
        "owner": owner,
        "team": None,
        "rpc_origins": [],
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "integration_types_config": {"0": {}, "1": {}},
        "approximate_guild_count": len(world.guilds),
        "bot": user_json(world.bot),
    }


def attachment_json(attachment: Attachment) -> JSON:
    return {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": attachment.size,
        "url": attachment.url,
        "proxy_url": attachment.url,
        "content_type": attachment.content_type,
        "description": attachment.description,
        "flags": 0,
    }


def message_json(world: World, message: Message, *, nested: bool = False) -> JSON:
    """A message as the HTTP API returns it; `nested` leaves the referenced message out."""
    body: JSON = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": _message_type(message),
        "author": user_json(message.author),
        "content": message.content,
        "timestamp": stamp(message.created),
        "edited_timestamp": stamp(message.edited) if message.edited else None,
        "tts": False,
        "mention_everyone": message.everyone,
        "mentions": [user_json(user) for user in message.mentions],
        "mention_roles": [],
        "attachments": [attachment_json(item) for item in message.attachments],
        "embeds": message.embeds,
        "components": message.components,
        "reactions": [
            {
                "count": len(who),
                "count_details": {"burst": 0, "normal": len(who)},
                "me": world.bot.id in who,
                "me_burst": False,
                "burst_colors": [],
                "emoji": {"id": None, "name": emoji},
            }
            for emoji, who in message.reactions.items()
        ],
        "pinned": False,
        "flags": int(message.flags),
    }
    if message.nonce is not None:
        body["nonce"] = message.nonce
    if message.author.bot:
        body["application_id"] = str(APPLICATION_ID)
    if message.origin is not None:
        body["webhook_id"] = str(APPLICATION_ID)
        body["interaction_metadata"] = _metadata(message.origin)
        if message.origin.type is InteractionType.COMMAND:
            body["interaction"] = {
                "id": str(message.origin.id),
                "type": int(message.origin.type),
                "name": message.origin.name,
                "user": user_json(message.origin.user),
            }
    if message.reference is not None:
        body["message_reference"] = {
            "type": 0,
            "message_id": str(message.reference),
            "channel_id": str(message.channel.id),
        }
        if message.channel.guild_id:
            body["message_reference"]["guild_id"] = str(message.channel.guild_id)
        if not nested:
            referenced = [
                item for item in world.messages(message.channel) if item.id == message.reference
            ]
            body["referenced_message"] = (
                message_json(world, referenced[0], nested=True) if referenced else None
            )
    return body


def _message_type(message: Message) -> int:
    if message.reference is not None:
        return 19
    if message.origin is not None and message.origin.type is InteractionType.COMMAND:
        return 20 if message.origin.data.get("type") == CommandType.SLASH else 23
    return 0


def _metadata(interaction: Interaction) -> JSON:
    body: JSON = {
        "id": str(interaction.id),
        "type": int(interaction.type),
        "user": user_json(interaction.user),
        "authorizing_integration_owners": {"0": str(interaction.channel.guild_id or 0)},
    }
    if interaction.type is InteractionType.COMPONENT and interaction.message is not None:
        body["interacted_message_id"] = str(interaction.message.id)
    if interaction.type is InteractionType.MODAL and interaction.parent is not None:
        body["triggering_interaction_metadata"] = _metadata(interaction.parent)
    return body


def event_message_json(world: World, message: Message) -> JSON:
    """A message as the gateway sends it: with guild and member."""
    body = message_json(world, message)
    if message.channel.guild_id:
        body["guild_id"] = str(message.channel.guild_id)
        body["member"] = member_json(
            world, message.author, message.channel.guild_id, with_user=False
        )
    return body


def interaction_json(world: World, interaction: Interaction) -> JSON:
    channel = interaction.channel
    body: JSON = {
        "id": str(interaction.id),
        "application_id": str(APPLICATION_ID),
        "type": int(interaction.type),
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": channel_json(world, channel),
        "token": interaction.token,
        "version": 1,
        "locale": interaction.locale,
        "app_permissions": str(MEMBER_PERMISSIONS),
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(channel.guild_id or 0)},
        "context": 0 if channel.guild_id else 1,
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if channel.guild_id:
        body |= {
            "guild_id": str(channel.guild_id),
            "guild": {"id": str(channel.guild_id), "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": {
                **member_json(world, interaction.user, channel.guild_id),
                "permissions": str(permissions(world, interaction.user)),
            },
        }
    else:
        body["user"] = user_json(interaction.user)
    if interaction.message is not None:
        body["message"] = message_json(world, interaction.message)
    return body
