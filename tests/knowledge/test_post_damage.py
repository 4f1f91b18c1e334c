"""A traceback that lost its line breaks, its order or some of its letters is read all the same."""

from __future__ import annotations

import pytest
from pasted_posts import calls, read

from knowledge.language import Language
from knowledge.post import parse


def test_frames_with_the_newest_call_on_top_are_turned_over() -> None:
    post = read("reversed_frames")

    assert post.errors[0].message == "mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)"
    assert calls(post) == ["<module>", "forward", "_call_impl", "forward"]
    assert post.errors[0].frames[0].code == "out = model(batch)"
    assert post.prose == "Sentry shows my crash like this, newest call on top:"


def test_a_traceback_that_stands_upside_down_is_turned_over() -> None:
    post = read("upside_down")

    assert post.errors[0].text == "ValueError: expected 4D input (got 2D input)"
    assert [frame.file for frame in post.errors[0].frames][:2] == ["go.py", "net.py"]
    assert post.errors[0].frames[2].code == "self._check_input_dim(input)"


def test_a_traceback_without_indentation_keeps_its_code_out_of_the_prose() -> None:
    post = read("no_indentation")

    assert post.errors[0].text == "RuntimeError: expected scalar type Long but found Float"
    assert calls(post) == ["<module>", "fit", "cross_entropy"]
    assert post.code == ()
    assert post.prose.split("\n\n\n") == [
        "Why does the last layer complain?",
        "Thanks in advance!",
    ]


def test_a_message_wrapped_between_words_is_whole() -> None:
    post = read("wrapped_words")

    assert post.errors[0].text.replace("\n", " ") == (
        "RuntimeError: Expected all tensors to be on the same device, but found at least two "
        "devices, cuda:0 and cpu! (when checking argument for argument mat1 in method "
        "wrapper_CUDA_addmm)"
    )
    assert post.prose.endswith("What am I missing?")


def test_a_traceback_cut_in_the_middle_of_words_is_whole() -> None:
    post = read("wrapped_mid_word")

    assert post.errors[0].text == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x2352 and 784x128)"
    )
    assert [frame.file.rsplit("/", 1)[-1] for frame in post.errors[0].frames] == [
        "train.py",
        "linear.py",
    ]
    assert post.errors[0].frames[1].code == "return F.linear(input, self.weight, self.bias)"
    assert post.prose == ""


@pytest.mark.parametrize("width", [37, 41, 45, 53, 60])
def test_a_window_s_width_tells_where_numbers_and_names_were_cut(width: int) -> None:
    whole = (
        '  File "/home/learner/miniconda3/lib/python3.10/site-packages/torch/functional.py", '
        "line 1114, in linear\n"
        "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input[16, 1, 28, 28] "
        "to have 3 channels, but got 1 channels instead"
    )
    cut = "\n".join(
        line[start : start + width]
        for line in whole.split("\n")
        for start in range(0, len(line), width)
    )

    error = parse("Traceback (most recent call last):\n" + cut).errors[0]

    assert "".join(error.text.split()).endswith(
        "[16,1,28,28]tohave3channels,butgot1channelsinstead"
    )
    assert error.frames[0].line == 1114


def test_an_exception_s_name_is_put_together() -> None:
    post = parse("Traceback (most recent call last):\nRuntimeEr\nror: Numpy is not available")

    assert post.errors[0].text == "RuntimeError: Numpy is not available"


def test_two_words_that_both_exist_are_not_run_together() -> None:
    post = parse("RuntimeError: this tensor is expected to be in\nput order of the other tensor")

    assert "in\nput" in post.errors[0].message


def test_a_blank_line_inside_a_message_does_not_end_it() -> None:
    post = read("blank_line_in_message")

    assert "Missing key(s) in state_dict" in post.errors[0].message
    assert post.errors[0].message.endswith('"module.bn1.weight".')
    assert post.prose == "I trained it on two cards, does that matter?"


