"""The fit follows the posts, keeps to the signs of its priors, and is judged on unseen posts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knowledge.calibrate import (
    MEANING_PRIOR,
    SIGNATURE_PRIOR,
    Sample,
    collect,
    cross_validated,
    fit,
    plot,
    report,
)
from knowledge.calibration import MEANING, SIGNATURE, THRESHOLD, Model
from knowledge.search import Searcher

PRIOR = Model(bias=0.0, weights={"good": 1.0, "bad": -1.0})


def samples(count: int, good: float, bad: float, right: bool) -> list[Sample]:
    label = "entry" if right else "none"
    return [Sample(label, False, {"good": good, "bad": bad}, right) for _ in range(count)]


def test_posts_teach_the_weights() -> None:
    fitted = fit([*samples(40, 1.0, 0.0, True), *samples(40, 0.0, 1.0, False)], PRIOR)

    assert fitted.probability({"good": 1.0, "bad": 0.0}) > 0.8
    assert fitted.probability({"good": 0.0, "bad": 1.0}) < 0.2


def test_a_weight_never_changes_its_sign() -> None:
    fitted = fit([*samples(40, 0.0, 1.0, True), *samples(40, 1.0, 0.0, False)], PRIOR)

    assert fitted.weights["good"] >= 0.0 >= fitted.weights["bad"]


def test_without_posts_the_prior_stands() -> None:
    assert fit([], PRIOR) == PRIOR


@pytest.mark.parametrize(
    ("model", "prior"), [(SIGNATURE, SIGNATURE_PRIOR), (MEANING, MEANING_PRIOR)]
)
def test_the_constants_belong_to_the_features(model: Model, prior: Model) -> None:
    assert list(model.weights) == list(prior.weights)
    assert all(model.weights[name] * weight >= 0 for name, weight in prior.weights.items())


def test_held_out_posts_are_not_fitted_on(searcher: Searcher) -> None:
    lines = [
        json.dumps({"text": "good morning", "label": "none"}),
        json.dumps({"text": "good evening", "label": "none", "held_out": True}),
    ]

    assert [sample.label for sample in collect(lines, searcher)] == ["none"]


def meaning(label: str, right: bool, coverage: float) -> Sample:
    features = dict.fromkeys(MEANING_PRIOR.weights, 0.0) | {"coverage": coverage, "score": coverage}
    return Sample(label, False, features, right)


def test_the_report_and_the_plot_are_made_of_unseen_confidences(tmp_path: Path) -> None:
    posts = [meaning("entry", True, 1.0), meaning("none", False, 0.0)] * 20
    confidences = cross_validated(posts)

    table = report(posts, confidences)
    plot(posts, confidences, tmp_path / "reliability.png")

    assert f"at {THRESHOLD}" in table
    assert max(confidences[1::2]) < min(confidences[::2])
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
