"""The life of an interaction: started by a person, answered by the bot within three seconds.

The answer is found again by the interaction's token, which works for fifteen minutes.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence

from bot.local import errors, resolved
from bot.local.changes import InteractionMoved, InteractionStarted
from bot.local.commands import Slash
from bot.local.faults import Plan
from bot.local.limits import check_choices, check_message, check_modal
from bot.local.model import (
    JSON,
    NO_FLAGS,
    Attachment,
    Channel,
    CommandType,
    Flag,
    Interaction,
    InteractionType,
    Message,
    Phase,
    ResponseType,
    Upload,
    User,
    walk,
)
from bot.local.payloads import attachment_json, message_json
from bot.local.world import World

ANSWER_WITHIN = 3.0  # seconds
TOKEN_LIFE = 15 * 60.0  # seconds


class Interactions:
    """All interactions that can still be answered."""

    def __init__(
        self,
        world: World,
        *,
        answer_within: float = ANSWER_WITHIN,
        faults: Plan | None = None,
    ) -> None:
        self.world = world
        self._faults = faults or Plan()
        self._answer_within = answer_within
        self._by_token: dict[str, Interaction] = {}

    # -- what people start

    def slash(
        self,
        user: User,
        channel: Channel,
        slash: Slash,
        values: list[JSON],
        *,
        attachments: Sequence[Attachment] = (),
        locale: str,
    ) -> Interaction:
        """Use a slash command; `values` are the filled-in options, as Discord sends them."""
        data = slash.data(values)
        data |= _resolved(attachments, resolved.of_options(self.world, values))
        return self._start(InteractionType.COMMAND, user, channel, data, locale, name=slash.name)

    def autocomplete(
        self, user: User, channel: Channel, slash: Slash, values: list[JSON], *, locale: str
    ) -> Interaction:
        """Ask for suggestions; the option being typed carries `focused`."""
        data = slash.data(values)
        return self._start(
            InteractionType.AUTOCOMPLETE, user, channel, data, locale, name=slash.name
        )

    def on_message(
        self, user: User, command: JSON, message: Message, *, locale: str
    ) -> Interaction:
        """Use a command of a message's context menu."""
        body = message_json(self.world, message)
        data = {
            "id": command["id"],
            "name": command["name"],
            "type": int(CommandType.MESSAGE),
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): body}},
        }
        return self._start(
            InteractionType.COMMAND, user, message.channel, data, locale, name=command["name"]
        )

    def component(
        self,
        user: User,
        message: Message,
        component: JSON,
        *,
        values: Sequence[str] = (),
        locale: str,
    ) -> Interaction:
        """Press a button or choose from a select under a message."""
        data: JSON = {
            "id": component["id"],
            "component_type": component["type"],
            "custom_id": component["custom_id"],
        }
        if component["type"] != 2:
            data["values"] = [*values]
            data |= _resolved(picked=resolved.resolved_json(self.world, component["type"], values))
        return self._start(
            InteractionType.COMPONENT, user, message.channel, data, locale, message=message
        )

    def submit(
        self,
        opened_by: Interaction,
        components: list[JSON],
        *,
        attachments: Sequence[Attachment] = (),
        locale: str,
    ) -> Interaction:
        """Send a filled-in form back. `components` holds the values in the form's own shape."""
        modal = opened_by.modal or {}
        data = {
            "custom_id": modal.get("custom_id", ""),
            "components": components,
            **_resolved(attachments, resolved.of_form(self.world, walk(components))),
        }
        return self._start(
            InteractionType.MODAL,
            opened_by.user,
            opened_by.channel,
            data,
            locale,
            message=opened_by.message,
            parent=opened_by,
            name=opened_by.name,
        )

    def _start(
        self,
        kind: InteractionType,
        user: User,
        channel: Channel,
        data: JSON,
        locale: str,
        *,
        message: Message | None = None,
        parent: Interaction | None = None,
        name: str = "",
    ) -> Interaction:
        self._forget_expired()
        interaction = Interaction(
            id=self.world.ids.next(),
            type=kind,
            token=secrets.token_urlsafe(32),
            user=user,
            channel=channel,
            locale=locale,
            data=data,
            created=time.monotonic(),
            name=name,
            message=message,
            parent=parent,
        )
        self._by_token[interaction.token] = interaction
        if self._faults.on_interaction():
            self._give_up(interaction)
        else:
            asyncio.get_running_loop().call_later(self._answer_within, self._give_up, interaction)
        self.world.tell(InteractionStarted(interaction))
        return interaction

    def _give_up(self, interaction: Interaction) -> None:
        if interaction.phase is Phase.WAITING:
            interaction.phase = Phase.FAILED
            self.world.tell(InteractionMoved(interaction))

    def _forget_expired(self) -> None:
        oldest = time.monotonic() - TOKEN_LIFE
        while self._by_token:
            token, interaction = next(iter(self._by_token.items()))
            if interaction.created > oldest:
                return
            del self._by_token[token]

    # -- what the bot answers

    def respond(
        self, interaction_id: int, token: str, payload: JSON, uploads: Sequence[Upload]
    ) -> JSON:
        """The first answer. Returns what `with_response` asks for. Raises `ApiError`."""
        interaction = self._by_token.get(token)
        if (
            interaction is None
            or interaction.id != interaction_id
            or interaction.phase is Phase.FAILED
        ):
            raise errors.unknown_interaction()
        if interaction.phase is Phase.ANSWERED:
            raise errors.already_acknowledged()
        try:
            kind = ResponseType(int(payload.get("type") or 0))
        except ValueError:
            faults = errors.Faults()
            faults.add(("type",), "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 6, 7, 8, 9}.")
            faults.check()
            raise AssertionError from None
        message = self._apply(interaction, kind, payload.get("data") or {}, uploads)
        interaction.phase = Phase.ANSWERED
        self.world.tell(InteractionMoved(interaction))
        return self._result(interaction, kind, message)

    def _apply(
        self, interaction: Interaction, kind: ResponseType, data: JSON, uploads: Sequence[Upload]
    ) -> Message | None:
        match kind:
            case ResponseType.MESSAGE:
                interaction.response = self._answer(interaction, data, uploads)
            case ResponseType.DEFERRED_MESSAGE:
                interaction.response = self._answer(interaction, data, (), flags=Flag.LOADING)
            case ResponseType.DEFERRED_UPDATE | ResponseType.UPDATE:
                if interaction.message is None:
                    raise errors.ApiError(400, 50035, "Invalid Form Body")
                if kind is ResponseType.UPDATE:
                    check_message(data)
                    self._edit(interaction.message, data, uploads)
                interaction.response = interaction.message
            case ResponseType.CHOICES:
                choices = data.get("choices") or []
                check_choices(choices)
                interaction.choices = choices
            case ResponseType.MODAL:
                if interaction.type in (InteractionType.MODAL, InteractionType.AUTOCOMPLETE):
                    raise errors.ApiError(400, 50035, "Invalid Form Body")
                check_modal(data)
                interaction.modal = data
        return interaction.response

    def _answer(
        self,
        interaction: Interaction,
        data: JSON,
        uploads: Sequence[Upload],
        *,
        flags: Flag = NO_FLAGS,
    ) -> Message:
        return self.world.post(
            self.world.bot, interaction.channel, data, uploads, origin=interaction, flags=flags
        )

    def _result(
        self, interaction: Interaction, kind: ResponseType, message: Message | None
    ) -> JSON:
        about: JSON = {"id": str(interaction.id), "type": int(interaction.type)}
        resource: JSON = {"type": int(kind)}
        if message is not None:
            about["response_message_id"] = str(message.id)
            about["response_message_loading"] = message.loading
            about["response_message_ephemeral"] = message.ephemeral
            if kind is not ResponseType.DEFERRED_UPDATE:
                resource["message"] = message_json(self.world, message)
        return {"interaction": about, "resource": resource}

    # -- what the bot does later, by the interaction's token

    def by_token(self, token: str) -> Interaction:
        """The answered interaction of a webhook token. Raises `ApiError` when it ran out."""
        interaction = self._by_token.get(token)
        if interaction is None:
            raise errors.unknown_webhook()
        if time.monotonic() - interaction.created > TOKEN_LIFE:
            raise errors.token_expired()
        if interaction.phase is not Phase.ANSWERED:
            raise errors.unknown_webhook()
        return interaction

    def follow_up(self, token: str, payload: JSON, uploads: Sequence[Upload]) -> Message:
        """A further message. The first one after a deferral fills the waiting message instead."""
        interaction = self.by_token(token)
        waiting = interaction.response
        if waiting is not None and waiting.loading and self.world.find(waiting):
            return self.world.edit(waiting, payload, uploads)
        return self._answer(interaction, payload, uploads)

    def message(self, token: str, reference: str) -> Message:
        """The message that `@original` or an id means for this token."""
        interaction = self.by_token(token)
        if reference == "@original":
            if interaction.response is None or not self.world.find(interaction.response):
                raise errors.unknown_message()
            return interaction.response
        message = self.world.message(interaction.channel, int(reference))
        if message.origin is not interaction and message is not interaction.response:
            raise errors.unknown_message()
        return message

    def edit(self, token: str, reference: str, payload: JSON, uploads: Sequence[Upload]) -> Message:
        return self._edit(self.message(token, reference), payload, uploads)

    def _edit(self, message: Message, payload: JSON, uploads: Sequence[Upload]) -> Message:
        if not self.world.find(message):
            raise errors.unknown_message()
        return self.world.edit(message, payload, uploads)

    def delete(self, token: str, reference: str) -> None:
        self.world.delete(self.message(token, reference))

    def age(self, interaction: Interaction, seconds: float) -> None:
        """Let an interaction have been started that much earlier."""
        interaction.created -= seconds

    def dismiss(self, message: Message) -> None:
        """A person puts an ephemeral message away; the bot hears nothing of it."""
        self.world.delete(message)


def _resolved(attachments: Sequence[Attachment] = (), picked: JSON | None = None) -> JSON:
    """The part of an interaction's data that says what its ids stand for; empty without any."""
    shown = {**(picked or {})}
    if attachments:
        shown["attachments"] = {str(item.id): attachment_json(item) for item in attachments}
    return {"resolved": shown} if shown else {}
