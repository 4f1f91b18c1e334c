"""Writing on the page: the text field, files that wait, and the options of slash commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.local import commands, payloads
from bot.local.commands import Slash
from bot.local.limits import MAX_CONTENT, MAX_FILE_BYTES, MAX_FILES
from bot.local.model import Attachment, Message, Upload
from bot.local.page import examples, forms
from bot.local.page.texts import Text
from bot.local.page.uploads import Uploads
from bot.local.page.view import View

Details = Mapping[str, Any]

_OFFERED = 25  # commands in the picker at once
_NAMING = re.compile(r"(?:^|\s)@(\S{0,32})$")


@dataclass
class Draft:
    """What the text field is busy with."""

    files: dict[str, Upload] = field(default_factory=dict)
    replying: Message | None = None
    editing: Message | None = None
    slash: Slash | None = None
    note: str = ""


class Writing:
    """The acts around the text field of one page."""

    def __init__(self, view: View, uploads: Uploads) -> None:
        self._view = view
        self._world = view.world
        self._uploads = uploads
        self._draft = Draft()
        self.table: dict[str, Callable[[Details], None]] = {
            "send": self._send,
            "type": self._type,
            "attach": self._attach,
            "refused-file": self._refuse_file,
            "drop-file": self._drop_file,
            "cancel": lambda details: self.reset(),
            "example": self._example,
            "edit-last": self._edit_last,
            "command": self._command,
            "suggest": self._suggest,
            "submit-options": self._submit_options,
        }

    # -- messages

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
            self._show()
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
        view.run("tutorPage.toBottom()")
        self._draft = Draft(note=note)
        self._show()

    def _with_mentions(self, text: str) -> str:
        """@name, as people type it, becomes the mention that Discord sends."""
        for user in self._world.users:
            for name in (user.name, user.username):
                text = text.replace(f"@{name}", f"<@{user.id}>")
        return text

    def _example(self, details: Details) -> None:
        example = examples.find(str(details["example"]))
        if example is not None:
            self._world.say(self._view.viewer, self._view.channel, example.text)
            self._view.run("tutorPage.toBottom()")

    def reply(self, message: Message) -> None:
        """Let the next message answer `message`."""
        self._draft.replying, self._draft.editing = message, None
        self._show()
        self._view.run("tutorPage.focus()")

    def edit(self, message: Message) -> None:
        """Take one's own message back into the text field."""
        if message.author != self._view.viewer:
            return
        self._draft = Draft(editing=message)
        self._show()
        self._view.run(f"tutorPage.setText({json.dumps(message.content)}); tutorPage.focus()")

    def _edit_last(self, details: Details) -> None:
        for message in reversed(self._world.messages(self._view.channel)):
            if message.author == self._view.viewer:
                self.edit(message)
                return

    # -- what stands above the text field

    def note(self, text: str) -> None:
        """Say something above the text field."""
        self._draft.note = text
        self._show()

    def reset(self) -> None:
        """Let go of whatever was being written besides the text."""
        was_editing = self._draft.editing is not None
        self._draft = Draft()
        self._show()
        if was_editing:
            self._view.run("tutorPage.setText('')")
        self._view.run("tutorPage.focus()")  # it was hidden while options were asked for

    def _show(self) -> None:
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

    # -- files

    def _attach(self, details: Details) -> None:
        key = str(details["file"])
        upload = self._uploads.peek(key)
        if upload is None:
            return
        if len(self._draft.files) >= MAX_FILES:
            self.note(self._view.painter.say(Text.TOO_MANY, limit=MAX_FILES))
            return
        self._draft.files[key] = upload
        self._show()

    def _refuse_file(self, details: Details) -> None:
        limit = MAX_FILE_BYTES // 1024 // 1024
        name = str(details["name"])[:100]
        self.note(self._view.painter.say(Text.TOO_LARGE, name=name, limit=limit))

    def _drop_file(self, details: Details) -> None:
        self._draft.files.pop(str(details["file"]), None)
        self._show()

    def take_file(self, key: str) -> Attachment | None:
        """A file that was sent ahead for a form, as an attachment."""
        upload = self._uploads.take(key)
        return self._world.attach(upload, self._view.channel) if upload else None

    # -- the picker

    def _type(self, details: Details) -> None:
        text = str(details.get("text") or "")
        if text.startswith("/"):
            self._type_command(text)
            return
        named = _NAMING.search(text)
        found = self._people(named[1].lower()) if named else []
        self._view.picker.set_content(
            self._view.painter.paint("people", found=found) if found else ""
        )

    def _people(self, begun: str) -> list[Any]:
        name_of = self._view.painter.name_of
        return [
            user
            for user in self._world.users
            if user.username.startswith(begun) or name_of(user).lower().startswith(begun)
        ]

    def _type_command(self, text: str) -> None:
        """Offer what fits; a whole name and a space open the command's options at once."""
        for slash in self._offered():
            for name in (slash.shown_name(self._view.painter.locale), slash.name):
                if slash.options and text.lower().startswith(f"/{name} "):
                    self._view.run("tutorPage.setText('')")
                    self._open(slash, text[len(name) + 2 :])
                    return
        found = self._matching(text)
        if " " in text.strip() and not found:
            self._view.picker.set_content("")
            return
        self._view.picker.set_content(self._view.painter.paint("picker", found=found[:_OFFERED]))

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

    # -- slash commands

    def _command(self, details: Details) -> None:
        for slash in self._offered():
            if slash.name == details["command"]:
                self._view.run("tutorPage.setText('')")
                self._open(slash)

    def _open(self, slash: Slash, text: str = "") -> None:
        """Ask for the options of a command, or use it at once when it has none.

        `text` was typed after the name: the beginning of the first option that takes text.
        """
        self._draft = Draft(slash=slash)
        self._show()
        if not slash.options:
            self._use(slash, {})
            return
        painter = self._view.painter
        fields = forms.option_fields(slash, painter.locale, painter.say, painter.choices)
        for index, one in enumerate(fields):
            if one.kind is forms.Kind.TEXT:
                fields[index] = replace(one, value=text)
                break
        self._view.show_options(slash, fields)

    def _submit_options(self, details: Details) -> None:
        if self._draft.slash is not None:
            self._use(self._draft.slash, details["values"])

    def _use(self, slash: Slash, values: Mapping[str, Any]) -> None:
        locale = self._view.painter.locale
        given, files = forms.option_values(slash, locale, values, self.take_file)
        self._draft = Draft()
        self._show()
        self._view.interactions.slash(
            self._view.viewer,
            self._view.channel,
            slash,
            given,
            attachments=files,
            locale=locale,
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
