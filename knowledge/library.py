"""The shipped entries, and beside them those of a group's own folder, which may change at any time.

A group writes its entries in the same files as the shipped ones. Translations may be missing:
learners read the English text then. A file with a fault changes nothing: the entry stays as it was
when its files were last right, and a new one waits until it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from knowledge.document import Fault
from knowledge.entry import Entry, Volume, load_entries, read_library, slug_of
from knowledge.validate import unfinished, unfit

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What became of a group's own entries, by slug, and what is wrong with them now."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __bool__(self) -> bool:
        """Whether any entry is another one than before."""
        return bool(self.added or self.changed or self.removed)


Stamp = frozenset[tuple[str, int, int, int]]
"""Name, times and size of a folder and of all that is in it; empty when there is no folder."""


@dataclass(frozen=True)
class _Own:
    """A group's folder as it was last read; `stamp` changes with any of its files."""

    stamp: Stamp | None = None
    entries: MappingProxyType[str, Entry] = field(default_factory=lambda: MappingProxyType({}))
    faults: tuple[Fault, ...] = ()
    advice: tuple[Fault, ...] = ()


class Library:
    """All entries that the tutor knows. `own` is a group's folder, `shipped` that of the project.

    An own entry with the slug of a shipped one stands in its place. Raises EntryError when a
    shipped file cannot be used; faults of own files are logged, once each, and kept in `faults`.
    Safe to use from several threads.
    """

    def __init__(self, own: Path | None = None, *, shipped: Path | None = None) -> None:
        self._folder = own
        self._shipped = load_entries(shipped)
        self._slugs = frozenset(entry.slug for entry in self._shipped)
        self._lock = threading.Lock()
        self._own = _Own()
        self._current = self._shipped
        self.refresh()

    def current(self) -> tuple[Entry, ...]:
        """All entries, sorted by slug; the same object until something changes."""
        return self._current

    @property
    def own(self) -> tuple[Entry, ...]:
        """The group's own entries, sorted by slug."""
        return tuple(self._own.entries.values())

    @property
    def replaced(self) -> tuple[str, ...]:
        """The slugs of shipped entries in whose place an own one stands."""
        return tuple(slug for slug in self._own.entries if slug in self._slugs)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What keeps files of the group's folder from being used, by file and line."""
        return self._own.faults

    @property
    def advice(self) -> tuple[Fault, ...]:
        """What the own entries lack but can do without, such as a translation."""
        return self._own.advice

    def refresh(self) -> Changes:
        """Take over what changed in the group's folder since the last time."""
        if self._folder is None:
            return Changes()
        with self._lock:
            before = self._own
            stamp = _stamp(self._folder)  # taken first: what is written meanwhile is read again
            if stamp == before.stamp:
                return Changes(faults=before.faults)
            self._own = _read(self._folder, stamp, before, self._slugs)
            changes = _changes(before, self._own)
            if changes:
                entries = {entry.slug: entry for entry in self._shipped} | self._own.entries
                self._current = tuple(entries[slug] for slug in sorted(entries))
        self._report(before, changes)
        return changes

    def _report(self, before: _Own, changes: Changes) -> None:
        for fault in changes.faults:
            if fault not in before.faults:
                _log.warning("An own entry is not taken over: %s", fault)
        for word, slugs in (
            ("New", changes.added),
            ("Changed", changes.changed),
            ("Removed", changes.removed),
        ):
            if slugs:
                _log.info("%s among the own entries: %s", word, ", ".join(slugs))
        for slug in changes.added:
            if slug in self._slugs:
                _log.info("The own entry %s stands in the place of the shipped one.", slug)


def check_folder(folder: Path, *, shipped: Path | None = None) -> tuple[Fault, ...]:
    """What keeps entries of a group's `folder` from being used, by file and line; () when all is
    well. Raises EntryError when a shipped file cannot be used.
    """
    known = frozenset(entry.slug for entry in load_entries(shipped))
    return _examined(folder, known)[1]


def advise_folder(folder: Path, *, shipped: Path | None = None) -> tuple[Fault, ...]:
    """What the entries of a group's `folder` lack but can do without, by file and line.

    Raises EntryError when a shipped file cannot be used.
    """
    known = frozenset(entry.slug for entry in load_entries(shipped))
    volumes, _ = _examined(folder, known)
    return _advice(volumes)


def _examined(folder: Path, known: Collection[str]) -> tuple[tuple[Volume, ...], tuple[Fault, ...]]:
    """The entries of `folder` that may be shown, and the faults of the others."""
    try:
        volumes, found = read_library(folder, known)
        faults = [*found, *(fault for volume in volumes for fault in unfit(volume))]
    except Exception as error:  # whatever somebody's file makes the libraries that read it raise
        _log.debug("Reading %s failed", folder, exc_info=True)
        reason = f"{type(error).__name__}: {error}"
        return (), (Fault(folder, 1, f"cannot be read ({reason}); undo the last change in it"),)
    faults.sort(key=lambda fault: (fault.path, fault.line))
    faulty = {slug_of(fault.path) for fault in faults}
    return tuple(volume for volume in volumes if volume.slug not in faulty), tuple(faults)


def _advice(volumes: Collection[Volume]) -> tuple[Fault, ...]:
    found = [fault for volume in volumes for fault in unfinished(volume)]
    return tuple(sorted(found, key=lambda fault: (fault.path, fault.line)))


def _read(
    folder: Path,
    stamp: Stamp,
    before: _Own,
    known: Collection[str],
) -> _Own:
    volumes, faults = _examined(folder, known)
    entries = {volume.slug: volume.entry for volume in volumes}
    # A folder that is gone as a whole (a drive that is not mounted, say) takes nothing with it.
    kept = {slug_of(Path(name)) for name, *_ in stamp if _is_english(name)} if stamp else None
    for slug, entry in before.entries.items():
        if kept is None or slug in kept:
            entries.setdefault(slug, entry)
    ordered = {slug: entries[slug] for slug in sorted(entries)}
    return _Own(stamp, MappingProxyType(ordered), faults, _advice(volumes))


def _changes(before: _Own, after: _Own) -> Changes:
    old, new = before.entries, after.entries
    return Changes(
        added=tuple(slug for slug in new if slug not in old),
        changed=tuple(slug for slug in new if slug in old and new[slug] != old[slug]),
        removed=tuple(slug for slug in old if slug not in new),
        faults=after.faults,
    )


def _stamp(folder: Path) -> Stamp:
    return frozenset(_marks(folder))


def _marks(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    for path in (folder, *folder.rglob("*")):
        try:
            facts = path.stat()
        except OSError:  # there is none, or no longer
            continue
        # The time of change beside that of writing: a copy can keep the latter.
        yield str(path), facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size


def _is_english(name: str) -> bool:
    path = Path(name)
    return path.name == f"{slug_of(path)}.md"
