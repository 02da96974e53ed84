"""How far each label moves a paragraph: `python -m benchmarks.moves collect`, then `measure`.

`collect` keeps the versions that `python -m benchmarks.prompts run --design spliced --split test` made, in
benchmarks/moves.jsonl: every version that was shown, not the best of a press, which the scorer chose. `measure` places
them and their paragraphs by the scorer in use and writes app/writing/moves.json, which *Why here?* falls back on. It
takes a minute or two, and has to be run after every change of the scorer's weights, and both after every change of the
layer that ships.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from app.axes.scorer import BaseScorer
from app.llm.store import ModelStore
from app.settings import Settings
from app.writing.why import MOVES
from benchmarks.lines import read_lines
from benchmarks.machine import machine
from benchmarks.prompts import kept, move, paragraphs, writer

KEPT = Path(__file__).with_name("moves.jsonl")
app = typer.Typer(help=__doc__)


@app.command()
def collect(design: str = "spliced", split: str = "test") -> None:
    """Keep the texts of a run of benchmarks.prompts."""
    tuned_id = writer().info().tuned_id
    known = {"split": split, "tuned_id": tuned_id}
    rows = [
        {"label": run["label"], "paragraph": run["paragraph"], "text": version["text"], **known}
        for run in read_lines(kept(design, split, tuned_id))
        for version in run["versions"].values()
    ]
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
    KEPT.write_text("\n".join(lines) + "\n", "utf-8")
    typer.echo(f"{len(rows)} versions are in {KEPT.name}.")


@app.command()
def measure() -> None:
    """Place them, and write the table."""
    scorer = BaseScorer(ModelStore(Settings()))
    parents = {row["id"]: row["text"] for split in ("design", "test") for row in paragraphs(split)}
    rows = read_lines(KEPT)
    texts = list(dict.fromkeys([*parents.values(), *(row["text"] for row in rows)]))
    placed = dict(zip(texts, scorer.score(texts), strict=True))
    ways: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        ways[row["label"]].append(move(placed[parents[row["paragraph"]]], placed[row["text"]]))
    labels: dict[str, Any] = {}
    typer.echo("| label | versions | engagement | exposition |\n|---|---|---|---|")
    for label, moves in sorted(ways.items()):
        (x, dx), (y, dy) = ((statistics.mean(side), statistics.stdev(side)) for side in zip(*moves, strict=True))
        labels[label] = {"engagement": round(x, 1), "exposition": round(y, 1), "n": len(moves)}
        typer.echo(f"| {label} | {len(moves)} | {x:+.1f} ± {dx:.1f} | {y:+.1f} ± {dy:.1f} |")
    (tuned_id,) = {row["tuned_id"] for row in rows}
    table = {
        "scorer_id": scorer.scorer_id,
        "tuned_id": tuned_id,
        "made": {"command": "python -m benchmarks.moves measure", "date": f"{datetime.now(UTC):%Y-%m-%d}", **machine()},
        "labels": labels,
    }
    MOVES.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    app()
