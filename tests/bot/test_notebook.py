"""A notebook is read as what its learner would have pasted, and refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.command_input import read_code, read_post
from bot.inputs import InputError
from bot.notebook import MAX_CELLS, MAX_CODE, MAX_ERROR, read_notebook, require_error
from knowledge.post import parse

MESSAGE = "mat1 and mat2 shapes cannot be multiplied (5x11 and 7x3)"
FAILURE: dict[str, Any] = {
    "output_type": "error",
    "ename": "RuntimeError",
    "evalue": MESSAGE,
    "traceback": [
        "\x1b[0;31m---------------------------------------------------------------\x1b[0m",
        "\x1b[0;31mRuntimeError\x1b[0m                  Traceback (most recent call last)",
        "Cell \x1b[0;32mIn[3], line 1\x1b[0m\n\x1b[0;32m----> 1\x1b[0m layer(torch.randn(5, 11))\n",
        f"\x1b[0;31mRuntimeError\x1b[0m: {MESSAGE}",
    ],
}


def cell(source: str | list[str], *outputs: dict[str, Any], run_as: int | None = 1) -> Any:
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": [*outputs],
        "execution_count": run_as,
    }


def notebook(*cells: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells]})


def failure(message: str) -> dict[str, Any]:
    return {**FAILURE, "evalue": message, "traceback": [f"RuntimeError: {message}"]}


def test_the_error_and_the_code_up_to_it_are_taken() -> None:
    text = notebook(
        cell("import torch"),
        {"cell_type": "markdown", "metadata": {}, "source": "# A layer"},
        cell(["layer = torch.nn.Linear(7, 3)\n", "x = 1"], run_as=2),
        cell("layer(torch.randn(5, 11))", FAILURE, run_as=3),
        cell("print('never reached')", run_as=None),
    )
    read = read_notebook(text, "a.ipynb")
    post = parse(read.post())

    assert read.code == (
        "import torch\n\nlayer = torch.nn.Linear(7, 3)\nx = 1\n\nlayer(torch.randn(5, 11))"
    )
    assert "\x1b" not in read.error
    assert post.errors[0].message == MESSAGE
    assert post.code == (read.code,)


def test_of_two_errors_the_one_that_was_run_last_counts() -> None:
    text = notebook(cell("a", failure("newer"), run_as=9), cell("b", failure("older"), run_as=4))
    read = read_notebook(text, "a.ipynb")

    assert read.error == "RuntimeError: newer"
    assert read.code == "a"


def test_an_error_without_lines_is_told_by_its_name() -> None:
    text = notebook(cell("a", {**FAILURE, "traceback": []}))

    assert read_notebook(text, "a.ipynb").error == f"RuntimeError: {MESSAGE}"


def test_the_traceback_of_a_script_run_by_the_shell_is_found() -> None:
    printed = f"epoch 1\nTraceback (most recent call last):\nRuntimeError: {MESSAGE}\n"
    output = {"output_type": "stream", "name": "stdout", "text": printed.splitlines(True)}

    assert MESSAGE in read_notebook(notebook(cell("!python a.py", output)), "a.ipynb").error


def test_a_notebook_of_the_old_format_is_read() -> None:
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {
                        "cell_type": "code",
                        "language": "python",
                        "metadata": {},
                        "input": ["layer(x)"],
                        "prompt_number": 1,
                        "outputs": [{**FAILURE, "output_type": "pyerr"}],
                    }
                ],
            }
        ],
    }
    read = read_notebook(json.dumps(old), "a.ipynb")

    assert read.code == "layer(x)" and MESSAGE in read.error


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("!pip install torch\nimport torch", "import torch"),
        ("%matplotlib inline\nx = 1", "x = 1"),
        ("%%time\nx = 1", "x = 1"),
        ("%%bash\nls", ""),
        ("files = !ls\nx = 1", "x = 1"),
        ("torch.nn?\nx = 1", "x = 1"),
        ("if fresh:\n    !ls\nx = 1", "if fresh:\n    pass\nx = 1"),
        ("rest = (7\n  % 3)", "rest = (7\n  % 3)"),
        ('help = """\n!important\n"""', 'help = """\n!important\n"""'),
    ],
)
def test_what_only_ipython_understands_is_left_out(source: str, kept: str) -> None:
    text = notebook(cell(source), cell("y = 2"))

    assert read_notebook(text, "a.ipynb").code == f"{kept}\n\ny = 2".lstrip("\n")


def test_of_very_much_code_the_nearest_to_the_error_is_kept() -> None:
    many = [cell(f"x{number} = '{'a' * 1_000}'") for number in range(100)]
    read = read_notebook(notebook(*many, cell("fail()", FAILURE)), "a.ipynb")

    assert len(read.code) <= MAX_CODE + 2 * len(many)
    assert read.code.endswith("fail()") and "x0 " not in read.code


def test_of_a_very_long_error_the_end_is_kept() -> None:
    long = {**FAILURE, "traceback": ["x" * 1_000_000, f"RuntimeError: {MESSAGE}"]}
    read = read_notebook(notebook(cell("a", long)), "a.ipynb")

    assert len(read.error) <= MAX_ERROR and read.error.endswith(MESSAGE)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"nbformat": 4, "cells": [', "not_a_notebook"),
        ("print('hello')", "not_a_notebook"),
        ("[1, 2]", "not_a_notebook"),
        ('{"a": 1}', "not_a_notebook"),
        ('{"nbformat": "four", "cells": 7}', "not_a_notebook"),
        ('{"nbformat": 99, "nbformat_minor": 0, "cells": []}', "not_a_notebook"),
        ("[" * 100_000, "not_a_notebook"),
        (notebook(), "notebook_empty"),
        (notebook(cell("%%html\n<b>")), "notebook_empty"),
        (notebook(*[cell("x")] * (MAX_CELLS + 1)), "notebook_too_long"),
    ],
)
def test_a_bad_notebook_is_refused_by_name(text: str, key: str) -> None:
    with pytest.raises(InputError) as refused:
        read_notebook(text, "lab.ipynb")

    assert refused.value.key == key
    assert "lab.ipynb" in str(refused.value)


def test_a_notebook_in_which_nothing_failed_says_so_when_an_error_is_needed() -> None:
    read = read_notebook(notebook(cell("x = 1")), "lab.ipynb")

    assert read.code == "x = 1"
    with pytest.raises(InputError, match="holds no error"):
        require_error(read, "lab.ipynb")


def test_the_command_line_reads_a_notebook_as_a_post_and_as_code(tmp_path: Path) -> None:
    file = tmp_path / "lab.ipynb"
    file.write_text(notebook(cell("layer(x)", FAILURE)))

    assert parse(read_post(str(file), 10)).errors[0].message == MESSAGE
    assert read_code(str(file), 10) == "layer(x)"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["nbformat", "cells", "cell_type", "source", "outputs", "output_type", "traceback"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_json, st.sampled_from([3, 4, 5]))
def test_any_json_is_read_or_refused(value: Any, version: int) -> None:
    document = {"nbformat": version, "nbformat_minor": 0, "metadata": {}, "cells": value}
    try:
        read_notebook(json.dumps(document), "a.ipynb")
    except InputError as error:
        assert error.key in {"not_a_notebook", "notebook_empty"}
