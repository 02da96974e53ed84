"""What a cheaper pass would cost in accuracy: `python -m benchmarks.axes_cost --data annotations.jsonl`.

Fewer blocks, and linear layers in int8 (torch's dynamic quantisation), against the scorer's blocks in fp32. Area under
the ROC curve on quotes of a fifth of the articles that are not held out for docs/axes.md, by heads fitted to the other
four fifths; those heads read int8 vectors as they are. Time of one pass over some 120 words, in turns.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from sklearn.model_selection import GroupKFold

from app.axes import features, normal
from app.axes.encoder import POOLS, SentenceEncoder
from app.axes.evaluate import auc
from app.axes.heads import STRATEGIES, Array
from app.axes.kept import Kept
from app.axes.scorer import BLOCKS, WithFeatures
from app.axes.shipped import BASE, HIDDEN
from app.axes.train import SEED, Annotations, Columns, Recipe, ensemble, none_of_them, read
from app.llm.store import DEFAULT_SHA256, ModelStore
from app.settings import Settings
from benchmarks.axes import KEPT, split
from benchmarks.machine import machine
from benchmarks.scoring import ROUNDS, texts

DEPTHS = (8, 11, 14, 17, 19)
"""Last block of the pass, 0-based; one pass to the last gives the vectors of all."""
QUOTES = 400
"""Drawn from the tested articles, as int8 vectors can't be kept from elsewhere."""


def main(data: Annotated[Path, typer.Option(exists=True, dir_okay=False)]) -> None:
    seen, tested = _parts(split(read(data))[0])
    folder = ModelStore(Settings()).default_folder()
    width = HIDDEN * POOLS
    name = f"base-{DEFAULT_SHA256[:8]}-{'-'.join(map(str, DEPTHS))}"
    encoder = WithFeatures(Kept(SentenceEncoder(folder, DEPTHS), width * len(DEPTHS), KEPT / name))
    columns, unseen, none = (
        encoder.encode([normal.sentence(text) for text in quotes])
        for quotes in (seen.quotes, tested.quotes, none_of_them())
    )
    found: list[dict[str, Any]] = []
    for blocks in [*((depth,) for depth in DEPTHS), BLOCKS]:
        chosen = _columns(blocks, width)
        heads = ensemble(columns[:, chosen], seen, _recipe(blocks), none[:, chosen])
        found.append({"blocks": blocks, "dtype": "fp32"} | _aucs(heads, unseen[:, chosen], tested))
    small = WithFeatures(_int8(folder))
    found.append({"blocks": BLOCKS, "dtype": "int8"} | _aucs(heads, small.encode(_sentences(tested)), tested))
    timed = {str(row["blocks"][-1]): SentenceEncoder(folder, row["blocks"]) for row in found[:-1]}
    times = _times({key: e.encode for key, e in timed.items()} | {"int8": small.inner.encode})
    for row in found:
        row["pass_ms"] = times["int8" if row["dtype"] == "int8" else str(row["blocks"][-1])]
    typer.echo(json.dumps(machine() | {"quotes": len(tested.quotes), "passes": found}, indent=2))


def _parts(data: Annotations) -> tuple[Annotations, Annotations]:
    """(four fifths of the articles, QUOTES quotes of the last fifth)."""
    rows, others = next(GroupKFold(5, shuffle=True, random_state=SEED).split(data.labels, groups=data.articles))
    drawn = np.random.default_rng(SEED).permutation(others)[:QUOTES]
    return data.take(rows), data.take(np.sort(drawn))


def _sentences(data: Annotations) -> list[str]:
    return [normal.sentence(quote) for quote in data.quotes]


def _columns(blocks: tuple[int, ...], width: int) -> list[int]:
    parts = [range(DEPTHS.index(b) * width, (DEPTHS.index(b) + 1) * width) for b in blocks]
    seen = len(DEPTHS) * width
    return [c for part in parts for c in part] + list(range(seen, seen + len(features.NAMES)))


def _recipe(blocks: tuple[int, ...]) -> Recipe:
    """The shipped one, as strong in proportion to what there is."""
    part = len(blocks) / len(BLOCKS)
    groups = [(HIDDEN, 1.0)] * (POOLS * len(blocks)) + [(len(features.NAMES), BASE.groups[-1][1] * part)]
    return Recipe(tuple(groups), BASE.penalty * part)


def _int8(folder: Path) -> SentenceEncoder:
    import torch

    encoder = SentenceEncoder(folder, BLOCKS)
    encoder.load()
    encoder._model = torch.ao.quantization.quantize_dynamic(encoder._model, {torch.nn.Linear}, dtype=torch.qint8)  # type: ignore[no-untyped-call]
    return encoder


def _aucs(heads: tuple[Array, Array], columns: Columns, data: Annotations) -> dict[str, Any]:
    scores = columns @ heads[0].mean(0).T + heads[1].mean(0)
    each = {name: round(auc(scores[:, k], data.labels[:, k]), 4) for k, name in enumerate(STRATEGIES)}
    return {"macro_auc": round(float(np.mean(list(each.values()))), 4), "auc": each}


def _times(passes: Mapping[str, Callable[[list[str]], Columns]]) -> dict[str, float]:
    """Median milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in passes}
    for text in texts()[:ROUNDS]:
        for name, run in passes.items():
            began = time.perf_counter()
            run([text])
            found[name].append(1000 * (time.perf_counter() - began))
    return {name: round(statistics.median(taken[1:]), 1) for name, taken in found.items()}


if __name__ == "__main__":
    typer.run(main)
