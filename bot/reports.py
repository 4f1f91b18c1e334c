"""What the command line prints: tables and Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bot.confirm import Confirmation, Verdict, unified_diff
from bot.doctor import Check
from bot.fence import visible
from bot.findings import ENTRY_OF, finding_sentence
from bot.locale import say
from bot.mending import Repair
from bot.prove import Proven
from bot.render_confirm import completion_notes, estimate_sentences, repair_sentence
from bot.tables import failing_line, layers_table, things_table
from bot.tutor import Answer, RunReport
from knowledge.explain import Explanation
from knowledge.language import Language
from sandbox.protocol import Finding, Result, Scene, Status

_console = Console()


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on one line of standard output, characters as they are."""
    print(json.dumps(data, ensure_ascii=False), flush=True)


# --- explain ---------------------------------------------------------------------------------


def answer_line(identity: str, answer: Answer, ms: float) -> dict[str, Any]:
    """The object that `tutor explain --jsonl` prints for one post."""
    best = answer.ranking.matches[0] if answer.ranking.matches else None
    return {
        "id": identity,
        "answered": answer.explanation is not None,
        "entry": answer.explanation.slug if answer.explanation else None,
        "candidates": [match.entry.slug for match in answer.ranking.matches],
        "confidence": round(best.confidence, 4) if best else 0.0,
        "slots": dict(best.slots) if best and answer.explanation else {},
        "language": str(answer.language),
        "ms": ms,
    }


def answer_json(answer: Answer, ms: float) -> dict[str, Any]:
    """The object that `tutor explain --json` prints."""
    line = answer_line("", answer, ms)
    del line["id"]
    explanation = answer.explanation
    line["title"] = explanation.title if explanation else None
    line["text"] = explanation.markdown() if explanation else None
    return line


def show_answer(answer: Answer, ms: float, *, as_json: bool) -> None:
    """Print an answer: the explanation that fits, or the nearest ones, marked as unsure."""
    if as_json:
        print_json(answer_json(answer, ms))
        return
    if answer.explanation is not None:
        _show_explanation(answer.explanation)
        return
    _console.print(Text(say(answer.language, "unsure.title"), style="bold"))
    lead = "unsure.nearest" if answer.candidates else "unsure.nothing"
    _console.print(Text(say(answer.language, lead)))
    for candidate in answer.candidates:
        line = Text(f"  {candidate.title}  ")
        line.append(candidate.slug, style="dim")
        _console.print(line)
    _console.print(Text(say(answer.language, "unsure.hint")))


def _show_explanation(explanation: Explanation) -> None:
    _console.print(Markdown(explanation.markdown()))


# --- run and confirm -------------------------------------------------------------------------


def result_json(result: Result | None) -> dict[str, Any] | None:
    """A run's result as plain data."""
    return result.model_dump(mode="json") if result is not None else None


def show_run(report: RunReport, *, as_json: bool) -> None:
    """Print how a run ended, what it printed, and the explanation of its failure."""
    explanation = report.answer.explanation if report.answer else None
    if as_json:
        explained = {
            "entry": explanation.slug if explanation else None,
            "title": explanation.title if explanation else None,
            "text": explanation.markdown() if explanation else None,
        }
        print_json({**report.result.model_dump(mode="json"), "explanation": explained})
        return
    _show_result(report.result, report.language)
    if report.checked:
        _show_findings(report.result.findings, report.language)
    if explanation is not None:
        _console.rule()
        _show_explanation(explanation)


def _show_result(result: Result, language: Language) -> None:
    good = result.status is Status.OK
    title = say(language, f"run.title.{result.status}", code=result.exit_code, signal=result.signal)
    headline = Text(title, style="bold green" if good else "bold red")
    headline.append(
        f"   {result.wall_s:.2f} s · {result.peak_mib:.0f} MiB · {result.device} · {result.tier}",
        style="dim",
    )
    _console.print(headline)
    if result.detail:
        _console.print(visible(result.detail), markup=False)
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text.strip():
            _console.print(Text(name, style="dim"))
            _console.print(Padding(Text(visible(text.rstrip("\n"))), (0, 0, 0, 2)))
    if result.exception is not None:
        _console.print(Text(visible(result.exception.traceback.rstrip("\n")), style="red"))
    if result.scene is not None:
        _show_scene(result.scene, language)


def _show_findings(findings: Sequence[Finding], language: Language) -> None:
    _console.print(Text(say(language, "check.title"), style="bold"))
    if not findings:
        _console.print(Text(say(language, "check.none")))
    for finding in findings:
        entry = ENTRY_OF[finding.check]
        _console.print(Markdown(f"{finding_sentence(finding, language)} → `{entry}`"))


