"""The command line as a person and as a program use it: real processes, real exit codes."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from command_line import tutor

ERROR = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x16384 and 512x10)\n"
PREDICTION = """\
import torch
torch.nn.Linear(3, 2)(torch.ones(4, 5))
"""


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects of the lines of `text`."""
    return [json.loads(line) for line in text.splitlines()]


def test_explain_speaks_to_people() -> None:
    shown = tutor("explain", "-", given=ERROR)

    assert shown.returncode == 0
    assert "16384" in shown.stdout
    assert "512" in shown.stdout


def test_explain_speaks_to_programs() -> None:
    [answer] = objects(tutor("explain", "-", "--json", "--lang", "ja", given=ERROR).stdout)

    assert answer["answered"] is True
    assert answer["entry"] == answer["candidates"][0] == "matmul-shape-mismatch"
    assert answer["slots"] == {"rows": 64, "cols": 16384, "in_features": 512, "out_features": 10}
    assert answer["language"] == "ja"
    assert 0 < answer["confidence"] <= 1
    assert "16384" in answer["text"]
    assert answer["title"]


def test_many_posts_are_explained_one_object_a_line(tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    lines = [{"id": "a", "text": ERROR}, {"id": "b", "text": "good morning everybody"}]
    posts.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")

    first, second = objects(tutor("explain", "--jsonl", str(posts)).stdout)

    assert (first["id"], first["answered"], first["entry"]) == ("a", True, "matmul-shape-mismatch")
    assert (second["id"], second["answered"], second["entry"]) == ("b", False, None)
    assert first["ms"] > 0


def test_a_broken_line_is_named_and_the_others_are_answered(tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"id": "a"\n' + json.dumps({"id": "b", "text": ERROR}), encoding="utf-8")

    shown = tutor("explain", "--jsonl", str(posts))

    assert shown.returncode == 2
    assert "line 1" in shown.stderr
    assert [answer["id"] for answer in objects(shown.stdout)] == ["b"]


def test_run_gives_a_result_and_its_explanation() -> None:
    shown = tutor("run", "-", "--json", given=PREDICTION)

    [result] = objects(shown.stdout)
    assert shown.returncode == 0
    assert result["status"] == "error"
    assert result["exception"]["type"] == "RuntimeError"
    assert result["exception"]["line"] == 2
    assert result["explanation"]["entry"] == "matmul-shape-mismatch"
    assert {"wall_s", "cpu_s", "peak_mib", "tier", "device", "files", "truncated"} <= set(result)


def test_run_stops_at_the_asked_timeout() -> None:
    [result] = objects(
        tutor("run", "-", "--timeout", "0.5", "--json", given="while True: pass").stdout
    )

    assert result["status"] == "timeout"


def test_confirm_judges_a_fix(tmp_path: Path) -> None:
    post, fix = tmp_path / "post.txt", tmp_path / "fix.py"
    post.write_text(f"```python\n{PREDICTION}```\n{ERROR}", encoding="utf-8")
    fix.write_text(PREDICTION.replace("Linear(3", "Linear(5"), encoding="utf-8")

    [verdict] = objects(tutor("confirm", str(post), "--code", str(fix), "--json").stdout)

    assert verdict["verdict"] == "fixed"
    assert verdict["entry"] == "matmul-shape-mismatch"
    assert verdict["before"]["status"] == "error"
    assert verdict["after"]["status"] == "ok"
    assert "+torch.nn.Linear(5, 2)" in verdict["diff"]
    assert verdict["repaired_code"] == fix.read_text(encoding="utf-8")


def test_prove_runs_the_named_entries() -> None:
    shown = tutor("prove", "matmul-shape-mismatch", "cat-size-mismatch")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "2 of 2 entries hold" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (("explain", "-"), "", "standard input is empty"),
        (("explain", "-"), b"\x89PNG\0\0\0", "not a text file"),
        (("explain", "-"), b"\xff\xfb\xf0", "not valid UTF-8"),
        (("explain", "-"), "x" * 10_000_000, "more than 1,000,000 bytes"),
        (("explain", "no-such-file.txt"), "", "no-such-file.txt cannot be read"),
        (("run", "-"), "x = 1\n" * 200_000, "more than 200,000 bytes"),
        (("run", "-"), "print('a\0b')", "not a text file"),
        (("run", "-", "--device", "tpu"), "1", "tpu"),
        (("prove", "no-such-entry"), "", "no-such-entry"),
    ],
)
def test_bad_input_is_named_and_ends_with_2(
    arguments: tuple[str, ...], given: str | bytes, sentence: str
) -> None:
    shown = tutor(*arguments, given=given)

    assert shown.returncode == 2
    assert sentence in " ".join(shown.stderr.split())
    assert "Traceback (most recent" not in shown.stderr


def test_a_bad_setting_is_named() -> None:
    shown = tutor("explain", "-", given=ERROR, TUTOR_MINIMUM_TIER="steel")

    assert shown.returncode == 2
    assert "TUTOR_MINIMUM_TIER" in shown.stderr


def test_serve_without_a_token_says_what_to_do() -> None:
    shown = tutor("serve", TUTOR_TOKEN="", TUTOR_TOKEN_FILE="")

    assert shown.returncode == 1
    assert "TUTOR_TOKEN_FILE" in shown.stderr


def test_the_version_is_the_installed_ones() -> None:
    assert tutor("--version").stdout == f"tutor {version('traceback-tutor')}\n"


def test_doctor_finds_this_machine_well() -> None:
    shown = tutor("doctor", "--json")

    [checks] = objects(shown.stdout)
    assert shown.returncode == 0, shown.stdout
    assert checks["sandbox"]["ok"] is True
    assert checks["model and index"]["ok"] is True
    assert checks["database"]["ok"] is True


def test_doctor_ends_with_1_and_a_remedy_when_the_model_is_missing() -> None:
    shown = tutor("doctor", "--json", TUTOR_ENCODER="/no/such/model")

    [checks] = objects(shown.stdout)
    assert shown.returncode == 1
    assert "TUTOR_ENCODER" in checks["model and index"]["remedy"]


def test_doctor_names_the_faults_of_own_entries_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "dull-cutter.md").write_text("---\ntitle: x\n", encoding="utf-8")
    shown = tutor("doctor", "--json", TUTOR_ENTRIES=str(tmp_path))

    [checks] = objects(shown.stdout)
    assert shown.returncode == 0, shown.stdout
    assert checks["own entries"]["ok"] is False
    assert "dull-cutter.md:1" in checks["own entries"]["finding"]
    assert checks["own entries"]["remedy"]
    assert checks["model and index"]["ok"] is True


def test_a_post_of_300_tracebacks_is_answered() -> None:
    one = f'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n{ERROR}\n'

    [answer] = objects(tutor("explain", "-", "--json", given=one * 300).stdout)

    assert answer["entry"] == "matmul-shape-mismatch"
