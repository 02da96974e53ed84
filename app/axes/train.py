"""Fit the strategy heads on annotated quotes: `python -m app.axes.train --data FILE --out app/axes/weights`.

Data: one JSON object a line with `article`, `strategy` and `quote` (August et al., EMNLP 2020). A quote annotated with
several strategies is positive for each of them. Members of the ensemble differ in the articles they saw (a bootstrap
over articles, since quotes of one article are not independent).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
import numpy.typing as npt
import typer

from app.axes.heads import STRATEGIES, Array, Heads, axis_scores, soft_maximum
from app.text import sentences

MEMBERS = 8
SEED = 20261123
MIN_SD = 1e-6
"""Below it a feature is constant (MiniLM has one such dimension) and is left alone."""


class Encoder(Protocol):
    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Annotations:
    """`labels` has shape (quotes, 7), 0 or 1; `articles` names the article of each quote."""

    quotes: list[str]
    labels: npt.NDArray[np.int8]
    articles: npt.NDArray[np.str_]


def read(path: Path) -> Annotations:
    """Raises ValueError naming the line that can't be read."""
    found: dict[tuple[str, str], set[int]] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            key, strategy = (str(row["article"]), str(row["quote"])), STRATEGIES.index(row["strategy"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            message = f"{path.name}, line {number}: {error!r}; a line needs article, quote and one strategy of "
            raise ValueError(message + ", ".join(STRATEGIES)) from error
        found.setdefault(key, set()).add(strategy)
    labels = np.zeros((len(found), len(STRATEGIES)), np.int8)
    for i, strategies in enumerate(found.values()):
        labels[i, sorted(strategies)] = 1
    return Annotations([quote for _, quote in found], labels, np.array([article for article, _ in found]))


def fit(
    features: npt.NDArray[np.float32], data: Annotations, c: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """One member: coefficients (7, hidden) and intercepts (7,) on a bootstrap sample of the articles.

    Plain L2 logistic regression per strategy on standardised features, folded back into the raw feature space, its
    log-odds standardised over the sample.
    """
    from sklearn.linear_model import LogisticRegression

    names = np.unique(data.articles)
    times = dict(zip(*np.unique(rng.choice(names, len(names)), return_counts=True), strict=True))
    weight = np.array([times.get(article, 0) for article in data.articles], float)
    mean = np.average(features, axis=0, weights=weight)
    sd = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    sd[sd < MIN_SD] = 1.0
    x = (features - mean) / sd
    coef, bias = [], []
    for k in range(len(STRATEGIES)):
        model = LogisticRegression(C=c, max_iter=1000).fit(x, data.labels[:, k], sample_weight=weight)
        logits = model.decision_function(x)
        centre = np.average(logits, weights=weight)
        scale = np.sqrt(np.average((logits - centre) ** 2, weights=weight))
        w = model.coef_[0] / sd / scale
        coef.append(w)
        bias.append((model.intercept_[0] - centre) / scale - w @ mean)
    return np.array(coef), np.array(bias)


def train(encoder: Encoder, data: Annotations, c: float, card: dict[str, object], out: Path) -> None:
    """Fit the ensemble, measure the reference passages (quotes of two or more sentences), write the weights file."""
    features = encoder.encode(data.quotes)
    rng = np.random.default_rng(SEED)
    members = [fit(features, data, c, rng) for _ in range(MEMBERS)]
    coef, bias = np.stack([m[0] for m in members]), np.stack([m[1] for m in members])

    passages = [[s.text for s in sentences.split(quote)] for quote in data.quotes]
    passages = [p for p in passages if len(p) > 1]
    unit = Heads(coef, bias, np.zeros(2), np.ones(2), {}, "")
    scores = axis_scores(unit.log_odds(encoder.encode([s for p in passages for s in p])))
    ends = np.cumsum([len(p) for p in passages])[:-1]
    words = [np.array([len(s.split()) for s in p], float) for p in passages]
    raw = np.stack([soft_maximum(part, w).mean(0) for part, w in zip(np.split(scores, ends), words, strict=True)])
    card = card | {
        "strategies": list(STRATEGIES),
        "articles": len(np.unique(data.articles)),
        "quotes": len(data.quotes),
        "reference_passages": len(passages),
        "C": c,
        "seed": SEED,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    Heads.save(out, coef, bias, raw.mean(0), raw.std(0), card)


def main(
    data: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Annotated quotes, JSONL.")],
    out: Annotated[Path, typer.Option(help="Folder for base.safetensors and minilm.safetensors.")],
) -> None:
    """Fit the placing heads (base model) and the independent heads (MiniLM), about 15 minutes on 2 cores."""
    from app.axes.scorer import BLOCK, MiniLM, base_encoder
    from app.llm.store import DEFAULT_SHA256, MINILM_SHA256, ModelStore
    from app.settings import Settings

    annotations = read(data)
    store = ModelStore(Settings())
    card = {"encoder_sha256": DEFAULT_SHA256, "block": BLOCK}
    train(base_encoder(store), annotations, 1e-3, card, out / "base.safetensors")
    train(
        MiniLM(store.minilm_folder()), annotations, 1e-2, {"encoder_sha256": MINILM_SHA256}, out / "minilm.safetensors"
    )


if __name__ == "__main__":
    typer.run(main)