def _show_scene(scene: Scene, language: Language) -> None:
    _console.print(Text(say(language, "scene.title", line=scene.place.line), style="bold"))
    for table in (failing_line(scene.place), things_table(scene, language)):
        if table:
            _console.print(Padding(Text(table), (0, 0, 0, 2)))
    if scene.layers:
        _console.print(Text(say(language, "scene.layers"), style="bold"))
        _console.print(Padding(Text(layers_table(scene.layers, language)), (0, 0, 0, 2)))


def confirmation_json(confirmation: Confirmation) -> dict[str, Any]:
    """The object that `tutor confirm --json` prints."""
    fixed = confirmation.verdict is Verdict.FIXED
    explanation = confirmation.explanation
    scene = confirmation.before.scene if confirmation.before else None
    return {
        "verdict": str(confirmation.verdict),
        "entry": confirmation.entry.slug if confirmation.entry else None,
        "before": result_json(confirmation.before),
        "after": result_json(confirmation.after),
        "missing": list(confirmation.missing),
        "explanation": explanation.markdown() if explanation else None,
        "diff": unified_diff(confirmation.before_code, confirmation.code),
        "repaired_code": confirmation.code if fixed else None,
        "repair": _repair_json(confirmation.repair) if confirmation.repair else None,
        "alternatives": [_repair_json(other) for other in confirmation.alternatives],
        "imports": list(confirmation.imports),
        "made_up": [{"name": each.name, "text": each.text} for each in confirmation.made_up],
        "simulated": confirmation.simulated,
        "estimate": asdict(confirmation.estimate) if confirmation.estimate else None,
        "tensors": [thing.model_dump(mode="json") for thing in scene.things] if scene else [],
        "trace": [layer.model_dump(mode="json") for layer in scene.layers] if scene else [],
    }


def _repair_json(repair: Repair) -> dict[str, Any]:
    return {
        "grade": str(repair.grade),
        "edits": [
            {"rewrite": edit.rewrite, "grade": str(edit.grade), "values": dict(edit.values)}
            for edit in repair.edits
        ],
        "code": repair.code,
    }


def show_confirmation(confirmation: Confirmation, *, as_json: bool) -> None:
    """Print the verdict, then the runs before and after."""
    if as_json:
        print_json(confirmation_json(confirmation))
        return
    language = confirmation.language
    good = confirmation.verdict is Verdict.FIXED
    repair = confirmation.repair
    title = "repaired.title" if repair else f"verdict.{confirmation.verdict.name.lower()}.title"
    _console.print(Text(say(language, title), style="bold green" if good else "bold yellow"))
    for name in confirmation.missing:
        _console.print(Text(f"  {visible(name)}"))
    for note in (*completion_notes(confirmation), *estimate_sentences(confirmation)):
        _console.print(Markdown(note))
    if repair is not None:
        _console.print(Markdown(repair_sentence(repair, language)))
        diff = unified_diff(confirmation.before_code, confirmation.code) or ""
        _console.print(Syntax(visible(diff), "diff", background_color="default"))
    for other in confirmation.alternatives:
        key = "repaired.alternative" if repair else "repaired.guess"
        _console.print(Markdown(say(language, key, change=repair_sentence(other, language))))
    for result in (confirmation.before, confirmation.after):
        if result is not None:
            _console.rule()
            _show_result(result, language)
    if confirmation.explanation is not None:
        _console.rule()
        _show_explanation(confirmation.explanation)


# --- prove and doctor ------------------------------------------------------------------------


def show_proofs(outcomes: Iterable[Proven]) -> None:
    """Print each entry that does not hold, then the count."""
    outcomes = list(outcomes)
    for outcome in outcomes:
        for fault in outcome.faults:
            line = Text(outcome.slug, style="bold red")
            line.append(f"  {visible(str(fault))}", style="default")
            _console.print(line)
    holding = sum(outcome.holds for outcome in outcomes)
    recorded = sum(outcome.recorded for outcome in outcomes)
    _console.print(f"{holding} of {len(outcomes)} entries hold ({recorded} by a recorded message).")


def show_checks(checks: Iterable[Check], *, as_json: bool) -> None:
    """Print what was examined, and the remedy of each gap."""
    checks = list(checks)
    if as_json:
        print_json({check.name: check.as_json() for check in checks})
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mark = (
            "[green]ok[/]" if check.well else "[red]missing[/]" if check.needed else "[yellow]no[/]"
        )
        table.add_row(mark, check.name, Text(check.finding))
        if check.remedy and not check.well:
            table.add_row("", "", Text(check.remedy, style="italic"))
    _console.print(table)
