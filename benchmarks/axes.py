"""What docs/axes.md states of the axes: `python -m benchmarks.axes --data annotations.jsonl`.

Held-out articles (a fifth, drawn by a seed) are scored by heads fitted on the others with the shipped recipe; pairs,
twins and reference passages by the shipped heads. Sentence vectors are kept in data/bench/: they take minutes, and
`spatialbalancing axes train --keep data/bench` leaves them there. With
`--figures DIR` the Plotly figures are drawn too, by headless Chromium.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from app.axes import features, normal, shipped
from app.axes.evaluate import evaluate
from app.axes.heads import Array
from app.axes.scorer import BaseScorer, Encoder, HeadScorer, IndependentScorer
from app.axes.train import Annotations, Recipe, fit_encoded, read, reference
from app.axes.types import Placement, Unplaceable
from app.llm.store import ModelStore
from app.settings import Settings
from benchmarks.machine import machine

SPLIT_SEED = 20261126
HELD_OUT = 48
"""Of 242 articles. No choice of blocks, features or penalty looked at them."""
VISIBLE = 1.0
"""Points: a text is raised when it moves further up than this, a tenth of a standard deviation."""
HERE = Path(__file__).parent
KEPT = Settings().data_dir / "bench"


def split(data: Annotations) -> tuple[Annotations, Annotations]:
    """(the others, the held-out articles)."""
    drawn = np.random.default_rng(SPLIT_SEED).permutation(np.unique(data.articles))[:HELD_OUT]
    held = np.isin(data.articles, drawn)
    return data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def held_out(
    encoder: Encoder, data: Annotations, recipe: Recipe, columns: int
) -> tuple[dict[str, Any], Array, Annotations]:
    """The evaluation, the probabilities it is of, and their quotes; `columns` are the readable features'."""
    seen, unseen = split(data)
    heads = fit_encoded(encoder, seen, recipe, columns)
    vectors = encoder.encode([normal.sentence(q) for q in unseen.quotes])
    probabilities = heads.probabilities(heads.log_odds(vectors))
    return evaluate(probabilities, unseen), probabilities, unseen


def points(placements: list[Placement]) -> npt.NDArray[np.float64]:
    return np.array([[p.exposition, p.engagement, p.spread] for p in placements])


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()]


def directions(scorer: HeadScorer, part: str) -> dict[str, Any]:
    """By kind of pair: how many there are, the share that goes the expected way, the median move in points."""
    chosen = [row for row in rows("pairs") if row["split"] == part]
    moves = points(scorer.score([r["after"] for r in chosen])) - points(scorer.score([r["before"] for r in chosen]))
    right: dict[str, list[bool]] = {}
    size: dict[str, list[float]] = {}
    for row, (exposition, engagement, _) in zip(chosen, moves, strict=True):
        move = {"exposition": exposition, "engagement": engagement, "both": max(exposition, engagement)}[row["axis"]]
        right.setdefault(row["kind"], []).append(move > 0 if row["expect"] == "up" else move <= VISIBLE)
        size.setdefault(row["kind"], []).append(move)
    by_kind = {
        kind: {
            "n": len(found),
            "right": round(float(np.mean(found)), 3),
            "median_move": round(float(np.median(size[kind])), 1),
        }
        for kind, found in right.items()
    }
    return by_kind | {
        "all": {"n": len(chosen), "right": round(float(np.mean([r for f in right.values() for r in f])), 3)}
    }


REWRITINGS: dict[str, Callable[[str], str]] = {
    "whitespace": lambda text: "  " + text.replace(". ", ".\n").replace(", ", ",  "),
    "quotes": lambda text: text.replace("“", '"').replace("”", '"').replace("’", "'").replace("‘", "'"),
    "capitals": str.upper,
    "no capitals": str.lower,
}


def invariance(scorer: HeadScorer) -> dict[str, Any]:
    """Of the re-worded twins, and of the same texts in other whitespace, quotes and case: `_within`."""
    twins = rows("twins")
    texts = [row["text"] for row in twins]
    found = {"re-worded": _within(scorer, texts, [row["twin"] for row in twins])}
    for name, rewritten in REWRITINGS.items():
        found[name] = _within(scorer, texts, [rewritten(text) for text in texts])
    return found


def _within(scorer: HeadScorer, texts: list[str], others: list[str]) -> dict[str, float]:
    """Share of moves along an axis that stay within the text's spread, and of texts that do on both axes; medians."""
    before, after = points(scorer.score(texts)), points(scorer.score(others))
    moved = np.abs(after - before)[:, :2]
    return {
        "within_spread": round(float((moved <= before[:, 2:]).mean()), 3),
        "both_axes_within": round(float((moved <= before[:, 2:]).all(1).mean()), 3),
        "median_move": round(float(np.median(moved)), 1),
        "median_spread": round(float(np.median(before[:, 2])), 1),
    }


