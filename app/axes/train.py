"""Fit the strategy heads on annotated quotes (`spatialbalancing axes train`).

Data: one JSON object a line with `article`, `strategy` and `quote` (August et al., EMNLP 2020). A quote annotated with
several strategies is positive for each of them. Members of the ensemble differ in the articles they saw (a bootstrap
over articles, since quotes of one article are not independent).

Every annotated quote was marked because it does something, so the data cannot say what a sentence looks like that does
nothing of the kind. Sentences that do none of the seven (none.txt, written for this purpose) are fitted beside them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.axes import normal
from app.axes.heads import STRATEGIES, Array, Heads, axis_scores, card, soft_maximum
from app.text import sentences

if TYPE_CHECKING:
    from app.axes.scorer import Encoder

Columns = npt.NDArray[np.float32]
"""Shape (quotes, width)."""
MEMBERS = 8
SEED = 20261123
REFERENCE = 300
"""Passages of two or more sentences, drawn by the seed, that 50 and 10 are measured on; all of them move the mean by
less than half a point and cost four times as long."""
CALIBRATION_FOLDS = 5
NONE = Path(__file__).with_name("none.txt")
MIN_SD = 1e-6
"""Below it a column is constant (MiniLM has one such dimension) and is left alone."""


class MalformedData(ValueError):
    """The message names the file, the line and what is wrong, for a person."""


@dataclass(frozen=True)
class Annotations:
    """`labels` has shape (quotes, 7), 0 or 1; `articles` names the article of each quote."""

    quotes: list[str]
    labels: npt.NDArray[np.int8]
    articles: npt.NDArray[np.str_]

    def take(self, rows: npt.NDArray[np.intp]) -> Annotations:
        return Annotations([self.quotes[i] for i in rows], self.labels[rows], self.articles[rows])


@dataclass(frozen=True)
class Recipe:
    """`penalty` of the ridge on columns that are standardised and share out a variance of 1 among `groups`.

    A group is a number of columns and its part of the variance, e.g. a decoder block's hidden states.
    """

    groups: tuple[tuple[int, float], ...]
    penalty: float


def read(path: Path) -> Annotations:
    """Raises MalformedData naming the line that can't be read."""
    found: dict[tuple[str, str], set[int]] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise MalformedData(f"{path.name} is no UTF-8 text: {error.reason} at byte {error.start}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        article, quote, strategy = _row(line, f"{path.name}, line {number}")
        found.setdefault((article, " ".join(quote.split())), set()).add(strategy)
    if not found:
        raise MalformedData(f"{path.name} has no annotated quote in it.")
    labels = np.zeros((len(found), len(STRATEGIES)), np.int8)
    for i, strategies in enumerate(found.values()):
        labels[i, sorted(strategies)] = 1
    return Annotations([quote for _, quote in found], labels, np.array([article for article, _ in found]))


def _row(line: str, where: str) -> tuple[str, str, int]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise MalformedData(f"{where} is no JSON: {error.msg} at column {error.colno}.") from error
    if not isinstance(row, dict):
        raise MalformedData(f"{where} is no JSON object with article, quote and strategy.")
    for key in ("article", "quote", "strategy"):
        if key not in row or not isinstance(row[key], str | int) or not str(row[key]).strip():
            raise MalformedData(f"{where} has no {key}.")
    if row["strategy"] not in STRATEGIES:
        raise MalformedData(f"{where}: {row['strategy']!r} is none of {', '.join(STRATEGIES)}.")
    return str(row["article"]), str(row["quote"]), STRATEGIES.index(row["strategy"])


def fit(columns: Columns, data: Annotations, recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """One member: coefficients (7, width) and intercepts (7,), on a bootstrap sample of the articles.

    Least squares on the labels with a ridge penalty, solved in its dual form (Saunders et al., ICML 1998), which is
    quicker than logistic regression for more columns than quotes and no worse (docs/lab-notes.md); folded back into
    the raw columns and standardised over the sample.
    """
    from scipy.linalg import cho_factor, cho_solve

    names, article = np.unique(data.articles, return_inverse=True)
    times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    rows = np.flatnonzero(times[article])
    weight = times[article][rows].astype(float)
    raw, labels = columns[rows].astype(np.float64), data.labels[rows].astype(np.float64)
    mean = np.average(raw, axis=0, weights=weight)
    sd = np.sqrt(np.average((raw - mean) ** 2, axis=0, weights=weight))
    sd[sd < MIN_SD] = 1.0
    scale = _shares(recipe.groups, columns.shape[1]) / sd
    x = ((raw - mean) * scale).astype(np.float32)
    prior = np.average(labels, axis=0, weights=weight)
    gram = x @ x.T
    gram[np.diag_indices(len(rows))] += recipe.penalty / weight
    dual = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), (labels - prior).astype(np.float32))
    scores = x @ (x.T @ dual)
    centre = np.average(scores, axis=0, weights=weight)
    spread = np.sqrt(np.average((scores - centre) ** 2, axis=0, weights=weight))
    spread[spread < MIN_SD] = 1.0  # a strategy that none of this sample's quotes has
    coef = (dual.T @ x) * scale / spread[:, None]
    return coef.astype(np.float64), -centre / spread - coef.astype(np.float64) @ mean


def _shares(groups: Sequence[tuple[int, float]], width: int) -> Array:
    """The standard deviation of each column."""
    share = np.concatenate([np.full(size, np.sqrt(part / size)) for size, part in groups])
    if len(share) != width:
        raise ValueError(f"the recipe is for {len(share)} columns, not {width}")
    return share


