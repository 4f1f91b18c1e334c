"""`tutor knowledge`: list, show, check and begin entries, and render them as a site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from bot.assembly import build_library
from bot.command_input import read_file
from bot.inputs import InputError
from bot.reports import print_json
from bot.settings import Settings
from bot.teach import CATEGORY
from bot.tutor import UnknownEntry
from knowledge.document import Fault
from knowledge.entry import Entry, EntryError
from knowledge.explain import explain
from knowledge.language import Language
from knowledge.library import advise_folder, check_folder
from knowledge.post import parse
from knowledge.scaffold import NoError, scaffold
from knowledge.site import SiteError, build_site
from knowledge.validate import validate

app = typer.Typer(no_args_is_help=True, help="The entries: list, show, check, begin, publish.")
_console = Console()
_errors = Console(stderr=True)

SlugArgument = Annotated[str, typer.Argument(metavar="SLUG")]
LanguageOption = Annotated[Language, typer.Option("--lang", help="The language of the texts.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@app.command("list")
def list_entries(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD...]")] = None,
    lang: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """List the entries whose slug, title, category or wordings hold all the words."""
    library = build_library(Settings())
    own = {entry.slug for entry in library.own}
    found = [entry for entry in library.current() if _holds(entry, words or [], lang)]
    if as_json:
        for entry in found:
            print_json(
                {
                    "slug": entry.slug,
                    "category": entry.category,
                    "kind": str(entry.kind),
                    "title": _title(entry, lang),
                    "own": entry.slug in own,
                    "provable": entry.proof.provable,
                }
            )
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for entry in found:
        mark = "*" if entry.slug in own else ""
        table.add_row(
            Text(entry.slug + mark, style="bold"),
            Text(entry.category, style="dim"),
            _title(entry, lang),
        )
    _console.print(table)
    _console.print(f"{len(found)} of {len(library.current())} entries; * your group's own.")


def _holds(entry: Entry, words: list[str], language: Language) -> bool:
    wordings = (signature.readable for signature in entry.signatures)
    text = " ".join((entry.slug, entry.category, _title(entry, language), *wordings)).lower()
    return all(word.lower() in text for word in words)


def _title(entry: Entry, language: Language) -> str:
    return entry.texts.get(language, entry.texts[Language.EN]).title


@app.command()
def show(slug: SlugArgument, lang: LanguageOption = Language.EN) -> None:
    """Show one entry: its explanation, its wordings, its symptoms."""
    library = {entry.slug: entry for entry in build_library(Settings()).current()}
    if slug not in library:
        raise UnknownEntry(f"There is no entry {slug!r}. `tutor knowledge list` names all.")
    entry = library[slug]
    _console.print(Markdown(explain(entry, {}, lang, library).markdown()))
    for title, lines in (
        ("Wordings", [signature.readable for signature in entry.signatures]),
        ("Symptoms", list(entry.texts.get(lang, entry.texts[Language.EN]).symptoms)),
    ):
        if lines:
            _console.rule(title)
            for line in lines:
                _console.print(Text(f"  {line}"))


@app.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder of own entries; TUTOR_ENTRIES when not given."),
    ] = None,
) -> None:
    """Check entries: the shipped ones, and those of a group's folder. Ends with 1 on a fault."""
    folder = folder or Settings().entries
    if folder is not None and not folder.is_dir():
        raise InputError(
            "unreadable",
            f"{folder} is no folder. Give the folder of your entries.",
            name=str(folder),
        )
    faults = list(validate())
    advice: tuple[Fault, ...] = ()
    if folder is not None:
        faults += check_folder(folder)
        advice = advise_folder(folder)
    for fault in faults:
        _errors.print(Text(str(fault), style="red"), soft_wrap=True)
    for fault in advice:
        _errors.print(
            Text(f"{fault} (not needed in your own folder)", style="yellow"), soft_wrap=True
        )
    if faults:
        raise typer.Exit(1)
    where = f"the shipped entries and {folder}" if folder else "the shipped entries"
    _console.print(
        f"No fault in {where}. `tutor prove SLUG` runs an entry's examples.", soft_wrap=True
    )


@app.command()
def new(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", show_default=False)] = "-",
    slug: Annotated[
        str | None, typer.Option(help="The name of the entry; made of the message when not given.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; TUTOR_ENTRIES when not given.")
    ] = None,
) -> None:
    """Begin an entry from a pasted traceback: the signature is derived from its message."""
    settings = Settings()
    target = folder or settings.entries
    if target is None:
        raise InputError(
            "no_folder",
            "There is no folder for your own entries. Set TUTOR_ENTRIES, or give --folder.",
        )
    try:
        made = scaffold(parse(read_file(file, settings.max_attachment_bytes)), slug)
    except NoError as problem:
        raise InputError("no_error", str(problem)) from None
    page = target / CATEGORY / f"{made.slug}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    try:
        with page.open("x", encoding="utf-8") as stream:
            stream.write(made.text)
    except FileExistsError:
        raise InputError(
            "exists",
            f"{page} exists already. Choose another name with --slug.",
            name=str(page),
        ) from None
    print(page)
    _errors.print(f"Recognises: {made.template}", markup=False, soft_wrap=True)
    _errors.print("Still to be written; it goes live when nothing is left:")
    for fault in check_folder(target):
        if fault.path == page:
            _errors.print(Text(f"  {fault}", style="yellow"), soft_wrap=True)


@app.command()
def site(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one of an earlier build.")],
) -> None:
    """Render all entries as a static site: three languages, searchable, one page each."""
    try:
        pages = build_site(build_library(Settings()).current(), folder)
    except (SiteError, OSError, EntryError) as error:
        _errors.print(Text(str(error), style="red"), soft_wrap=True)
        sys.exit(1)
    _console.print(
        f"{pages} pages in {folder}. Any web server shows them; to look at them here: "
        f"python3 -m http.server -d {folder}",
        soft_wrap=True,
    )
