"""A pasted message comes apart into its errors, the decisive one first."""

from __future__ import annotations

import pytest
from pasted_posts import pasted

from knowledge.post import parse


def test_a_plain_traceback_gives_type_message_and_frames() -> None:
    error = parse(pasted("plain")).errors[0]

    assert error.exception == "RuntimeError"
    assert error.message == "mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)"
    assert error.text == f"RuntimeError: {error.message}"
    assert [frame.function for frame in error.frames] == ["<module>", "main", "forward"]
    assert error.frames[1].file == "train.py"
    assert error.frames[1].line == 22
    assert error.frames[1].code == "out = net(batch)"


def test_the_root_of_a_chained_exception_decides() -> None:
    errors = parse(pasted("chained")).errors

    assert [error.text for error in errors] == ["KeyError: 'lr'", "RuntimeError: no learning rate"]
    assert errors[0].frames[0].line == 4


def test_the_last_of_two_unrelated_tracebacks_decides() -> None:
    post = parse(pasted("plain") + "\nand after I changed that:\n\n" + pasted("rich"))

    assert post.errors[0].message.startswith("element 0 of tensors")
    assert post.errors[1].message.startswith("mat1 and mat2")


def test_the_original_error_of_a_dataloader_worker_decides() -> None:
    errors = parse(pasted("worker")).errors

    assert errors[0].message.startswith("stack expects each tensor")
    assert any(frame.function == "default_collate" for frame in errors[0].frames)
    assert errors[-1].message == "Caught RuntimeError in DataLoader worker process 1."


def test_the_error_of_a_remote_traceback_decides_with_its_frames() -> None:
    error = parse(pasted("remote")).errors[0]

    assert error.text == "RuntimeError: stack expects a non-empty TensorList"
    assert any(frame.function == "resize" for frame in error.frames)


def test_the_cause_decides_over_the_dead_workers_that_follow_it() -> None:
    post = parse(
        "Traceback (most recent call last):\n"
        '  File "go.py", line 3, in <module>\n'
        "    for b in loader: pass\n"
        "RuntimeError: \n"
        "        An attempt has been made to start a new process before the\n"
        "        current process has finished its bootstrapping phase.\n"
        "\n"
        "        This probably means that you are not using fork.\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "go.py", line 3, in <module>\n'
        "    for b in loader: pass\n"
        "RuntimeError: DataLoader worker (pid(s) 811) exited unexpectedly\n"
    )

    assert "finished its bootstrapping phase" in post.errors[0].message
    assert "not using fork" in post.errors[0].message
    assert "exited unexpectedly" in post.errors[1].message


def test_the_failing_process_decides_over_its_launcher() -> None:
    post = parse(
        "[rank0]: Traceback (most recent call last):\n"
        '[rank0]:   File "/w/train.py", line 9, in <module>\n'
        "[rank0]:     net(x)\n"
        "[rank0]: RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)\n"
        "E0101 12:00:00.000000 140 torch/elastic/api.py:833] failed (exitcode: 1) (pid: 9)\n"
        "Traceback (most recent call last):\n"
        '  File "/usr/bin/torchrun", line 8, in <module>\n'
        "    sys.exit(main())\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "============================================================\n"
        "train.py FAILED\n"
    )

    assert post.errors[0].message == "mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"
    assert post.errors[0].frames[0].file == "/w/train.py"


def test_the_error_inside_an_exception_group_is_read() -> None:
    post = parse(
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "a.py", line 3, in <module>\n'
        "  |     asyncio.run(main())\n"
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 7, in work\n'
        "    |     torch.stack(x)\n"
        "    | RuntimeError: stack expects a non-empty TensorList\n"
        "    +------------------------------------\n"
    )

    assert post.errors[0].text == "RuntimeError: stack expects a non-empty TensorList"
    assert post.errors[0].frames[-1].code == "torch.stack(x)"


def test_an_error_nested_in_a_compiler_error_decides() -> None:
    post = parse(
        "torch._dynamo.exc.TorchRuntimeError: Dynamo failed to run FX node with fake tensors: "
        "call_function <built-in method matmul>(*(x, y), **{}): "
        "got RuntimeError('a and b must have same reduction dim, but got [2, 3] X [4, 5].')"
    )

    assert post.errors[0].text.startswith("RuntimeError: a and b must have same reduction dim")