def test_what_a_screenshot_s_recognition_misread_is_mended() -> None:
    post = read("screenshot_ocr")

    assert post.errors[0].text == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)"
    )
    assert calls(post) == ["<module>", "forward"]
    assert post.errors[0].frames[1].file == "/env/torch/nn/modules/linear.py"
    assert post.errors[0].frames[0].code == "out = net(batch)"
    assert post.code == ()


def test_misread_words_and_stray_spaces_of_messages_are_mended() -> None:
    post = read("screenshot_words")

    assert {error.text for error in post.errors} == {
        "AssertionError: Torch not compiled with CUDA enabled",
        "RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) "
        "should be the same",
    }
    assert post.prose.startswith("I can only take a photo of the lab machine's screen:")


@pytest.mark.parametrize(
    ("misread", "meant"),
    [
        ("RuntimeError: found cuda:O and cpu!", "RuntimeError: found cuda:0 and cpu!"),
        ("RuntimeError: got torch.Size[3, 4] here", "RuntimeError: got torch.Size([3, 4]) here"),
        (
            "RuntimeError: shapes cannot be multiplied 2x3 and 4x5)",
            "RuntimeError: shapes cannot be multiplied (2x3 and 4x5)",
        ),
        ("1ndexError: index out of range in self", None),
        ("Va1ueError: expected 4D input", "ValueError: expected 4D input"),
        (
            "RuntimeErrorRuntimeError: : Numpy is not available",
            "RuntimeError: Numpy is not available",
        ),
    ],
)
def test_only_what_a_known_token_makes_certain_is_mended(misread: str, meant: str | None) -> None:
    texts = [error.text for error in parse(misread).errors]

    assert texts == ([meant] if meant else [])


@pytest.mark.parametrize(
    "text",
    [
        "ModuleNotFoundError: No module named 'T0rch_utils'",
        "AttributeError: 'Net' object has no attribute 'lnput'",
        "RuntimeError: Only Tensors of floating point and complex dtype can require gradients",
        "ValueError: please give it as (N, C, o1, o2)",
    ],
)
def test_names_and_sound_words_are_left_as_they_are(text: str) -> None:
    assert parse(text).errors[0].text == text


def test_code_is_never_respelled() -> None:
    code = "```python\nT0rch = 1\nlnput = rnat1(T0rch)\n```"

    assert parse(code).code == ("T0rch = 1\nlnput = rnat1(T0rch)",)


def test_the_doubled_output_of_two_spawned_processes_is_read() -> None:
    post = read("spawned_mess")

    assert post.errors[0].text == "RuntimeError: No CUDA GPUs are available"
    assert post.errors[0].frames[-1].code == "run()"


def test_full_width_letters_and_signs_are_read() -> None:
    post = read("full_width")

    assert post.errors[0].exception == "RuntimeError"
    assert "weight[6,1,5,5]" in post.errors[0].message
    assert post.errors[0].frames[0].code == "net(x)"
    assert post.prose == "请问这是什么意思？"
    assert post.language is Language.ZH


@pytest.mark.parametrize(
    ("name", "message", "language"),
    [
        ("windows_japanese", "[WinError 126] 指定されたモジュールが見つかりません。", Language.JA),
        ("windows_chinese", "[WinError 1455] 页面文件太小，无法完成操作。", Language.ZH),
        ("windows_german", "[WinError 5] Zugriff verweigert: ", Language.EN),
    ],
)
def test_a_localised_message_of_windows_is_whole(
    name: str, message: str, language: Language
) -> None:
    post = read(name)

    assert post.errors[0].message.startswith(message)
    assert post.errors[0].frames[0].line is not None
    assert post.language is language
    if language is not Language.EN:
        assert post.errors[0].message.endswith("or one of its dependencies.")


def test_a_localised_message_does_not_outweigh_english_prose() -> None:
    post = parse(
        "Importing torch fails on my new laptop, what is missing?\n\n"
        "OSError: [WinError 126] 找不到指定的模块。"
    )

    assert post.language is Language.EN
