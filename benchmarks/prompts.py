"""Prompt and plan designs compared: `python -m benchmarks.prompts run --design spliced --split test`, then `report`.

One line of JSON a press goes to data/bench/prompts/, so that a run can be stopped and taken up again. What chooses
among candidates is the placing scorer; what is reported is the independent one, which chooses nothing. The model writes
with the layer that ships; SPATIAL_TUNED=off tries it untuned.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.axes.scorer import BaseScorer, IndependentScorer, MiniLM
from app.axes.types import Placement
from app.llm import layers
from app.llm.local import LocalEngine
from app.llm.store import ModelStore
from app.settings import Settings
from app.text import facts
from app.writing.revise import Dropped, Finished, Landed, Reviser, Token, gain
from app.writing.strategies import Book, Label, load_book
from benchmarks.lines import read_lines

HERE = Path(__file__).parent
OUT = Settings().data_dir / "bench" / "prompts"
app = typer.Typer(help=__doc__)


def book(design: str) -> Book:
    """rewrite: the paragraph, rewritten to one instruction. sentence: one sentence, instruction only.
    examples: with two worked examples. spliced (chosen): examples, and a drawn prefill."""
    base = load_book()
    if design in ("spliced", "rewrite"):
        return base
    dropped: dict[str, Any] = {"prefills": ("",)} | ({"answers": ()} if design == "sentence" else {})
    labels = tuple(
        label.model_copy(update={"strategies": tuple(s.model_copy(update=dropped) for s in label.strategies)})
        for label in base.labels
    )
    return base.model_copy(update={"labels": labels})


def writer() -> LocalEngine:
    """With the layer that is in service by the settings."""
    settings = Settings()
    return LocalEngine(ModelStore(settings), tuned=layers.configured(settings))


def kept(design: str, split: str, tuned_id: str | None) -> Path:
    return OUT / f"{design}-{tuned_id or 'untuned'}-{split}.jsonl"


def paragraphs(split: str) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in (HERE / "paragraphs.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if row["split"] == split]


def move(a: Placement, b: Placement) -> tuple[float, float]:
    return round(b.engagement - a.engagement, 2), round(b.exposition - a.exposition, 2)


def press(reviser: Reviser, independent: IndependentScorer, label: Label, text: str, seed: int) -> dict[str, Any]:
    origin, own = reviser.scorer.score([text])[0], independent.score([text])[0]
    versions: dict[int, dict[str, Any]] = {}
    result: dict[str, Any] = {"dropped": []}
    start, first = time.perf_counter(), None
    for event in reviser.revise(label, text, seed=seed):
        match event:
            case Token() if first is None:
                first = time.perf_counter() - start
            case Dropped(reason=reason, text=answer):
                result["dropped"].append([reason, answer])
            case Landed(candidate=c):
                change = facts.compare(text, c.text)
                placed = independent.score([c.text])[0]
                kinds = ("numbers", "units", "names")
                versions[c.index] = {
                    "strategy": c.strategy,
                    "answer": c.answer,
                    "text": c.text,
                    "prefill": c.prompt.prefill,
                    "flags": c.flags,
                    "move": move(origin, c.placement),
                    "independent_move": move(own, placed),
                    "independent_gain": round(gain(placed, own, label), 2),
                    "kept": sum(len(getattr(change.kept, kind)) for kind in kinds),
                    "lost": sum(len(getattr(change.lost, kind)) for kind in kinds),
                }
            case Finished(order=order):
                result["order"] = order
    seconds = {"seconds": round(time.perf_counter() - start, 2), "first_word": round(first or 0, 2)}
    return result | seconds | {"versions": versions}


@app.command()
def run(
    design: Annotated[str, typer.Option(help="rewrite, sentence, examples or spliced")] = "spliced",
    split: Annotated[str, typer.Option(help="design or test")] = "design",
    labels: Annotated[str, typer.Option(help="ids, comma separated; all without")] = "",
    seeds: int = 1,
) -> None:
    """Press every label once a paragraph and write down what came."""
    store, engine = ModelStore(Settings()), writer()
    tuned_id = engine.info().tuned_id
    reviser = Reviser(
        engine,
        BaseScorer(store),
        MiniLM(store.minilm_folder()),
        full=design == "rewrite",
        book=book(design),
        tuned_id=tuned_id,
    )
    independent = IndependentScorer(store)
    OUT.mkdir(parents=True, exist_ok=True)
    path = kept(design, split, tuned_id)
    done = {(r["label"], r["paragraph"], r["seed"]) for r in read_lines(path)}
    wanted = [x for x in reviser.book.labels if x.group != "any" and (not labels or x.id in labels.split(","))]
    with path.open("a", encoding="utf-8") as file:
        for seed in range(seeds):
            for i, paragraph in enumerate(paragraphs(split)):
                for j, label in enumerate(wanted):
                    if (label.id, paragraph["id"], seed) in done:
                        continue
                    row = press(reviser, independent, label, paragraph["text"], 1000 * seed + 20 * i + j)
                    row |= {"label": label.id, "paragraph": paragraph["id"], "seed": seed}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()


EXAMPLE_WORDS = ("macrophage", "windbreak", "janitor", "plaster", "vacuum cleaner")


def audit(answer: str, parent: str) -> bool:
    """Degenerate by rules that the product's own filter does not use: a three-word run three times, letters of no
    alphabet in use, no end, or a subject of the worked examples."""
    words = answer.lower().split()
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    return (
        any(n > 2 + len(words) // 100 for n in trigrams.values())
        or not answer.isprintable()
        or not answer.rstrip("\"'”’)").endswith((".", "?", "!"))
        or any(word in answer.lower() and word not in parent.lower() for word in EXAMPLE_WORDS)
    )


def _share(hits: list[bool]) -> str:
    return f"{100 * sum(hits) / len(hits):.1f} %" if hits else "–"


def summary(rows: list[dict[str, Any]], texts: dict[str, str]) -> dict[str, str]:
    best = [r["versions"][str(r["order"][0])] for r in rows if r.get("order")]
    first = [r["versions"][min(r["versions"])] for r in rows if r["versions"]]
    shown = [(v, texts[r["paragraph"]]) for r in rows for v in r["versions"].values()]
    openings: dict[str, Counter[str]] = defaultdict(Counter)
    for r in rows:
        for v in r["versions"].values():
            openings[r["label"]][" ".join(v["answer"].lower().split()[:3])] += 1
    kept, lost = sum(v["kept"] for v, _ in shown), sum(v["lost"] for v, _ in shown)
    draws = len(shown) + sum(len(r["dropped"]) for r in rows)
    seconds = sorted(r["seconds"] for r in rows)
    empty = sum(not r["versions"] for r in rows)
    return {
        "presses": str(len(rows)),
        "presses without a version": str(empty),
        "drawn answers dropped": _share([i < draws - len(shown) for i in range(draws)]),
        "degenerate among shown (audit)": _share([audit(v["answer"], t) for v, t in shown]),
        "numbers, units, names kept": f"{100 * kept / max(1, kept + lost):.1f} %",
        "right direction, best of three (independent)": _share(
            [v["independent_gain"] > 0 for v in best] + [False] * empty
        ),
        "right direction, first (independent)": _share([v["independent_gain"] > 0 for v in first] + [False] * empty),
        "commonest opening of a label": _share_max(openings),
        "median seconds a press": f"{seconds[len(seconds) // 2]:.1f}",
    }


def _share_max(openings: dict[str, Counter[str]]) -> str:
    worst = max(((c.most_common(1)[0][1] / c.total(), k, c) for k, c in openings.items()), key=lambda x: x[:2])
    return f"{100 * worst[0]:.0f} % (“{worst[2].most_common(1)[0][0]}”, {worst[1]})"


@app.command()
def report(split: str = "design", by: Annotated[str, typer.Option(help="label, strategy or prefill")] = "") -> None:
    """The tables of docs/prompts.md, from what `run` wrote."""
    texts = {p["id"]: p["text"] for p in paragraphs(split)}
    for path in sorted(OUT.glob(f"*-{split}.jsonl")):
        rows = read_lines(path)
        typer.echo(f"\n### {path.stem}")
        for key, value in summary(rows, texts).items():
            typer.echo(f"| {key} | {value} |")
        if by == "label":
            typer.echo("| label | best | first | mean gain of best |")
            for label in dict.fromkeys(r["label"] for r in rows):
                part = [r for r in rows if r["label"] == label]
                s = summary(part, texts)
                best = [r["versions"][str(r["order"][0])]["independent_gain"] for r in part if r.get("order")]
                typer.echo(
                    f"| {label} | {s['right direction, best of three (independent)']} "
                    f"| {s['right direction, first (independent)']} | {sum(best) / max(1, len(best)):+.1f} |"
                )
        elif by:
            found: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for r in rows:
                for v in r["versions"].values():
                    found[r["label"] + " · " + " ".join(v[by].split()[:4])].append(v)
            for key, vs in sorted(found.items()):
                gains = [v["independent_gain"] for v in vs]
                wrong = sum("wrong-way" in v["flags"] for v in vs)
                typer.echo(
                    f"{key:60s} n={len(vs):3d} own right {1 - wrong / len(vs):.2f}  "
                    f"independent right {sum(g > 0 for g in gains) / len(gains):.2f} {sum(gains) / len(gains):+.1f}"
                )


if __name__ == "__main__":
    app()
