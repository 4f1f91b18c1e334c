"""With a broker set, runs leave this process; what is missing for that is said in words."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from command_line import tutor
from pydantic import ValidationError
from queue_parts import RedisHere, Workers

from bot import doctor
from bot.assembly import build_runner
from bot.settings import Settings, SettingsError
from sandbox.client import Queue
from sandbox.devices import Devices

NOWHERE = "redis://127.0.0.1:1/0"


async def test_a_broker_decides_whether_runs_leave_the_process() -> None:
    assert isinstance(build_runner(Settings(broker=None)), Devices)
    assert isinstance(build_runner(Settings(broker=NOWHERE)), Queue)


def test_the_broker_password_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n", encoding="utf-8")
    settings = Settings(broker="redis://:hunter1@host:6379/0", broker_password_file=file)
    options = settings.broker_options()
    assert options is not None and options.password == "hunter2"
    assert options.place == "redis://host:6379/0"
    assert "hunter" not in repr(settings) + repr(options)


def test_an_unusable_password_file_is_named_with_its_setting(tmp_path: Path) -> None:
    settings = Settings(broker=NOWHERE, broker_password_file=tmp_path / "none")
    with pytest.raises(SettingsError, match="TUTOR_BROKER_PASSWORD_FILE"):
        settings.broker_options()


@pytest.mark.parametrize("address", ["localhost:6379", "amqp://host", "http://host"])
def test_an_address_that_is_no_redis_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="redis://"):
        Settings(broker=address)


def test_a_worker_without_a_broker_ends_with_1_and_the_setting() -> None:
    shown = tutor("worker", TUTOR_BROKER="")
    assert shown.returncode == 1 and "TUTOR_BROKER" in shown.stderr


def test_a_worker_whose_broker_is_away_ends_with_1_in_words() -> None:
    shown = tutor("worker", TUTOR_BROKER=NOWHERE)
    assert shown.returncode == 1
    assert "does not answer" in shown.stderr and "Traceback" not in shown.stderr


def test_health_tells_whether_this_hosts_worker_lives(
    redis_here: RedisHere, workers: Workers
) -> None:
    broker = {"TUTOR_BROKER": redis_here.url}
    before = tutor("worker", "--health", **broker)
    workers.fill(1)
    assert (before.returncode, tutor("worker", "--health", **broker).returncode) == (1, 0)
    assert tutor("worker", "--health", "--device", "cuda", **broker).returncode == 1


def test_a_run_on_the_command_line_goes_over_the_broker(
    redis_here: RedisHere, workers: Workers
) -> None:
    workers.fill(1)
    shown = tutor("run", "--json", "-", given="print(6 * 7)", TUTOR_BROKER=redis_here.url)
    assert json.loads(shown.stdout)["stdout"] == "42\n"


async def test_the_doctor_lists_workers_and_misses_them(
    redis_here: RedisHere, workers: Workers
) -> None:
    workers.fill(1)
    found = await doctor._broker(Settings(broker=redis_here.url))
    assert found.well and f":{workers.pids()[0]}:" in found.finding
    assert "cuda: no worker" in found.finding
    another = redis_here.url.removesuffix("0") + "1"
    alone = await doctor._broker(Settings(broker=another))
    assert not alone.well and "tutor worker" in alone.remedy
    away = await doctor._broker(Settings(broker=NOWHERE))
    assert away.needed and not away.well and "does not answer" in away.finding
    assert (await doctor._broker(Settings(broker=None))).well


def test_an_interrupted_worker_stops_as_a_terminated_one(
    redis_here: RedisHere, workers: Workers
) -> None:
    workers.fill(1)
    [pid] = workers.pids()
    os.kill(pid, signal.SIGINT)
    assert "has stopped" in workers.stop(pid)
