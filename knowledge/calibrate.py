"""Fit the constants of knowledge.calibration on labelled posts.

    python -m knowledge.calibrate POSTS.jsonl [MORE.jsonl ...] [--plot FILE.png]

Each line of a file is an object with "text" and "label": an entry's slug, or "none" for a post
that nobody should answer; lines with "held_out": true are left out. Prints the fitted models as
Python, and how they do on posts that they were not fitted on (five-fold cross-validation); draws
those confidences against what became of them. The weights are pulled towards the priors below and
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

from knowledge.calibration import THRESHOLD, Model
from knowledge.entry import load_entries
from knowledge.language import Language
from knowledge.matching import Place
from knowledge.post import Post, parse
from knowledge.search import Findings, Searcher, meaning_features, signature_features

SIGNATURE_PRIOR: Final = Model(
    bias=1.0,
    weights={
        "literal": 2.0,
        "torch_context": 1.0,
        "general_only": -4.0,
        "general_frames": -2.0,
        "foreign_only": -5.0,
        "elsewhere": -0.5,
        "settled": -3.0,
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
        "asking": 1.0,
        "trouble": 1.0,
        "settled": -2.0,
        "shown_code": -1.0,
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
    language: Language = Language.EN


def sample(label: str, post: Post, findings: Findings) -> Sample:
    """The sample of one labelled post."""
    signed = bool(findings.hits) and findings.hits[0].place is not Place.WEAK
    if signed:
        best, features = findings.hits[0].entry, signature_features(post, findings)
    else:
        best, features = int(np.argmax(findings.fused)), meaning_features(post, findings)
    right = findings.entries[best].slug == label
    return Sample(label, signed, features, right, post.language)


def collect(lines: Sequence[str], searcher: Searcher) -> list[Sample]:
    """The samples of labelled posts, one JSON object a line."""
    samples: list[Sample] = []
    for line in lines:
        record = json.loads(line)
        if not record.get("held_out"):
            post = parse(record["text"])
            samples.append(sample(record["label"], post, searcher.findings(post)))
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
    """Two tables: how the posts fare at each threshold, and at ours in each language."""
    pairs = list(zip(samples, confidences, strict=True))
    lines = ["threshold  none answered  others answered  of them right"]
    thresholds = sorted({0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, THRESHOLD})
    lines += [f"{threshold:9.2f}{_row(pairs, threshold)}" for threshold in thresholds]
    lines.append(f"\nat {THRESHOLD}")
    for name, chosen in (
        ("errors", [pair for pair in pairs if not _is_symptom(pair[0].label)]),
        ("symptoms", [pair for pair in pairs if _is_symptom(pair[0].label)]),
        ("signature", [pair for pair in pairs if pair[0].by_signature]),
        ("meaning", [pair for pair in pairs if not pair[0].by_signature]),
        *((code, [pair for pair in pairs if pair[0].language is code]) for code in Language),
    ):
        lines.append(f"{name:>9}{_row(chosen, THRESHOLD)}{len(chosen):8d} posts")
    return "\n".join(lines)


def _is_symptom(label: str) -> bool:
    return label.startswith("silent-")


def _row(pairs: Sequence[tuple[Sample, float]], threshold: float) -> str:
    none = [c >= threshold for s, c in pairs if s.label == NOBODY]
    others = [(c >= threshold, s.right) for s, c in pairs if s.label != NOBODY]
    answered = sum(a for a, _ in others)
    right = sum(a and r for a, r in others)
    return (
        f"{sum(none) / max(len(none), 1):15.3f}{answered / max(len(others), 1):17.3f}"
        f"{right / max(answered, 1):15.3f}"
    )


def plot(samples: Sequence[Sample], confidences: Sequence[float], file: Path) -> None:
    """Draw how often the best match is right against how sure the search was of it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    said = np.array(confidences)
    right = np.array([sample.right for sample in samples], dtype=float)
    edges = np.linspace(0.0, 1.0, 11)
    places = np.clip(np.digitize(said, edges) - 1, 0, 9)
    figure, (curve, counts) = pyplot.subplots(
        2, 1, figsize=(6, 7), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    filled = [place for place in range(10) if (places == place).any()]
    means = [said[places == place].mean() for place in filled]
    shares = [right[places == place].mean() for place in filled]
    sizes = [int((places == place).sum()) for place in filled]
    margins = [
        float(np.sqrt(max(p * (1 - p), 0.25 / n) / n)) for p, n in zip(shares, sizes, strict=True)
    ]
    curve.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="as sure as right")
    curve.errorbar(means, shares, yerr=margins, marker="o", capsize=3, label="out of fold")
    curve.axvline(THRESHOLD, color="tab:red", linewidth=1, label=f"threshold {THRESHOLD}")
    curve.set(ylabel="share that is right", ylim=(-0.02, 1.05))
    curve.legend(loc="upper left")
    counts.bar(edges[:-1], np.bincount(places, minlength=10), width=0.1, align="edge", alpha=0.6)
    counts.set(xlabel="confidence", ylabel="posts")
    figure.savefig(file, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    """Fit on the posts of the files named on the command line and print the outcome."""
    parser = argparse.ArgumentParser(description="Fit the constants of knowledge.calibration.")
    parser.add_argument(
        "posts", type=Path, nargs="+", help="labelled posts, one JSON object a line"
    )
    parser.add_argument("--plot", type=Path, help="where to draw the reliability, a PNG file")
    arguments = parser.parse_args()
    lines = [line for path in arguments.posts for line in path.read_text("utf-8").splitlines()]
    samples = collect(lines, Searcher(load_entries()))
    signature, meaning = _models(samples)
    print(f"SIGNATURE = {signature}\nMEANING = {meaning}\n")
    confidences = cross_validated(samples)
    print(report(samples, confidences))
    if arguments.plot:
        plot(samples, confidences, arguments.plot)


if __name__ == "__main__":
    main()
