"""A learner's snippet run in this process: how it fails, and how it runs once it is mended."""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from textwrap import dedent
from typing import Any

import executing
import torch

from bot.repair import Candidate, Fault, candidates
from knowledge.entry import Entry, load_entries
from knowledge.matching import Matcher
from knowledge.post import parse
from sandbox.protocol import Place, Scene, Thing
from sandbox.things import describe

SNIPPET = "<snippet>"


@dataclass
class Run:
    """One run of a snippet: its names afterwards, what it printed, how it failed."""

    names: dict[str, Any]
    output: str = ""
    error: BaseException | None = None
    told: str = ""
    warnings: str = ""
    frames: list[types.FrameType] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    expressions: list[str | None] = field(default_factory=list)

    @property
    def ended_well(self) -> bool:
        return self.error is None


@contextlib.contextmanager
def _as_main(module: types.ModuleType) -> Iterator[None]:
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def run(code: str) -> Run:
    """Run a snippet as the main module, in this process."""
    module = types.ModuleType("__main__")
    done = Run(module.__dict__)
    linecache.cache[SNIPPET] = (len(code), None, code.splitlines(keepends=True), SNIPPET)
    torch.manual_seed(0)
    out = io.StringIO()
    with (
        _as_main(module),
        contextlib.redirect_stdout(out),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        try:
            exec(compile(code, SNIPPET, "exec", dont_inherit=True), module.__dict__)
        except Exception as error:
            done.error = error
            done.told = traceback.format_exc()
            _walk(error, done)
    torch.use_deterministic_algorithms(False)
    torch.serialization.clear_safe_globals()
    done.output = out.getvalue()
    done.warnings = "\n".join(f"{w.category.__name__}: {w.message}" for w in warned)
    return done


def _walk(error: BaseException, done: Run) -> None:
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == SNIPPET:
            node = executing.Source.executing(place).node
            done.frames.append(place.tb_frame)
            done.lines.append(place.tb_lineno)
            done.expressions.append(ast.unparse(node) if node is not None else None)
        place = place.tb_next


@cache
def library() -> tuple[tuple[Entry, ...], Matcher]:
    entries = load_entries()
    return entries, Matcher(entries)


def fault_of(code: str, *, slug: str | None = None, scene: bool = True) -> Fault:
    """The fault of a snippet that fails, or that warns, as the search sees it."""
    done = run(code)
    entries, matcher = library()
    told = done.told or done.warnings
    post = parse(told)
    hits = matcher.find(post)
    if slug is None:
        assert done.error is not None or done.warnings, "the snippet runs well"
        assert hits, told
        hit = hits[0]
    else:
        found = [one for one in hits if entries[one.entry].slug == slug]
        if not found:
            return Fault(slug, {}, told, done.lines[-1] if done.lines else None)
        hit = found[0]
    message = f"{type(done.error).__name__}: {done.error}" if done.error else told
    return Fault(
        entries[hit.entry].slug,
        hit.slots,
        message,
        done.lines[-1] if done.lines else None,
        scene_of(code, done) if scene and done.frames else None,
    )


def scene_of(code: str, done: Run) -> Scene:
    """What the failing line saw, by the guest's own description of things."""
    lines = code.splitlines()
    line, frame = done.lines[-1], done.frames[-1]
    place = Place(
        line=line,
        function=frame.f_code.co_name,
        code=lines[line - 1].strip(),
        expression=done.expressions[-1],
    )
    caller = None
    if len(done.lines) > 1:
        above = done.lines[-2]
        caller = Place(
            line=above,
            function=done.frames[-2].f_code.co_name,
            code=lines[above - 1].strip(),
            expression=done.expressions[-2],
        )
    things: dict[str, Thing] = {}
    for at in (-1, -2)[: len(done.lines)]:
        names = dict(done.frames[at].f_globals) | dict(done.frames[at].f_locals)
        for name in _named(code, done.lines[at]):
            with contextlib.suppress(Exception):
                thing = describe(name, eval(name, names))
                if thing is not None:
                    things.setdefault(name, thing)
    return Scene(place=place, caller=caller, things=tuple(things.values())[:12])


def _named(code: str, line: int) -> Iterator[str]:
    """The names and dotted names of the innermost statement on a line."""
    inner = None
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            inner = node
    for node in ast.walk(inner) if inner is not None else ():
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            yield ast.unparse(node)


@dataclass(frozen=True)
class Mended:
    """The candidate that ended well, and its run."""

    candidate: Candidate
    run: Run
    tried: tuple[str, ...]
    """The rewrites of the candidates that were run, this one last."""


def mend(
    code: str, *, scene: bool = True, only: str | None = None, slug: str | None = None
) -> Mended:
    """The first candidate that ends well; of the one rewrite that `only` names, if any."""
    code = dedent(code).lstrip("\n")
    fault = fault_of(code, slug=slug, scene=scene)
    tried = []
    proposed = candidates(code, fault)
    for candidate in proposed:
        if only is not None and candidate.rewrite != only:
            continue
        tried.append(candidate.rewrite)
        done = run(candidate.code)
        if done.ended_well:
            return Mended(candidate, done, tuple(tried))
    raise AssertionError(
        f"{fault.slug} {dict(fault.slots)} line {fault.line}: {fault.message[:200]}\n"
        f"none of {[(one.rewrite, str(one.grade)) for one in proposed]} runs"
    )


@dataclass(frozen=True)
class Example:
    """A snippet, the rewrite that mends it, and what must hold afterwards."""

    rewrite: str
    code: str
    right: Callable[[Mapping[str, Any]], object]
    """Given the names of the mended program: whether it computes what was meant."""
    slug: str | None = None
    """The entry, for a program that raises nothing."""
    first: bool = True
    """Whether this rewrite is the first that ends well."""
    needs_scene: bool = False
    """Whether it takes the shapes and dtypes that the failing line saw."""

    def check(self) -> None:
        """Mend the snippet, with a scene and without, and look at what it computes."""
        only = None if self.first else self.rewrite
        for scene in (True,) if self.needs_scene else (True, False):
            mended = mend(self.code, only=only, slug=self.slug, scene=scene)
            assert mended.candidate.rewrite == self.rewrite, mended.candidate.code
            assert self.right(mended.run.names), mended.candidate.code