def none_of_them() -> list[str]:
    """Sentences that do none of the seven: opening hours, captions, forms."""
    return [normal.sentence(line) for line in NONE.read_text("utf-8").splitlines()]


def fit_heads(columns: Columns, data: Annotations, recipe: Recipe, features: int, none: Columns | None = None) -> Heads:
    """The ensemble, its probabilities calibrated on articles that its heads did not see; not yet on the canvas.

    `none` are the columns of sentences that do none of the seven.
    """
    if none is None:
        none = columns[:0]
    coef, bias = ensemble(columns, data, recipe, none)
    centre = columns[:, columns.shape[1] - features :].mean(0, dtype=np.float64)
    platt = calibrate(columns, data, recipe, none)
    return Heads(coef, bias, np.zeros(2), np.ones(2), platt, centre, np.ones(1), {}, "")


def ensemble(columns: Columns, data: Annotations, recipe: Recipe, none: Columns) -> tuple[Array, Array]:
    """Coefficients (members, 7, width) and intercepts (members, 7)."""
    rng = np.random.default_rng(SEED)
    columns, data = np.concatenate([columns, none]), _beside(data, len(none))
    members = [fit(columns, data, recipe, rng) for _ in range(MEMBERS)]
    return np.stack([coef for coef, _ in members]), np.stack([bias for _, bias in members])


def _beside(data: Annotations, none: int) -> Annotations:
    """`data` and so many quotes without a strategy, each an article of its own."""
    return Annotations(
        data.quotes + [""] * none,
        np.concatenate([data.labels, np.zeros((none, len(STRATEGIES)), np.int8)]),
        np.concatenate([data.articles, np.array([f"none of them, {i}" for i in range(none)], np.str_)]),
    )


def calibrate(columns: Columns, data: Annotations, recipe: Recipe, none: Columns) -> Array:
    """Slopes and intercepts, shape (7, 2), from standardised scores to log-odds: Platt, Advances in Large Margin
    Classifiers, 1999, by cross-validation over articles. On annotated quotes alone: a probability is one among them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(data.labels.shape)
    for seen, unseen in GroupKFold(CALIBRATION_FOLDS, shuffle=True, random_state=SEED).split(
        scores, groups=data.articles
    ):
        coef, bias = ensemble(columns[seen], data.take(seen), recipe, none)
        scores[unseen] = columns[unseen] @ coef.mean(0).T + bias.mean(0)
    found = []
    for k in range(len(STRATEGIES)):
        model = LogisticRegression(C=1e6).fit(scores[:, [k]], data.labels[:, k])
        found.append((model.coef_[0, 0], model.intercept_[0]))
    return np.array(found)


def reference(data: Annotations) -> list[str]:
    """REFERENCE of the quotes of two or more sentences, drawn by the seed."""
    several = [quote for quote in data.quotes if len(sentences.split(quote)) > 1]
    if len(several) < 2:
        raise MalformedData("No two quotes have two or more sentences, and 50 and 10 are measured on such.")
    drawn = np.random.default_rng(SEED).permutation(len(several))[:REFERENCE]
    return [several[i] for i in sorted(drawn)]


def on_canvas(heads: Heads, encoder: Encoder, data: Annotations) -> Heads:
    """With 50 and 10 measured on reference passages: quotes of two or more sentences."""
    from dataclasses import replace

    passages = [[normal.sentence(s.text) for s in sentences.split(quote)] for quote in reference(data)]
    scores = axis_scores(heads.log_odds(encoder.encode([s for p in passages for s in p])))
    ends = np.cumsum([len(p) for p in passages])[:-1]
    words = [np.array([len(s.split()) for s in p], float) for p in passages]
    raw = np.stack([soft_maximum(part, w).mean(0) for part, w in zip(np.split(scores, ends), words, strict=True)])
    return replace(heads, mean=raw.mean(0), sd=raw.std(0), card=heads.card | card(reference_passages=len(passages)))


def fit_encoded(encoder: Encoder, data: Annotations, recipe: Recipe, features: int) -> Heads:
    """`fit_heads` to what an encoder says of the quotes, and of those that do none of the seven."""
    columns = encoder.encode([normal.sentence(quote) for quote in data.quotes])
    return fit_heads(columns, data, recipe, features, encoder.encode(none_of_them()))


def train(
    encoder: Encoder,
    data: Annotations,
    recipe: Recipe,
    features: int,
    widen: float,
    about: dict[str, object],
    out: Path,
) -> Heads:
    """Fit the ensemble, measure the reference passages, write the weights file."""
    from dataclasses import replace

    one_sided = [name for name, marked in zip(STRATEGIES, data.labels.T, strict=True) if marked.min() == marked.max()]
    if one_sided:
        raise MalformedData(f"{one_sided[0]} is the strategy of no quote, or of all: there is nothing to tell it from.")
    heads = fit_encoded(encoder, data, recipe, features)
    described = card(
        **about,
        strategies=list(STRATEGIES),
        articles=len(np.unique(data.articles)),
        quotes=len(data.quotes),
        penalty=recipe.penalty,
        groups=recipe.groups,
        seed=SEED,
    )
    heads = on_canvas(replace(heads, card=described, widen=np.array([widen])), encoder, data)
    out.parent.mkdir(parents=True, exist_ok=True)
    heads.save(out)
    return heads
