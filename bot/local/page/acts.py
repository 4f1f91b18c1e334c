"""What a person does on the page: each act comes from the browser by name, with plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.local import commands, payloads
from bot.local.commands import Slash
from bot.local.errors import ApiError
from bot.local.limits import MAX_CONTENT, MAX_FILE_BYTES, MAX_FILES
from bot.local.model import Attachment, Message, Upload, walk
from bot.local.page import examples, forms
from bot.local.page.forms import Choice, MissingValue
from bot.local.page.texts import Text
from bot.local.page.uploads import Uploads
from bot.local.page.view import View
from knowledge.language import Language

Details = Mapping[str, Any]


@dataclass
class Draft:
    """What the text field is busy with."""

    files: dict[str, Upload] = field(default_factory=dict)
    replying: Message | None = None
    editing: Message | None = None
    slash: Slash | None = None
    note: str = ""


class Acts:
    """Turns acts into changes of the world or of the view."""

    def __init__(self, view: View, uploads: Uploads) -> None:
        self._view = view
        self._world = view.world
        self._uploads = uploads
        self._draft = Draft()
        self._table: dict[str, Callable[[Details], None]] = {
            "send": self._send,
            "type": self._type,
            "attach": self._attach,
            "refused-file": self._refuse_file,
            "drop-file": self._drop_file,
            "cancel": lambda details: self._reset(),
            "channel": self._change_channel,
            "language": self._change_language,
            "persona": self._change_person,
            "older": lambda details: view.older(),
            "example": self._example,
            "press": self._press,
            "choose": self._choose,
            "dismiss": self._dismiss,
            "forget": lambda details: view.forget(int(details["interaction"])),
            "menu": self._menu,
            "close-menu": lambda details: view.close_menu(),
            "reply": self._reply,
            "edit": self._edit,
            "edit-last": self._edit_last,
            "delete": self._delete,
            "react": self._react,
            "app": self._app,
            "command": self._command,
            "suggest": self._suggest,
            "submit-options": self._submit_options,
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
                self._note(sentence)
        except ApiError as refused:
            self._note(refused.message)
        except (KeyError, TypeError, ValueError):
            return  # values that this page never sends

    # -- writing

    def _send(self, details: Details) -> None:
        text = str(details.get("text") or "").strip()
        view, draft = self._view, self._draft
        if draft.slash is None and text.startswith("/"):
            found = self._matching(text)
            if found:
                self._open(found[0])
                return
        if draft.editing is not None:
            message, draft.editing = draft.editing, None
            if text:
                self._world.edit(message, {"content": text[:MAX_CONTENT]})
            self._show_draft()
            return
        if not text and not draft.files:
            return
        note = ""
        files = [*draft.files.values()]
        if len(text) > MAX_CONTENT:
            files.insert(0, Upload("message.txt", text.encode()))
            text, note = "", view.painter.say(Text.LONG_AS_FILE, limit=MAX_CONTENT)
        self._world.say(
            view.viewer,
            view.channel,
            self._with_mentions(text),
            uploads=files[:MAX_FILES],
            reply_to=draft.replying,
        )
        self._draft = Draft(note=note)
        self._show_draft()

    def _with_mentions(self, text: str) -> str:
        """@name, as people type it, becomes the mention that Discord sends."""
        for user in self._world.users:
            for name in (user.name, user.username):
                text = text.replace(f"@{name}", f"<@{user.id}>")
        return text

    def _type(self, details: Details) -> None:
        text = str(details.get("text") or "")
        if not text.startswith("/") or (" " in text.strip() and not self._matching(text)):
            self._view.picker.set_content("")
            return
        self._view.picker.set_content(
            self._view.painter.paint("picker", found=self._matching(text)[:10])
        )

    def _matching(self, text: str) -> list[Slash]:
        """The commands whose name, in the reader's language or in English, begins like `text`."""
        typed = text.removeprefix("/").strip().lower()
        locale = self._view.painter.locale
        return [
            slash
            for slash in self._offered()
            if slash.shown_name(locale).startswith(typed) or slash.name.startswith(typed)
        ]

    def _offered(self) -> list[Slash]:
        return commands.slash_commands(
            self._world,
            in_guild=self._view.channel.guild_id is not None,
            permissions=payloads.permissions(self._world, self._view.viewer),
        )

    def _attach(self, details: Details) -> None:
        key = str(details["file"])
        upload = self._uploads.peek(key)
        if upload is None:
            return
        if len(self._draft.files) >= MAX_FILES:
            self._note(self._view.painter.say(Text.TOO_MANY, limit=MAX_FILES))
            return
        self._draft.files[key] = upload
        self._show_draft()

    def _refuse_file(self, details: Details) -> None:
        limit = MAX_FILE_BYTES // 1024 // 1024
        name = str(details["name"])[:100]
        self._note(self._view.painter.say(Text.TOO_LARGE, name=name, limit=limit))

    def _drop_file(self, details: Details) -> None:
        self._draft.files.pop(str(details["file"]), None)
        self._show_draft()

    def _example(self, details: Details) -> None:
        example = examples.find(str(details["example"]))
        if example is not None:
            self._world.say(self._view.viewer, self._view.channel, example.text)

    def _note(self, text: str) -> None:
        self._draft.note = text
        self._show_draft()

    def _show_draft(self) -> None:
        draft = self._draft
        self._view.strip.set_content(
            self._view.painter.paint(
                "strip",
                note=draft.note,
                replying=draft.replying,
                editing=draft.editing,
                files=draft.files,
            )
        )
        self._view.picker.set_content("")
        draft.note = ""
        if draft.slash is None:
            self._view.options.set_content("")

    def _reset(self) -> None:
        was_editing = self._draft.editing is not None
        self._draft = Draft()
        self._show_draft()
        if was_editing:
            self._view.run("tutorPage.setText('')")

    # -- moving around

    def _change_channel(self, details: Details) -> None:
        self._reset()
        self._view.go(self._world.channel(int(details["channel"])))

    def _change_language(self, details: Details) -> None:
        self._reset()
        self._view.speak(Language(details["values"][0]))

    def _change_person(self, details: Details) -> None:
        self._reset()
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

    def _reply(self, details: Details) -> None:
        self._draft.replying, self._draft.editing = self._found(details), None
        self._show_draft()
        self._view.run("tutorPage.focus()")

    def _edit(self, details: Details) -> None:
        self._start_editing(self._found(details))

    def _edit_last(self, details: Details) -> None:
        for message in reversed(self._world.messages(self._view.channel)):
            if message.author == self._view.viewer:
                self._start_editing(message)
                return

    def _start_editing(self, message: Message) -> None:
        if message.author != self._view.viewer:
            return
        self._draft = Draft(editing=message)
        self._show_draft()
        self._view.run(f"tutorPage.setText({json.dumps(message.content)}); tutorPage.focus()")

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

    def _command(self, details: Details) -> None:
        for slash in self._offered():
            if slash.name == details["command"]:
                self._view.run("tutorPage.setText('')")
                self._open(slash)

    def _open(self, slash: Slash) -> None:
        """Ask for the options of a command, or use it at once when it has none."""
        self._draft = Draft(slash=slash)
        self._show_draft()
        if not slash.options:
            self._use(slash, {})
            return
        people = tuple(Choice(str(user.id), user.name) for user in self._world.users)
        channels = tuple(
            Choice(str(item.id), f"#{item.name}")
            for item in self._world.channels.values()
            if item.guild_id
        )
        painter = self._view.painter
        fields = forms.option_fields(slash, painter.locale, painter.say, people, channels)
        self._view.show_options(slash, fields)

    def _submit_options(self, details: Details) -> None:
        if self._draft.slash is not None:
            self._use(self._draft.slash, details["values"])

    def _use(self, slash: Slash, values: Mapping[str, Any]) -> None:
        given, files = forms.option_values(
            slash, self._view.painter.locale, values, self._take_file
        )
        self._draft = Draft()
        self._show_draft()
        self._view.interactions.slash(
            self._view.viewer,
            self._view.channel,
            slash,
            given,
            attachments=files,
            locale=self._view.painter.locale,
        )
        self._view.run("tutorPage.focus(); tutorPage.toBottom()")

    def _suggest(self, details: Details) -> None:
        slash, asked = self._draft.slash, str(details["option"])
        if slash is None:
            return
        values = [
            {
                "name": option["name"],
                "type": option["type"],
                "value": str(details["values"].get(option["name"]) or ""),
                **({"focused": True} if option["name"] == asked else {}),
            }
            for option in slash.options
            if option["name"] == asked or details["values"].get(option["name"])
        ]
        self._view.interactions.autocomplete(
            self._view.viewer,
            self._view.channel,
            slash,
            values,
            locale=self._view.painter.locale,
        )

    def _submit_modal(self, details: Details) -> None:
        opened_by = self._view.open_form
        if opened_by is None or opened_by.modal is None:
            return
        components, files = forms.modal_values(opened_by.modal, details["values"], self._take_file)
        self._view.close_modal()
        self._view.interactions.submit(
            opened_by, components, attachments=files, locale=self._view.painter.locale
        )
        self._view.run("tutorPage.focus()")

    def _take_file(self, key: str) -> Attachment | None:
        upload = self._uploads.take(key)
        return self._world.attach(upload, self._view.channel) if upload else None
