"""Examines this machine: is all there that the tutor needs, and if not, what to do?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bot.assembly import build_library, build_pool, build_searcher
from bot.settings import Settings, SettingsError
from knowledge.entry import EntryError, load_entries
from knowledge.post import parse
from sandbox.gpu import find_gpu
from sandbox.protocol import Device, Tier
from sandbox.runner import SandboxError

PACKAGES = ("traceback-tutor", "torch", "sentence-transformers", "faiss-cpu", "discord.py")
_WORDS_ONLY = "my loss does not go down any more, what can it be?"


@dataclass(frozen=True)
class Check:
    """One thing that was examined."""

    name: str
    well: bool
    finding: str
    remedy: str = ""
    needed: bool = True
    """False for what the tutor can do without."""

    def as_json(self) -> dict[str, Any]:
        """The check as plain data."""
        return {
            "ok": self.well,
            "finding": self.finding,
            "remedy": None if self.well else self.remedy or None,
            "needed": self.needed,
        }


async def examine() -> list[Check]:
    """Run all checks, each by doing what it names. Raises ValidationError for a bad setting."""
    settings = Settings()
    checks: tuple[Callable[[Settings], Awaitable[Check]], ...] = (
        _versions,
        _entries,
        _own_entries,
        _meaning,
        _database,
        _broker,
        _sandbox,
        _gpu,
        _token,
    )
    return [await check(settings) for check in checks]


async def _versions(settings: Settings) -> Check:
    found = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    python = ".".join(str(part) for part in sys.version_info[:3])
    return Check("versions", True, f"Python {python}, {found}")


async def _entries(settings: Settings) -> Check:
    try:
        entries = load_entries()
    except EntryError as error:
        return Check(
            "entries", False, str(error), "Mend the files named, or install the tutor anew."
        )
    return Check("entries", True, f"{len(entries)} entries in three languages")


async def _own_entries(settings: Settings) -> Check:
    folder = settings.entries_folder()
    if settings.entries is None and not folder.is_dir():
        return Check("own entries", True, "none (TUTOR_ENTRIES names a folder of them)")
    try:
        library = build_library(settings)
    except EntryError:
        return Check("own entries", False, "not examined, because the shipped ones do not load")
    finding = f"{len(library.own)} under {folder}"
    if library.replaced:
        finding += f"; in the place of shipped ones: {', '.join(library.replaced)}"
    if library.advice:
        advice = "\n".join(map(str, library.advice))
        finding += f"; shown all the same, but not finished:\n{advice}"
    if not library.faults:
        return Check("own entries", True, finding)
    faults = "\n".join(map(str, library.faults))
    return Check(
        "own entries",
        False,
        f"{finding}; not taken over:\n{faults}",
        "Mend the files named; a running tutor takes them over within seconds. Until then it shows "
        "what it read before.",
        needed=False,
    )


async def _meaning(settings: Settings) -> Check:
    """The encoder and the index, examined by a search that no signature can decide."""

    def search() -> str:
        searcher = build_searcher(settings)
        searcher.search(parse(_WORDS_ONLY))
        return settings.encoder or "the bundled model"

    try:
        model = await asyncio.to_thread(search)
    except EntryError:
        return Check("model and index", False, "not examined, because the entries do not load")
    except (OSError, ValueError, RuntimeError) as error:
        return Check(
            "model and index",
            False,
            f"{type(error).__name__}: {error}",
            "Unset TUTOR_ENCODER for the bundled model, and see that TUTOR_CACHE is writable "
            f"(now {settings.cache}).",
        )
    return Check("model and index", True, f"{model}; index under {settings.cache}")


async def _database(settings: Settings) -> Check:
    from bot.database import Database, address_of

    try:
        finding = await Database(address_of(settings)).look()
    except SettingsError as error:
        remedy = "See docs/operator.md, 'What the bot keeps'."
        return Check("database", False, str(error), remedy, needed=False)
    return Check("database", True, finding)


async def _broker(settings: Settings) -> Check:
    try:
        options = settings.broker_options()
    except SettingsError as error:
        return Check("broker", False, str(error), "See docs/operator.md, 'Workers'.")
    if options is None:
        return Check("broker", True, "none (TUTOR_BROKER names one); runs stay in this process")
    from sandbox.broker import census

    try:
        workers = await census(options)
    except SandboxError as error:
        return Check("broker", False, str(error), "See docs/operator.md, 'Workers'.")
    found = "; ".join(
        f"{device}: {', '.join(names) if names else 'no worker'}"
        for device, names in workers.items()
    )
    return Check(
        "broker",
        bool(workers[Device.CPU]),
        f"{options.place}; {found}",
        "Start `tutor worker` with the same TUTOR_BROKER.",
    )


async def _sandbox(settings: Settings) -> Check:
    try:
        async with build_pool(settings) as pool:
            return Check("sandbox", True, f"tier {pool.tier}: {pool.why}")
    except SandboxError as error:
        return Check(
            "sandbox",
            False,
            str(error),
            "See docs/operator.md, 'When the sandbox refuses'.",
            needed=settings.broker is None,
        )


async def _gpu(settings: Settings) -> Check:
    name = await find_gpu()
    if name is None:
        return Check("gpu", False, "no CUDA GPU; runs take the CPU", needed=False)
    return Check(
        "gpu",
        settings.gpu_minimum_tier.rank <= Tier.FLOOR.rank,
        f"{name}; runs on it have walls of tier `floor`",
        "Accept that with TUTOR_GPU_MINIMUM_TIER=floor where docs/gpu.md advises it.",
        needed=False,
    )


async def _token(settings: Settings) -> Check:
    remedy = "Put the bot token into a file and set TUTOR_TOKEN_FILE; `tutor local` needs none."
    try:
        token = settings.read_token()
    except SettingsError as error:
        return Check("token", False, str(error), remedy, needed=False)
    finding = "present" if token is not None else "not set"
    return Check("token", token is not None, finding, remedy, needed=False)
