"""Draws of the default model on the corpus's training paragraphs, graded by reading, to tune it with.

    python -m benchmarks.drawn draw [--share 0/2]   # to data/bench/tuned/drawn-*.jsonl; goes on where it was
    python -m benchmarks.drawn sheets               # what a judge reads: data/bench/tuned/sheets/*.md
    python -m benchmarks.drawn grades               # the judges' *.jsonl beside them, to results/drawn.jsonl
    python -m benchmarks.drawn pairs --out FOLDER   # what benchmarks.graded learns: pairs-*.jsonl, good-*.jsonl
    python -m benchmarks.drawn check [--of NAME]    # draws on the topics kept apart, of a run's layer or of none
    python -m benchmarks.drawn screen NAME …        # sheets of these, of all models, shuffled
    python -m benchmarks.drawn screened             # counts of grades by model, to results/graded-screen.json

A draw is what the editor would show when a label is pressed: prompt, prefill, sampling and guards are its own. A line
of drawn-*.jsonl is a request: `id`, `topic`, `strategy`, `prefill`, and `answers`, each with the reason for which the
editor would drop it, or null. A judge writes a line an item: `n`, its number, and `grades`, a digit from 0 to 3 an
answer. docs/tuned-model.md says how they were graded.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from app.learn import corpus
from app.llm.local import LocalEngine, prompt_ids
from app.llm.store import ModelStore
from app.llm.types import Draw
from app.settings import Settings
from app.writing import candidates
from app.writing.candidates import Ask, Parent
from app.writing.revise import draw_seed
from app.writing.strategies import Book, load_book
from app.zo.loading import load
from benchmarks.lines import append_line, read_lines
from benchmarks.reading import alone
from benchmarks.tuning import RESULTS, WORK, after, kept_apart, written

STRATEGIES_EACH, DRAWS, CHECKS = 8, 4, 2
ONE_IN = 5
"""One in so many of the topics to train on is kept apart, to check by."""
_AT_ONCE, _A_SHEET = 4, 80
_LEARNT, _CHECKED = 7, 8
"""Keep the seeds of the draws to learn from and of those to check by apart."""
SHEETS, GRADES = WORK / "sheets", RESULTS / "drawn.jsonl"


def asks(book: Book) -> Iterator[tuple[str, str, Ask, Parent]]:
    """id, topic and request: for each paragraph to train on eight strategies, with one of their openings each."""
    seen: set[str] = set()
    usable = [strategy for _, strategy in alone(book)]
    for e in corpus.examples(book=book):
        if e.row.split != "train" or e.row.topic in seen:
            continue
        seen.add(e.row.topic)
        chosen = random.Random(e.row.topic)
        parent = Parent(e.row.paragraph)
        for strategy in chosen.sample(usable, STRATEGIES_EACH):
            opening = chosen.choice(strategy.prefills)
            asked = candidates.ask(book, strategy, parent, opening, full=False)
            yield f"{e.row.topic}/{strategy.id}", e.row.topic, asked, parent


def draw(given: argparse.Namespace) -> None:
    _draw(given.share, "drawn", list(asks(load_book())), DRAWS, _LEARNT)


def check(given: argparse.Namespace) -> None:
    apart = [one for one in asks(load_book()) if kept_apart(one[1], ONE_IN)]
    _draw(given.share, f"screen-{given.of or 'base'}", apart, CHECKS, _CHECKED, given.of)


def _draw(
    part: str, name: str, every: Sequence[tuple[str, str, Ask, Parent]], count: int, kind: int, layer: str | None = None
) -> None:
    share, of = map(int, part.split("/"))
    path = WORK / f"{name}-{share}-{of}.jsonl"
    WORK.mkdir(parents=True, exist_ok=True)
    done = {line["id"] for line in read_lines(path)}
    left = [(n, one) for n, one in enumerate(every[share::of]) if one[0] not in done]
    engine = LocalEngine(ModelStore(Settings()), dtype="float32")
    tuned_id = engine.add(WORK / layer) if layer else None
    for start in range(0, len(left), _AT_ONCE):
        batch = left[start : start + _AT_ONCE]
        draws = [
            Draw(asked.prompt, draw_seed(n * of + share, kind, turn), asked.sampling, tuned_id)
            for n, (_, _, asked, _) in batch
            for turn in range(count)
        ]
        texts = written(engine, draws)
        for i, (_, (id, topic, asked, parent)) in enumerate(batch):
            answers = [
                [answer, candidates.degenerate(answer, asked, parent, finish)]
                for answer, finish in texts[i * count : (i + 1) * count]
            ]
            append_line(path, {"id": id, "topic": topic, "strategy": asked.strategy.id,
                               "prefill": asked.prompt.prefill, "answers": answers})  # fmt: skip
        print(start, len(left), flush=True)


def _item(number: int, asked: Ask, parent: Parent, answers: Sequence[str]) -> str:
    head = f"## {number}. {asked.strategy.name}: {asked.strategy.ask}\n\n{parent.text}\n\n"
    return head + "".join(f"{ascii_lowercase[i]}. {answer}\n" for i, answer in enumerate(answers))


def sheets(given: argparse.Namespace) -> None:
    """Eighty requests a sheet. Only answers that the editor would show, each once."""
    SHEETS.mkdir(exist_ok=True)
    known = {id: (asked, parent) for id, _, asked, parent in asks(load_book())}
    for path in sorted(WORK.glob("drawn-*.jsonl")):
        items = [_item(n, *known[line["id"]], _shown(line)) for n, line in enumerate(read_lines(path), 1)]
        for start in range(0, len(items), _A_SHEET):
            (SHEETS / f"{path.stem}-{start // _A_SHEET}.md").write_text("\n".join(items[start : start + _A_SHEET]))


def _shown(line: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(answer for answer, reason in line["answers"] if reason is None))


def _judged(stem: str) -> dict[int, str]:
    lines = [line for sheet in SHEETS.glob(f"{stem}-*.jsonl") for line in read_lines(sheet)]
    return {line["n"]: line["grades"] for line in lines}


def grades(given: argparse.Namespace) -> None:
    """One line a request: its shown answers with their grades, 0 to 3."""
    told = []
    for path in sorted(WORK.glob("drawn-*.jsonl")):
        judged = _judged(path.stem)
        for number, line in enumerate(read_lines(path), 1):
            pairs = zip(_shown(line), judged[number], strict=True)
            told.append({**line, "answers": [[answer, int(grade)] for answer, grade in pairs]})
    GRADES.write_text("".join(json.dumps(line) + "\n" for line in told))
    count = Counter(grade for line in told for _, grade in line["answers"])
    print(f"{len(told)} requests, {count.total()} answers; grades {dict(sorted(count.items()))}")


def pairs(given: argparse.Namespace) -> None:
    """`pairs`: each graded answer against those of its request that are worse; `good`: the answers graded 2 or 3, and
    the corpus's own. Each in two files, `train` and `checked`, as app/zo/objective.py reads them."""
    _, tokenizer = load(ModelStore(Settings()).resolve("default").folder)
    book = load_book()
    requests = {id: asked for id, _, asked, _ in asks(book)}
    told: dict[str, list[dict[str, Any]]] = {}

    def add(kind: str, topic: str, raw: dict[str, Any]) -> None:
        told.setdefault(f"{kind}-{'checked' if kept_apart(topic, ONE_IN) else 'train'}", []).append(raw)

    for line in read_lines(GRADES):
        prompt = requests[line["id"]].prompt
        raw = {"prompt_ids": prompt_ids(tokenizer, prompt), "end": False}
        graded = [(after(prompt, answer), grade) for answer, grade in line["answers"]]
        for answer, grade in graded:
            worse = [other for other, its in graded if its < grade]
            if worse:
                add("pairs", line["topic"], {**raw, "chosen": answer, "rejected": worse})
            if grade >= 2:
                add("good", line["topic"], {**raw, "response": answer})
    for e in corpus.examples(book=book):
        if e.row.split == "train":
            raw = {"prompt_ids": prompt_ids(tokenizer, e.prompt), "end": False}
            add("good", e.row.topic, {**raw, "response": e.completion})
    given.out.mkdir(parents=True, exist_ok=True)
    for name, raws in told.items():
        (given.out / f"{name}.jsonl").write_text("".join(json.dumps(raw) + "\n" for raw in raws))
        print(name, len(raws))