@pytest.mark.parametrize("form", ["old_notebook", "new_notebook"])
def test_a_notebook_traceback_gives_cells_functions_and_arrows(form: str) -> None:
    post = parse(pasted(form))
    first, last = post.errors[0].frames[0], post.errors[0].frames[-1]

    assert len(post.errors) == 1
    assert first.line == 2
    assert "In" in first.file or "ipython-input" in first.file
    assert last.function in ("linear", "Embedding.forward")
    assert last.code.startswith(("ret = torch.addmm", "return F.embedding"))
    assert post.code == ()


def test_a_notebook_traceback_without_its_end_still_names_the_type() -> None:
    cut = pasted("new_notebook")[: pasted("new_notebook").index("\nIndexError: ")]

    assert [error.text for error in parse(cut).errors] == ["IndexError"]


def test_a_rich_box_is_read_like_a_traceback() -> None:
    error = parse(pasted("rich")).errors[0]

    assert error.frames[0].file == "/home/me/lab/train.py"
    assert error.frames[0].line == 41
    assert error.frames[0].code == "loss.backward()"


def test_the_marks_of_pytest_are_taken_off() -> None:
    error = parse(pasted("pytest_short")).errors[0]

    assert error.message == "mat1 and mat2 shapes cannot be multiplied (2x7 and 9x4)"
    assert [frame.function for frame in error.frames][-1] == "forward"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("RuntimeError: grad can be implicitly created only for scalar outputs", None),
        (
            "I get `IndexError: too many indices for tensor of dimension 1` here, why?",
            "IndexError: too many indices for tensor of dimension 1",
        ),
        (
            "    y = x.dot(w)  # RuntimeError: 1D tensors expected, but got 2D and 1D tensors",
            "RuntimeError: 1D tensors expected, but got 2D and 1D tensors",
        ),
        (
            "| `ValueError: optimizer got an empty parameter list` | pass parameters() |",
            "ValueError: optimizer got an empty parameter list",
        ),
        (
            "- **TypeError: expected Tensor as element 0 in argument 0, but got int**",
            "TypeError: expected Tensor as element 0 in argument 0, but got int",
        ),
        (
            "運行すると RuntimeError：CUDA error: invalid device ordinal",
            "RuntimeError: CUDA error: invalid device ordinal",
        ),
        (
            "OMP: Error #15: Initializing libomp.dylib, but found it already initialized.",
            "OMP: Error #15: Initializing libomp.dylib, but found it already initialized.",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement torch==1.4",
            "ERROR: Could not find a version that satisfies the requirement torch==1.4",
        ),
        (
            "`RuntimeError: Subtraction, the `-` operator, with a bool tensor is not supported.`",
            "RuntimeError: Subtraction, the `-` operator, with a bool tensor is not supported.",
        ),
    ],
)
def test_an_error_line_alone_is_enough(text: str, error: str | None) -> None:
    assert parse(text).errors[0].text == (error or text)


def test_a_message_keeps_all_its_lines() -> None:
    post = parse(
        "RuntimeError: Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "fc.weight".\n'
        '\tUnexpected key(s) in state_dict: "head.weight".\n'
        "\n"
        "I only renamed the layer!"
    )

    assert post.errors[0].message.splitlines()[1:] == [
        'Missing key(s) in state_dict: "fc.weight".',
        'Unexpected key(s) in state_dict: "head.weight".',
    ]
    assert post.prose == "I only renamed the layer!"


def test_a_wrapped_message_is_joined() -> None:
    post = parse(
        "# RuntimeError: a leaf Variable that requires grad is being used in an\n"
        "# in-place operation.\n"
        "w += 1\n"
    )

    assert " ".join(post.errors[0].message.split()).endswith("in an in-place operation.")


def test_a_warning_is_reported_behind_an_error() -> None:
    post = parse(
        "/lab/fit.py:12: UserWarning: Using a target size (torch.Size([5])) that is different\n"
        "  loss = mse(out, y)\n"
        "RuntimeError: The size of tensor a (5) must match the size of tensor b (9)\n"
    )

    assert [error.exception for error in post.errors] == ["RuntimeError", "UserWarning"]


def test_an_error_that_is_quoted_twice_counts_once() -> None:
    post = parse(
        "RuntimeError: Numpy is not available\n\nfull output:\n\n"
        + pasted("plain")
        + pasted("plain")
    )

    assert len(post.errors) == 2
    assert post.errors[0].frames