def on_reference(base: HeadScorer, independent: HeadScorer, data: Annotations) -> dict[str, Any]:
    """The passages that 50 and 10 are measured on; both scorers were trained on them."""
    chosen = reference(data)
    ours, theirs = points(base.score(chosen)), points(independent.score(chosen))
    return {
        "passages": len(chosen),
        "axes_correlation": round(float(np.corrcoef(ours[:, 0], ours[:, 1])[0, 1]), 2),
        "median_spread": round(float(np.median(ours[:, 2])), 1),
        "scorers_agree_exposition": round(float(np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1]), 2),
        "scorers_agree_engagement": round(float(np.corrcoef(ours[:, 1], theirs[:, 1])[0, 1]), 2),
    }


def odd(scorer: HeadScorer) -> dict[str, str]:
    """By text: its spread, or why it can't be placed."""
    found = {}
    for row in rows("odd"):
        try:
            found[row["id"]] = f"spread {scorer.score([row['text']])[0].spread}"
        except Unplaceable as error:
            found[row["id"]] = str(error)
    return found


def corners(scorer: HeadScorer) -> dict[str, Any]:
    """Median exposition and engagement of passages written for a corner of the canvas."""
    found: dict[str, list[str]] = {}
    for row in rows("passages"):
        found.setdefault(row["corner"], []).append(row["text"])
    return {name: _median(scorer, texts) for name, texts in found.items()}


def medical(scorer: HeadScorer, path: Path, n: int) -> dict[str, Any]:
    """Abstracts against plain-language summaries of the same reviews: medians, and the share that moves up."""
    pairs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    drawn = np.random.default_rng(0).permutation(len(pairs))[:n]
    one, other = (points(scorer.score([pairs[i][key] for i in drawn])) for key in ("abstract", "plain"))
    up = (other > one)[:, :2].mean(0)
    return {
        "n": len(drawn),
        "abstract": [round(float(x), 1) for x in np.median(one, 0)[:2]],
        "plain": [round(float(x), 1) for x in np.median(other, 0)[:2]],
        "plain_higher": {"exposition": round(float(up[0]), 2), "engagement": round(float(up[1]), 2)},
    }


def _median(scorer: HeadScorer, texts: list[str]) -> dict[str, float]:
    exposition, engagement, _ = np.median(points(scorer.score(texts)), 0)
    return {"n": len(texts), "exposition": round(float(exposition), 1), "engagement": round(float(engagement), 1)}


def main(
    data: Annotated[Path, typer.Option(exists=True, dir_okay=False)],
    plain: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="medical_plain_language pairs.")
    ] = None,
    plain_pairs: int = 40,
    unseen: Annotated[bool, typer.Option("--unseen", help="Look at the unseen pairs too.")] = False,
    figures: Annotated[Path | None, typer.Option(file_okay=False, help="A folder for the figures.")] = None,
) -> None:
    annotations = read(data)
    store = ModelStore(Settings())
    encoder, minilm = shipped.kept_base(store, KEPT), shipped.kept_minilm(store, KEPT)
    base, independent = BaseScorer(store, encoder=encoder), IndependentScorer(store, encoder=minilm)

    # In one piece, as `axes train` does, so that both have the same passes and take up the same vectors.
    for kept in (encoder, minilm):
        kept.encode([normal.sentence(quote) for quote in annotations.quotes])
    measured, probabilities, quotes = held_out(encoder, annotations, shipped.BASE, len(features.NAMES))
    report: dict[str, Any] = machine() | {
        "held_out": measured,
        "held_out_independent": held_out(minilm, annotations, shipped.INDEPENDENT, 0)[0]["auc"],
        "pairs": directions(base, "dev"),
        "invariance": invariance(base),
        "corners": corners(base),
        "reference": on_reference(base, independent, annotations),
        "odd": odd(base),
    }
    if unseen:
        report |= {"pairs_unseen": directions(base, "unseen"), "pairs_unseen_2": directions(base, "unseen-2")}
    if plain:
        report["plain_language"] = medical(base, plain, plain_pairs)
    typer.echo(json.dumps(report, indent=2))
    if figures:
        from benchmarks import axes_figures

        axes_figures.draw(report, probabilities, quotes, figures)


if __name__ == "__main__":
    typer.run(main)
