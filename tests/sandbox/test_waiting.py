"""The waiting room, before a runner whose runs end when the test says so."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.protocol import Device, Limits, Result, Snippet, Status
from sandbox.runner import Progress, Watch
from sandbox.waiting import Asker, Reason, TooManyRuns, WaitingRoom

ANN, BEN, CLO = Asker("red", "ann"), Asker("red", "ben"), Asker("blue", "clo")


class Gate:
    """A runner that holds each run until it is let go."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._open: dict[str, asyncio.Event] = {}
        self.cut: list[str] = []

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        self.started.append(snippet.code)
        try:
            await self._open.setdefault(snippet.code, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cut.append(snippet.code)
            raise
        return Result(status=Status.OK, stdout=snippet.code)

    def let_go(self, code: str) -> None:
        self._open.setdefault(code, asyncio.Event()).set()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def run_in(
    room: WaitingRoom, snippet: Snippet, asker: Asker, watch: Watch | None = None
) -> Result:
    async with room.turn(asker, snippet.device, watch) as runner:
        return await runner.run(snippet)


def ask(
    room: WaitingRoom, code: str, asker: Asker, watch: Watch | None = None
) -> asyncio.Task[Result]:
    return asyncio.create_task(run_in(room, Snippet(code=code), asker, watch))


async def end(gate: Gate, tasks: list[asyncio.Task[Result]]) -> list[str]:
    """Let one run after the other go, in the order in which they start."""
    done = 0
    while done < len(tasks):
        await settle()
        gate.let_go(gate.started[done])
        done += 1
    await asyncio.gather(*tasks)
    return gate.started


async def test_groups_take_turns_and_so_do_the_users_of_a_group() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    tasks = []
    for code, asker in (
        ("a1", ANN),
        ("a2", ANN),
        ("a3", ANN),
        ("b1", BEN),
        ("c1", CLO),
        ("c2", CLO),
    ):
        tasks.append(ask(room, code, asker))
        await settle()

    assert await end(gate, tasks) == ["a1", "a2", "c1", "b1", "c2", "a3"]


async def test_one_user_runs_once_at_a_time_though_there_is_room() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=3)
    tasks = [ask(room, "a1", ANN), ask(room, "a2", ANN), ask(room, "b1", BEN)]
    await settle()

    assert gate.started == ["a1", "b1"]
    gate.let_go("a1")
    await settle()
    assert gate.started == ["a1", "b1", "a2"]
    await end(gate, tasks)


async def test_the_fifth_run_of_one_user_is_refused_in_words() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    tasks = [ask(room, f"a{number}", ANN) for number in range(4)]
    await settle()

    with pytest.raises(TooManyRuns, match="You have 3 requests waiting") as refused:
        await run_in(room, Snippet(code="a4"), ANN)

    assert refused.value.reason is Reason.YOURS
    tasks.append(ask(room, "b", BEN))
    await end(gate, tasks)
    assert "a4" not in gate.started
    assert "b" in gate.started


async def test_a_full_room_refuses_in_words_and_forgets_nobody() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=2, waiting=5)
    tasks = [ask(room, f"r{number}", Asker("g", str(number))) for number in range(7)]
    await settle()

    with pytest.raises(TooManyRuns, match="The sandbox has 5 requests waiting") as refused:
        await run_in(room, Snippet(code="late"), Asker("g", "late"))

    assert refused.value.reason is Reason.ALL
    await end(gate, tasks)
    assert sorted(gate.started) == [f"r{number}" for number in range(7)]


async def test_those_who_wait_are_told_how_many_come_before_them() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    seen: list[Progress] = []
    tasks = [ask(room, "a1", ANN), ask(room, "b1", BEN)]
    await settle()
    tasks.append(ask(room, "c1", CLO, seen.append))
    await settle()
    gate.let_go("a1")
    await settle()
    gate.let_go(gate.started[1])
    await settle()
    gate.let_go("c1")
    await asyncio.gather(*(end(gate, tasks),))

    assert [each.ahead for each in seen if not each.running] == [1, 0]
    assert seen[-1].running


async def test_a_cancelled_wait_leaves_the_line_and_the_others_move_up() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    first, second = ask(room, "a1", ANN), ask(room, "b1", BEN)
    await settle()
    second.cancel()
    await settle()

    assert room.waiting(Device.CPU) == 0
    third = ask(room, "c1", CLO)
    await end(gate, [first, third])
    assert gate.started == ["a1", "c1"]


async def test_a_cancelled_run_is_ended_and_makes_room() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    first, second = ask(room, "a1", ANN), ask(room, "b1", BEN)
    await settle()
    first.cancel()
    await settle()

    assert gate.cut == ["a1"]
    assert gate.started == ["a1", "b1"]
    gate.let_go("b1")
    assert (await second).stdout == "b1"


async def test_one_turn_holds_for_all_runs_of_a_request() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)

    async def several() -> None:
        async with room.turn(ANN) as runner:
            await asyncio.gather(*(runner.run(Snippet(code=f"a{n}")) for n in range(6)))

    request = asyncio.create_task(several())
    await settle()
    other = ask(room, "b1", BEN)
    await settle()

    assert gate.started == [f"a{number}" for number in range(6)]
    for number in range(6):
        gate.let_go(f"a{number}")
    await request
    gate.let_go("b1")
    assert (await other).stdout == "b1"


async def test_devices_have_lines_of_their_own() -> None:
    gate = Gate()
    room = WaitingRoom(gate, at_once=1)
    cpu = ask(room, "cpu", ANN)
    cuda = asyncio.create_task(run_in(room, Snippet(code="cuda", device=Device.CUDA), ANN))
    await settle()

    assert gate.started == ["cpu", "cuda"]
    gate.let_go("cpu")
    gate.let_go("cuda")
    await asyncio.gather(cpu, cuda)


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("123"), st.booleans()), max_size=40),
    st.integers(1, 4),
)
async def test_whoever_is_accepted_runs_exactly_once_and_no_user_twice_at_a_time(
    asked: list[tuple[str, str, bool]], at_once: int
) -> None:
    running: Counter[str] = Counter()
    finished: list[str] = []

    class Watched:
        async def run(
            self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
        ) -> Result:
            user = snippet.code.rpartition(" ")[0]
            running[user] += 1
            assert running[user] == 1
            assert running.total() <= at_once
            await asyncio.sleep(0)
            running[user] -= 1
            finished.append(snippet.code)
            return Result(status=Status.OK)

    room = WaitingRoom(Watched(), at_once=at_once, waiting=10)
    tasks = []
    for number, (group, user, pause) in enumerate(asked):
        code = f"{group}{user} {number}"
        tasks.append((code, ask(room, code, Asker(group, user))))
        if pause:
            await asyncio.sleep(0)
    ends = await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)

    accepted = [
        code
        for (code, _), ended in zip(tasks, ends, strict=True)
        if not isinstance(ended, TooManyRuns)
    ]
    assert all(isinstance(ended, Result | TooManyRuns) for ended in ends)
    assert sorted(finished) == sorted(accepted)
    assert room.waiting(Device.CPU) == 0
