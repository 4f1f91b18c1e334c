"""The attack suite once more, in a worker's container as docker-compose.yml sets it up."""

from __future__ import annotations

import os
import re
from pathlib import Path

from engine import Compose, Images

_SUMMARY = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


def test_every_attack_ends_as_promised_in_a_workers_container(
    compose: Compose, images: Images, tmp_path: Path
) -> None:
    outcomes = tmp_path / "outcomes"
    outcomes.mkdir()
    outcomes.chmod(0o777)
    inside = Compose(
        compose.name, compose.secrets, {**images.environment(), "CPU_IMAGE": images.attacks}
    )
    said = inside(
        *("run", "--rm", "--no-deps", "-T", "--volume", f"{outcomes}:/outcomes"),
        *("-e", "TUTOR_ATTACK_OUTCOMES=/outcomes/worker.jsonl"),
        *("-e", "TUTOR_ATTACK_PLACE=container"),
        *("--entrypoint", "python", "worker", "-m", "pytest", "tests/attacks"),
        *("-q", "-p", "no:cacheprovider", "--confcutdir=tests/attacks"),
    )

    found = {kind: int(number) for number, kind in _SUMMARY.findall(said.splitlines()[-1])}
    lines = (outcomes / "worker.jsonl").read_text("utf-8")
    assert set(found) <= {"passed", "skipped"}, said[-4000:]
    for walls in ("strong, unprivileged", "floor"):
        assert f'"walls": "{walls}"' in lines
    if record := os.environ.get("TUTOR_ATTACK_OUTCOMES"):
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(lines)
