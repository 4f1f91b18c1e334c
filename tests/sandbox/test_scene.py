"""What the failing line saw."""

from __future__ import annotations

import textwrap

import pytest

from sandbox.pool import Pool
from sandbox.protocol import Result, Scene, Snippet, Status, Thing, ThingKind

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(pool: Pool, code: str) -> Result:
    return await pool.run(Snippet(code=textwrap.dedent(code).lstrip("\n")))


async def fail(pool: Pool, code: str) -> Scene:
    result = await run(pool, code)
    assert result.status is Status.ERROR, result
    assert result.scene is not None
    assert result.exception is not None
    assert result.scene.place.line == result.exception.line
    return result.scene


def named(scene: Scene) -> dict[str, Thing]:
    return {thing.name: thing for thing in scene.things}


# --- Places ---------------------------------------------------------------------------------------


async def test_the_failed_part_of_the_line_is_marked(pool: Pool) -> None:
    code = """
        import torch
        def double(x):
            return x + 1, x @ x.T @ x.T
        double(torch.ones(2, 3))
    """
    place = (await fail(pool, code)).place
    assert (place.function, place.code) == ("double", "return x + 1, x @ x.T @ x.T")
    assert place.expression == "x @ x.T @ x.T"
    assert place.start is not None
    assert place.code[place.start : place.end] == "x @ x.T @ x.T"


async def test_a_place_behind_characters_of_several_bytes_is_marked_in_characters(
    pool: Pool,
) -> None:
    place = (
        await fail(pool, "import torch\nprint('テンソル', torch.ones(2) @ torch.ones(3))")
    ).place
    assert place.code[place.start : place.end] == "torch.ones(2) @ torch.ones(3)"


async def test_a_statement_that_spans_lines_is_told_whole(pool: Pool) -> None:
    code = """
        import torch
        x = torch.zeros(2, 3)
        y = (
            x
            .view(5, 2)
        )
    """
    scene = await fail(pool, code)
    assert scene.place.line == 5
    assert scene.place.expression == "x\n    .view(5, 2)"
    assert scene.place.code[scene.place.start : scene.place.end] == ".view(5, 2)"
    assert named(scene)["x"].shape == (2, 3)


async def test_the_module_call_above_is_told_with_what_it_names(pool: Pool) -> None:
    code = """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(8, 2)
            def forward(self, x):
                h = x.flatten(1)
                return self.fc(h)
        def evaluate(model, batch):
            return model(batch)
        evaluate(Net(), torch.randn(4, 3, 5))
    """
    scene = await fail(pool, code)
    assert (scene.place.function, scene.place.expression) == ("forward", "self.fc(h)")
    assert scene.caller is not None
    assert (scene.caller.function, scene.caller.code) == ("evaluate", "return model(batch)")
    assert list(named(scene)) == ["self.fc", "h", "model", "batch"]
    assert named(scene)["self.fc"].text == "in_features=8, out_features=2, bias=True"
    assert named(scene)["h"].shape == (4, 15)


async def test_without_a_module_above_there_is_no_caller(pool: Pool) -> None:
    scene = await fail(pool, "def f(n):\n    return n / 0\nf(3)")
    assert scene.caller is None
    assert named(scene)["n"].text == "3"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("pairs = [a @ b for a in batch]", {"a", "b", "batch"}),
        ("pairs = list(map(lambda a: a @ b, batch))", {"a", "b"}),
        ("pairs = sum(a @ b for a in batch)", {"a", "b", "batch"}),
        ("b += batch[-1]", {"b", "batch[-1]"}),
        ("if b @ batch[0] > 0: c = 1", {"b", "batch[0]"}),
        ("with torch.no_grad(): b @ batch[0]", {"b", "batch[0]"}),
        ("class Inner: made = b @ batch[0]", {"b", "batch[0]"}),
    ],
)
async def test_names_are_found_wherever_the_line_stands(
    pool: Pool, line: str, names: set[str]
) -> None:
    code = f"""
        import torch
        def work(batch):
            b, a = torch.ones(3), "another a"
            {line}
        work([torch.ones(4)])
    """
    things = named(await fail(pool, code))
    assert set(things) == names
    assert things.get("a", things["b"]).kind is ThingKind.TENSOR


async def test_of_a_chain_the_last_exception_is_shown(pool: Pool) -> None:
    code = """
        import torch
        x, y = torch.ones(2), torch.ones(3)
        try:
            x @ y
        except RuntimeError as problem:
            raise ValueError(f"{y.shape} does not fit") from problem
    """
    scene = await fail(pool, code)
    assert scene.place.line == 6
    assert set(named(scene)) == {"y"}
    assert scene.place.expression is None


async def test_a_syntax_error_has_no_scene(pool: Pool) -> None:
    result = await run(pool, "x = (")
    assert result.status is Status.ERROR
    assert result.scene is None


