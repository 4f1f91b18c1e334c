"""Fit the constants of knowledge.calibration on labelled posts.

    python -m knowledge.calibrate POSTS.jsonl [MORE.jsonl ...]

Each line of a file is an object with "text" and "label": an entry's slug, or "none" for a post
that nobody should answer. Prints the fitted models as Python, and how they do on posts that they
were not fitted on (five-fold cross-validation). The weights are pulled towards the priors below and
kept to their signs, so that few posts cannot teach nonsense.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from knowledge.calibration import Model
from knowledge.entry import Entry, load_entries
from knowledge.matching import Place
from knowledge.post import parse
from knowledge.search import Searcher, meaning_features, signature_features

SIGNATURE_PRIOR: Final = Model(
    bias=1.0,
    weights={
        "literal": 2.0,
        "torch_context": 1.0,
        "general_only": -4.0,
        "foreign_only": -5.0,
        "elsewhere": -0.5,
    },
)
MEANING_PRIOR: Final = Model(
    bias=-6.0,
    weights={
        "coverage": 3.0,
        "score": 3.0,
        "familiarity": 3.0,
        "margin": 3.0,
        "nearness": 1.0,
        "about": 1.5,
        "off_topic": -2.0,
        "foreign": -2.0,
        "asking": 1.5,
        "unknown_error": -2.0,
        "pitfall": 3.0,
        "hint": 2.0,
    },
)
PULL: Final = 3.0
"""How strongly weights are pulled to their priors."""

FOLDS: Final = 5
NOBODY: Final = "none"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One post as the decision sees it; `right` when the best match has the post's label."""

    label: str
    by_signature: bool
    features: Mapping[str, float]
    right: bool


def collect(lines: Sequence[str], entries: Sequence[Entry], searcher: Searcher) -> list[Sample]:
    """The samples of labelled posts, one JSON object a line."""
    samples: list[Sample] = []
    for line in lines:
        record = json.loads(line)
        post = parse(record["text"])
        findings = searcher.findings(post)
        signed = bool(findings.hits) and findings.hits[0].place is not Place.WEAK
        if signed:
            best, features = findings.hits[0].entry, signature_features(post, findings)
        else:
            best = int(np.argmax(findings.fused))
            features = meaning_features(post, findings, entries)
        right = entries[best].slug == record["label"]
        samples.append(Sample(record["label"], signed, features, right))
    return samples


def fit(samples: Sequence[Sample], prior: Model) -> Model:
    """The logistic model nearest to `samples` and to `prior`, by gradient descent."""
    names = list(prior.weights)
    if not samples:
        return prior
    inputs = np.array([[1.0, *(s.features[name] for name in names)] for s in samples])
    wanted = np.array([float(s.right) for s in samples])
    start = np.array([prior.bias, *prior.weights.values()])
    weights = start.copy()
    for _ in range(4_000):
        slope = _slope(inputs, wanted, weights) + PULL * (weights - start) / len(samples)
        weights -= 0.5 * slope
        positive, negative = np.maximum(weights[1:], 0), np.minimum(weights[1:], 0)
        weights[1:] = np.where(start[1:] > 0, positive, negative)
    rounded = [round(float(weight), 2) for weight in weights]
    return Model(rounded[0], dict(zip(names, rounded[1:], strict=True)))


def _slope(inputs: Array, wanted: Array, weights: Array) -> Array:
    predicted = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
    return np.asarray(inputs.T @ (predicted - wanted) / len(wanted))


def _models(samples: Sequence[Sample]) -> tuple[Model, Model]:
    return (
        fit([s for s in samples if s.by_signature], SIGNATURE_PRIOR),
        fit([s for s in samples if not s.by_signature], MEANING_PRIOR),
    )


def cross_validated(samples: Sequence[Sample]) -> list[float]:
    """The confidence in each sample by models fitted on the other folds."""
    confidences = [0.0] * len(samples)
    for fold in range(FOLDS):
        signature, meaning = _models([s for n, s in enumerate(samples) if n % FOLDS != fold])
        for number in range(fold, len(samples), FOLDS):
            sample = samples[number]
            model = signature if sample.by_signature else meaning
            confidences[number] = model.probability(sample.features)
    return confidences


def report(samples: Sequence[Sample], confidences: Sequence[float]) -> str:
    """A table: for each threshold, how many posts are answered, and how many of them rightly."""
    lines = ["threshold  none answered  others answered  of them right"]
    pairs = list(zip(samples, confidences, strict=True))
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        none = [c >= threshold for s, c in pairs if s.label == NOBODY]
        others = [(c >= threshold, s.right) for s, c in pairs if s.label != NOBODY]
        answered = sum(a for a, _ in others)
        right = sum(a and r for a, r in others)
        lines.append(
            f"{threshold:9.1f}{sum(none) / max(len(none), 1):15.3f}"
            f"{answered / max(len(others), 1):17.3f}{right / max(answered, 1):15.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Fit on the posts of the file named on the command line and print the outcome."""
    parser = argparse.ArgumentParser(description="Fit the constants of knowledge.calibration.")
    parser.add_argument(
        "posts", type=Path, nargs="+", help="labelled posts, one JSON object a line"
    )
    arguments = parser.parse_args()
    entries = load_entries()
    lines = [line for path in arguments.posts for line in path.read_text("utf-8").splitlines()]
    samples = collect(lines, entries, Searcher(entries))
    signature, meaning = _models(samples)
    print(f"SIGNATURE = {signature}\nMEANING = {meaning}\n")
    print(report(samples, cross_validated(samples)))


if __name__ == "__main__":
    main()
