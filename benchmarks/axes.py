"""How well the heads tell strategies apart on unseen articles: `python -m benchmarks.axes --data annotations.jsonl`.

Four folds by article, identical quotes grouped and multi-label. Sentence vectors are kept in data/bench/: they take
minutes. The correlation of the axes and the median spread are over the reference passages, with the shipped heads.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from app.axes.heads import STRATEGIES
from app.axes.scorer import BaseScorer, Encoder, HeadScorer, IndependentScorer, MiniLM, base_encoder
from app.axes.train import MEMBERS, Annotations, fit, read
from app.llm.store import ModelStore
from app.settings import Settings
from app.text import sentences
from benchmarks.machine import machine


def vectors(encoder: Encoder, name: str, texts: list[str]) -> npt.NDArray[np.float32]:
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    path = Settings().data_dir / "bench" / f"{name}-{digest}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, encoder.encode(texts))
    kept: npt.NDArray[np.float32] = np.load(path)
    return kept


def cross_validated(x: npt.NDArray[np.float32], data: Annotations, c: float) -> dict[str, float]:
    folds = GroupKFold(4, shuffle=True, random_state=0).split(x, groups=data.articles)
    aucs = []
    for seen, unseen in folds:
        part = Annotations([data.quotes[i] for i in seen], data.labels[seen], data.articles[seen])
        rng = np.random.default_rng(0)
        members = [fit(x[seen], part, c, rng) for _ in range(MEMBERS)]
        scores = np.mean([x[unseen] @ coef.T + bias for coef, bias in members], axis=0)
        aucs.append([roc_auc_score(data.labels[unseen, k], scores[:, k]) for k in range(len(STRATEGIES))])
    mean = np.mean(aucs, axis=0)
    found = {name: round(float(a), 3) for name, a in zip(STRATEGIES, mean, strict=True)}
    return found | {"macro": round(float(mean.mean()), 3)}


def points(scorer: HeadScorer, passages: list[str]) -> npt.NDArray[np.float64]:
    return np.array([[p.exposition, p.engagement, p.spread] for p in scorer.score(passages)])


def main(data: Annotated[Path, typer.Option(exists=True, dir_okay=False)], passages: int = 400) -> None:
    annotations = read(data)
    store = ModelStore(Settings())
    report: dict[str, Any] = dict(machine())
    base, minilm = BaseScorer(store), IndependentScorer(store)
    for name, encoder, c in (("base", base_encoder(store), 1e-3), ("independent", MiniLM(store.minilm_folder()), 1e-2)):
        report[name] = cross_validated(vectors(encoder, name, annotations.quotes), annotations, c)
    several = [q for q in annotations.quotes if len(sentences.split(q)) > 1]
    chosen = np.random.default_rng(0).choice(np.array(several, object), min(passages, len(several)), replace=False)
    ours, theirs = points(base, list(chosen)), points(minilm, list(chosen))
    report["reference"] = {
        "passages": len(chosen),
        "axes_correlation": round(float(np.corrcoef(ours[:, 0], ours[:, 1])[0, 1]), 2),
        "median_spread": round(float(np.median(ours[:, 2])), 1),
        "scorers_agree_exposition": round(float(np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1]), 2),
        "scorers_agree_engagement": round(float(np.corrcoef(ours[:, 1], theirs[:, 1])[0, 1]), 2),
    }
    typer.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    typer.run(main)