async def test_a_good_end_and_an_exit_have_no_scene(pool: Pool) -> None:
    assert (await run(pool, "x = 1")).scene is None
    assert (await run(pool, "import sys\nsys.exit(1)")).scene is None


# --- Things ---------------------------------------------------------------------------------------

FAIL = "1 / 0, {}"


async def thing(pool: Pool, setup: str, name: str) -> Thing:
    code = f"import torch\nfrom torch import nn\n{setup}\n{FAIL.format(name)}"
    return named(await fail(pool, code))[name]


async def test_a_tensor_is_told_with_its_figures(pool: Pool) -> None:
    setup = "x = torch.tensor([[1.0, float('nan')], [-2.0, float('inf')]], requires_grad=True).T"
    told = await thing(pool, setup, "x")
    assert (told.kind, told.type, told.shape) == (ThingKind.TENSOR, "Tensor", (2, 2))
    assert (told.dtype, told.device) == ("float32", "cpu")
    assert (told.requires_grad, told.is_leaf, told.contiguous) == (True, False, False)
    assert (told.minimum, told.maximum, told.nans) == (-2.0, 1.0, 1)


@pytest.mark.parametrize(
    "setup",
    [
        "x = torch.zeros(1).expand(10**9)",
        "x = torch.ones(3, device='meta')",
        "x = torch.ones(3).to_sparse()",
        "x = torch.ones(3, dtype=torch.complex64)",
        "x = torch.empty(0)",
        "x = torch.ones(8); x.untyped_storage().resize_(0)",
    ],
)
async def test_values_that_are_not_cheap_or_not_there_are_not_looked_at(
    pool: Pool, setup: str
) -> None:
    told = await thing(pool, setup, "x")
    assert told.shape is not None
    assert (told.minimum, told.maximum, told.nans) == (None, None, None)


@pytest.mark.parametrize(
    ("setup", "name", "kind", "text"),
    [
        (
            "x = nn.Conv2d(3, 8, 5)",
            "x",
            ThingKind.MODULE,
            "3, 8, kernel_size=(5, 5), stride=(1, 1)",
        ),
        ("x = nn.LSTM(3, 8)", "x", ThingKind.MODULE, "3, 8"),
        ("x = nn.Sequential(nn.ReLU())", "x", ThingKind.MODULE, "children=1"),
        ("x = nn.Sequential(nn.Dropout(0.3))", "x[0]", ThingKind.MODULE, "p=0.3, inplace=False"),
        ("x = 2.5", "x", ThingKind.NUMBER, "2.5"),
        ("x = 7 ** 10_000", "x", ThingKind.NUMBER, "an integer of 28074 bits"),
        ("x = {'lr': 0.1}", "x['lr']", ThingKind.NUMBER, "0.1"),
        ("x = None", "x", ThingKind.OTHER, ""),
        ("x = (torch.ones(2), [])", "x", ThingKind.OTHER, "len 2: Tensor [2], list"),
        (
            "from torch.utils.data import *\n"
            "x = DataLoader(TensorDataset(torch.ones(9)), batch_size=4)",
            "x",
            ThingKind.LOADER,
            "batch_size=4, num_workers=0, drop_last=False, len(dataset)=9",
        ),
        (
            "from torch.utils.data import *\nx = TensorDataset(torch.ones(9))",
            "x",
            ThingKind.DATASET,
            "len 9",
        ),
    ],
)
async def test_other_things_are_told_by_their_sizes(
    pool: Pool, setup: str, name: str, kind: ThingKind, text: str
) -> None:
    told = await thing(pool, setup, name)
    assert (told.kind, told.text) == (kind, text)


async def test_a_missing_gradient_is_told(pool: Pool) -> None:
    told = await thing(pool, "w = nn.Parameter(torch.ones(2))", "w.grad")
    assert told.type == "NoneType"


async def test_at_most_twelve_things_are_told_those_of_the_failed_part_first(pool: Pool) -> None:
    names = [f"n{i}" for i in range(20)]
    code = f"{' = '.join(names)} = 1\nx = [{', '.join(names)}, n19 / (n18 - 1)]"
    things = list(named(await fail(pool, code)))
    assert len(things) == 12
    assert things[:2] == ["n19", "n18"]


async def test_reading_changes_nothing_that_the_snippet_sees_later(pool: Pool) -> None:
    code = """
        import atexit, random, torch
        w = torch.ones(3, requires_grad=True)
        y = w * 2
        def later():
            same = torch.equal(torch.get_rng_state(), state) and random.getstate() == other
            print(same, w.grad, y._version, y.grad_fn is node)
        atexit.register(later)
        node, state, other = y.grad_fn, torch.get_rng_state(), random.getstate()
        y @ torch.ones(4) @ w
    """
    result = await run(pool, code)
    assert result.scene is not None
    assert result.scene.things
    assert (result.stdout, result.stderr) == ("True None 0 True\n", "")