def screen(given: argparse.Namespace) -> None:
    """What `check` drew of the untuned model and of runs, in an order that only the key beside the sheets tells."""
    SHEETS.mkdir(exist_ok=True)
    known = {id: (asked, parent) for id, _, asked, parent in asks(load_book())}
    by_request: dict[str, dict[str, list[str | None]]] = {}
    for model in ("base", *given.names):
        for path in sorted(WORK.glob(f"screen-{model}-?-?.jsonl")):
            for line in read_lines(path):
                kept = [answer if reason is None else None for answer, reason in line["answers"]]
                by_request.setdefault(line["id"], {})[model] = kept
    key, told = [], []
    for number, (id, by_model) in enumerate(sorted(by_request.items()), 1):
        answers = sorted({answer for of in by_model.values() for answer in of if answer is not None})
        random.Random(id).shuffle(answers)
        key.append({"n": number, "id": id, "answers": answers, "models": by_model})
        told.append(_item(number, *known[id], answers))
    (WORK / "screen-key.json").write_text(json.dumps(key))
    for start in range(0, len(told), _A_SHEET // 2):
        (SHEETS / f"screen-{start // (_A_SHEET // 2)}.md").write_text("\n".join(told[start : start + _A_SHEET // 2]))


def screened(given: argparse.Namespace) -> None:
    """For each model how many answers were dropped, and how many of those shown got which grade."""
    judged = _judged("screen")
    counts: dict[str, Counter[str]] = {}
    for one in json.loads((WORK / "screen-key.json").read_text()):
        grade = dict(zip(one["answers"], judged[one["n"]], strict=True))
        for model, answers in one["models"].items():
            counts.setdefault(model, Counter()).update("dropped" if a is None else grade[a] for a in answers)
    told = {model: dict(sorted(count.items())) for model, count in counts.items()}
    (RESULTS / "graded-screen.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for part in (draw, sheets, grades, pairs, check, screen, screened):
        one = parts.add_parser(part.__name__)
        one.set_defaults(run=part)
        if part in (draw, check):
            one.add_argument("--share", default="0/1", help="which of how many parts of the list")
        if part is check:
            one.add_argument("--of", help="a run's name; the untuned model without")
        if part is screen:
            one.add_argument("names", nargs="+", help="of runs")
        if part is pairs:
            one.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
