"""What a person does on the page: each act comes from the browser by name, with plain values."""

from __future__ import annotations

import json
from collections.abc import Callable

from bot.local import commands, payloads
from bot.local.errors import ApiError
from bot.local.model import Message, walk
from bot.local.page import forms
from bot.local.page.forms import MissingValue
from bot.local.page.texts import Text
from bot.local.page.uploads import Uploads
from bot.local.page.view import View
from bot.local.page.writing import Details, Writing
from knowledge.language import Language


class Acts:
    """Turns acts into changes of the world or of the view."""

    def __init__(self, view: View, uploads: Uploads) -> None:
        self._view = view
        self._world = view.world
        self._writing = Writing(view, uploads)
        self._table: dict[str, Callable[[Details], None]] = {
            **self._writing.table,
            "channel": self._change_channel,
            "language": self._change_language,
            "persona": self._change_person,
            "older": lambda details: view.older(),
            "press": self._press,
            "choose": self._choose,
            "dismiss": self._dismiss,
            "forget": lambda details: view.notices.forget(int(details["interaction"])),
            "menu": self._menu,
            "close-menu": lambda details: view.close_menu(),
            "reply": lambda details: self._writing.reply(self._found(details)),
            "edit": lambda details: self._writing.edit(self._found(details)),
            "delete": self._delete,
            "react": self._react,
            "app": self._app,
            "submit-modal": self._submit_modal,
            "close-modal": lambda details: view.close_modal(),
        }

    def do(self, details: Details) -> None:
        """Carry out one act. What cannot be done is said above the text field."""
        act = self._table.get(str(details.get("action")))
        if act is None:
            return
        try:
            act(details)
        except MissingValue as missing:
            sentence = self._view.painter.say(Text.MISSING_OPTION, name=missing.label)
            if self._view.open_form is not None:
                self._view.run(f"tutorPage.modalNote({json.dumps(sentence)})")
            else:
                self._writing.note(sentence)
        except ApiError as refused:
            self._writing.note(refused.message)
        except (KeyError, TypeError, ValueError):
            return  # values that this page never sends

    # -- moving around

    def _change_channel(self, details: Details) -> None:
        self._writing.reset()
        self._view.go(self._world.channel(int(details["channel"])))

    def _change_language(self, details: Details) -> None:
        self._writing.reset()
        self._view.speak(Language(details["values"][0]))

    def _change_person(self, details: Details) -> None:
        self._writing.reset()
        self._view.become(self._world.user(int(details["values"][0])))

    # -- messages

    def _found(self, details: Details) -> Message:
        return self._world.message(self._view.channel, int(details["message"]))

    def _menu(self, details: Details) -> None:
        message = self._found(details)
        offered = commands.message_commands(
            self._world,
            in_guild=message.channel.guild_id is not None,
            permissions=payloads.permissions(self._world, self._view.viewer),
        )
        self._view.menu.set_content(
            self._view.painter.paint(
                "menu",
                message=message,
                own=message.author == self._view.viewer,
                commands=[] if message.ephemeral else offered,
            )
        )

    def _delete(self, details: Details) -> None:
        message = self._found(details)
        if message.author == self._view.viewer:
            self._world.delete(message)

    def _dismiss(self, details: Details) -> None:
        message = self._found(details)
        if message.ephemeral and message.seen_by(self._view.viewer):
            self._view.interactions.dismiss(message)

    def _react(self, details: Details) -> None:
        message, emoji = self._found(details), str(details["emoji"])
        if emoji in message.reactions:
            added = self._view.viewer.id not in message.reactions[emoji]
            self._world.react(message, self._view.viewer, emoji, added=added)

    # -- interactions

    def _press(self, details: Details) -> None:
        self._use_component(details, ())

    def _choose(self, details: Details) -> None:
        self._use_component(details, tuple(str(value) for value in details["values"]))

    def _use_component(self, details: Details, values: tuple[str, ...]) -> None:
        message, custom_id = self._found(details), str(details["customId"])
        for component in walk(message.components):
            if component.get("custom_id") == custom_id and not component.get("disabled"):
                self._view.pressed(message, custom_id)
                self._view.interactions.component(
                    self._view.viewer,
                    message,
                    component,
                    values=values,
                    locale=self._view.painter.locale,
                )
                return

    def _app(self, details: Details) -> None:
        command = commands.get(self._world, int(details["command"]))
        self._view.close_menu()
        self._view.interactions.on_message(
            self._view.viewer,
            command,
            self._found(details),
            locale=self._view.painter.locale,
        )

    def _submit_modal(self, details: Details) -> None:
        opened_by = self._view.open_form
        if opened_by is None or opened_by.modal is None:
            return
        components, files = forms.modal_values(
            opened_by.modal, details["values"], self._writing.take_file
        )
        self._view.close_modal()
        self._view.interactions.submit(
            opened_by, components, attachments=files, locale=self._view.painter.locale
        )
        self._view.run("tutorPage.focus()")
