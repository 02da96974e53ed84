"""How well heads tell strategies apart on annotated quotes (`spatialbalancing axes evaluate`).

What is asked of a quote is what an annotator answered: which of seven strategies is it? The data has no "none of
these", so a probability on an ordinary sentence means "if it is one of the seven".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.axes.heads import ENGAGEMENT, STRATEGIES, Array, engagement
from app.axes.train import Annotations

BINS = 15
RESAMPLES = 300
SEED = 20261126


def evaluate(probabilities: Array, data: Annotations, resamples: int = RESAMPLES) -> dict[str, Any]:
    """`probabilities` has shape (quotes, 7).

    `auc` by strategy, `macro_auc` their mean, `engagement_auc` (quotes with an engagement strategy against quotes with
    none), `calibration_error` (expected calibration error in 15 bins of equal mass, mean over strategies), `interval`
    with the 95 % percentile interval of each over resampled articles, and `n`. A strategy that all quotes have, or
    none, has null and stays out of the means.
    """
    found = _measures(probabilities, data.labels)
    names, article = np.unique(data.articles, return_inverse=True)
    rows_of = [np.flatnonzero(article == i) for i in range(len(names))]
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([rows_of[i] for i in rng.integers(len(names), size=len(names))])
        drawn.append(_measures(probabilities[rows], data.labels[rows]))
    return (
        _shaped(found, lambda name: _rounded(found[name]))
        | {"interval": _shaped(found, lambda name: _interval([d[name] for d in drawn]))}
        | {
            "n": {
                "quotes": len(data.quotes),
                "articles": len(names),
                "positive": dict(zip(STRATEGIES, map(int, data.labels.sum(0)), strict=True)),
            }
        }
    )


def _measures(probabilities: Array, labels: npt.NDArray[np.int8]) -> dict[str, float]:
    aucs = [auc(probabilities[:, k], labels[:, k]) for k in range(len(STRATEGIES))]
    errors = [calibration_error(probabilities[:, k], labels[:, k]) for k in range(len(STRATEGIES))]
    known = [a for a in aucs if not np.isnan(a)]
    return dict(zip(STRATEGIES, aucs, strict=True)) | {
        "macro_auc": float(np.mean(known)) if known else float("nan"),
        "engagement_auc": auc(engagement(probabilities), labels[:, ENGAGEMENT].max(1)),
        "calibration_error": float(np.mean(errors)),
    }


def auc(scores: Array, labels: npt.NDArray[np.int8]) -> float:
    """Area under the ROC curve; not a number where there is only one class."""
    from sklearn.metrics import roc_auc_score

    if labels.min() == labels.max():
        return float("nan")
    return float(roc_auc_score(labels, scores))


def calibration_error(probabilities: Array, labels: npt.NDArray[np.int8]) -> float:
    """Expected calibration error: |mean probability - share of positives| over bins of equal mass, by their mass."""
    bins = np.array_split(np.argsort(probabilities, kind="stable"), min(BINS, len(probabilities)))
    gaps = [abs(float(probabilities[b].mean() - labels[b].mean())) * len(b) for b in bins]
    return sum(gaps) / len(probabilities)


def _shaped(found: dict[str, float], value: Callable[[str], Any]) -> dict[str, Any]:
    return {"auc": {name: value(name) for name in STRATEGIES}} | {
        name: value(name) for name in found if name not in STRATEGIES
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _interval(values: list[float]) -> list[float] | None:
    kept = [value for value in values if not np.isnan(value)]
    return [round(float(x), 4) for x in np.percentile(kept, [2.5, 97.5])] if kept else None
