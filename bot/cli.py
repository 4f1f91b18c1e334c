"""The command line: `tutor explain`, `run`, `confirm`, `prove`, `knowledge`, `serve`, …"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bot import doctor as diagnosis
from bot import knowledge_cli, reports
from bot import prove as proving
from bot.assembly import build_searcher, running_tutor, work, worker_is_well
from bot.command_input import read_code, read_file, read_post
from bot.inputs import InputError
from bot.observe import observed
from bot.prove import Proven
from bot.settings import Settings, SettingsError
from bot.tutor import RunReport, Tutor, UnknownEntry
from knowledge.entry import EntryError
from knowledge.language import Language
from sandbox.protocol import Device
from sandbox.runner import SandboxError

EXIT_FAILED = 1
"""Something needed is missing or broken, or an entry does not hold."""
EXIT_INPUT = 2
"""The command or its input cannot be used."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Explains PyTorch errors and proves the fix. "
    "Exit codes: 0 a result could be given, 1 something is missing or does not hold, "
    "2 the command or its input cannot be used.",
)
app.add_typer(knowledge_cli.app, name="knowledge")
_errors = Console(stderr=True)
T = TypeVar("T")

MANY_BYTES = 1 << 30
"""The largest file of many posts: it is read whole."""

FileArgument = Annotated[str, typer.Argument(metavar="[FILE|-]", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LanguageOption = Annotated[
    Language | None, typer.Option("--lang", help="Answer in this language, not the post's own.")
]


class PostLine(BaseModel):
    """One line of a file of many posts."""

    id: str
    text: str


def main() -> None:
    """Run the command line; every expected failure becomes a sentence and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (InputError, UnknownEntry) as error:
        _fail(str(error.args[0]), EXIT_INPUT)
    except ValidationError as error:
        _fail(_setting_faults(error), EXIT_INPUT)
    except (EntryError, SandboxError, SettingsError) as error:
        _fail(str(error), EXIT_FAILED)


def _fail(sentence: str, code: int) -> None:
    _errors.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _setting_faults(error: ValidationError) -> str:
    faults = (
        f"TUTOR_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return "A setting cannot be used. " + "; ".join(faults)


def _with_tutor(settings: Settings, use: Callable[[Tutor], Coroutine[Any, Any, T]]) -> T:
    async def session() -> T:
        async with running_tutor(settings) as tutor:
            return await use(tutor)

    return asyncio.run(session())


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"tutor {version('traceback-tutor')}")
        raise typer.Exit


@app.callback()
def _every_command(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """What comes before a command."""


@app.command()
def explain(
    file: FileArgument = "-",
    lang: LanguageOption = None,
    as_json: JsonOption = False,
    jsonl: Annotated[
        Path | None,
        typer.Option(help='Explain many: a file of {"id", "text"} objects, one a line.'),
    ] = None,
) -> None:
    """Explain the error in a pasted post."""
    settings = Settings()
    tutor = Tutor(build_searcher(settings))
    if jsonl is not None:
        _explain_many(tutor, read_file(str(jsonl), MANY_BYTES), str(jsonl), lang)
        return
    text = read_post(file, settings.max_attachment_bytes)
    started = time.perf_counter()
    answer = asyncio.run(tutor.answer(text, lang))
    reports.show_answer(answer, _milliseconds(started), as_json=as_json)


def _explain_many(tutor: Tutor, lines: str, name: str, language: Language | None) -> None:
    unusable: list[str] = []
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip():
            continue
        try:
            post = PostLine.model_validate_json(line)
            started = time.perf_counter()
            answer = asyncio.run(tutor.answer(post.text, language))
        except (ValidationError, InputError) as error:
            reason = "a blank text" if isinstance(error, InputError) else "not such an object"
            unusable.append(f"{name}, line {number}: {reason}")
            continue
        reports.print_json(reports.answer_line(post.id, answer, _milliseconds(started)))
    if unusable:
        raise InputError(
            "bad_lines",
            'Each line has to be {"id": "...", "text": "..."} with a text that is not blank. '
            f"Left out: {'; '.join(unusable)}",
            name=name,
        )


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


@app.command()
def run(
    file: FileArgument = "-",
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.CPU,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, max=3600, help="Seconds until the run is stopped.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Also look for silent training mistakes.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Where a failure is inside a model: draw the way of the data, a PNG."),
    ] = None,
    lang: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a snippet in the sandbox and explain a failure.

    Ends with 0 whenever a result could be given, however the snippet ended.
    """
    settings = Settings() if timeout is None else Settings(wall_s=timeout)
    code = read_code(file, settings.code_bytes)
    report = _with_tutor(settings, lambda tutor: tutor.run(code, device, lang, check=check))
    reports.show_run(report, as_json=as_json)
    if picture is not None:
        _draw(report, picture)


def _draw(report: RunReport, picture: Path) -> None:
    scene = report.result.scene
    if scene is None or not scene.layers:
        _errors.print(f"{picture} is not written: the run did not fail inside a model.")
        return
    try:
        from bot.picture import way_of_the_data

        picture.write_bytes(way_of_the_data(scene.layers))
    except OSError as error:
        raise InputError(
            "unwritable",
            f"{picture} cannot be written ({error.strerror}). Choose another path.",
            name=str(picture),
        ) from None


@app.command()
def confirm(
    post: Annotated[str, typer.Argument(metavar="POST", help="File of the post, or -.")],
    code: Annotated[
        Path | None, typer.Option(help="File of the code that is said to be better.")
    ] = None,
    lang: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a post's own code, then the repaired code, and tell whether the error is gone.

    Without --code, look for a repair, run it, and show the change.
    """
    settings = Settings()
    text = read_post(post, settings.max_attachment_bytes)
    repaired = read_code(str(code), settings.code_bytes) if code is not None else None
    confirmation = _with_tutor(settings, lambda tutor: tutor.confirm(text, repaired, lang))
    reports.show_confirmation(confirmation, as_json=as_json)


@app.command()
def prove(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG...]")] = None,
) -> None:
    """Run the failing and the working code of entries; of all of them when none is named."""
    _with_tutor(Settings(), lambda tutor: _prove_all(tutor, slugs or []))


async def _prove_all(tutor: Tutor, slugs: list[str]) -> None:
    entries = [tutor.entry(slug) for slug in slugs] or list(tutor.entries)
    outcomes: list[Proven] = []
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=_errors
    )
    with progress:
        task = progress.add_task("Proving", total=len(entries))
        for entry in entries:
            progress.update(task, description=entry.slug)
            outcomes.append(await proving.prove(tutor, entry))
            progress.advance(task)
    reports.show_proofs(outcomes)
    if not all(outcome.holds for outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def serve() -> None:
    """Run the bot on Discord. The token comes from TUTOR_TOKEN_FILE or TUTOR_TOKEN."""
    import discord

    settings = Settings()
    token = settings.read_token()
    if token is None:
        raise SettingsError(
            "There is no bot token. Put it into a file and set TUTOR_TOKEN_FILE to its path "
            "(or set TUTOR_TOKEN); the README says how to get one."
        )
    try:
        with observed(settings):
            asyncio.run(_until_terminated(settings, token))
    except asyncio.CancelledError:
        return
    except discord.LoginFailure:
        raise SettingsError(
            "Discord does not accept this bot token. Reset it in the developer portal and put the "
            "new one into the token file."
        ) from None
    except discord.PrivilegedIntentsRequired:
        raise SettingsError(
            "This bot may not read messages yet. Switch on the message content intent in the "
            "developer portal, or set TUTOR_MESSAGE_CONTENT=0."
        ) from None


async def _until_terminated(settings: Settings, token: SecretStr) -> None:
    """Serve until SIGTERM, and leave nothing behind then: no process, no file, no open answer."""
    from bot.client import serve as serve_discord

    serving = asyncio.current_task()
    if serving is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await serve_discord(settings, token)


@app.command()
def worker(
    device: Annotated[Device, typer.Option(help="Whose runs to take.")] = Device.CPU,
    health: Annotated[
        bool, typer.Option("--health", help="Only tell whether this host's worker is alive.")
    ] = False,
) -> None:
    """Run snippets for bots that share a broker, which TUTOR_BROKER names.

    SIGTERM lets runs end, or hands back those that take long. With --health, ends with 0 when a
    worker for the device on this host gave a sign lately, with 1 when none did.
    """
    settings = Settings()
    if health:
        if not asyncio.run(worker_is_well(settings, device)):
            _fail(f"No worker for {device} on this host gave a sign lately.", EXIT_FAILED)
        return
    with observed(settings):
        asyncio.run(_work_until_terminated(settings, device))


async def _work_until_terminated(settings: Settings, device: Device) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await work(settings, device, stopping)


@app.command()
def local(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
) -> None:
    """Try everything on this machine: a local Discord in the browser, with the real bot in it."""
    from bot.local.launch import LocalDiscordError, launch

    try:
        asyncio.run(launch(host, port))
    except LocalDiscordError as error:
        _fail(str(error), EXIT_FAILED)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check what the tutor needs: entries, model, index, sandbox, token. Ends with 1 on a gap."""
    checks = asyncio.run(diagnosis.examine())
    reports.show_checks(checks, as_json=as_json)
    if any(check.needed and not check.well for check in checks):
        raise typer.Exit(EXIT_FAILED)
