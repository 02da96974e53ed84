"""Draws of the default model on the corpus's training paragraphs, graded by reading, to tune it with.

    python -m benchmarks.drawn draw [--share 0/2]   # to data/bench/tuned/drawn-*.jsonl; goes on where it was
    python -m benchmarks.drawn sheets               # what a judge reads: data/bench/tuned/sheets/*.md
    python -m benchmarks.drawn grades               # the judges' *.jsonl beside them, to results/drawn.jsonl
    python -m benchmarks.drawn pairs --out FOLDER   # better against worse draws, and good answers: *.jsonl
    python -m benchmarks.drawn draw --checked --of NAME   # of a layer, on the topics kept apart; of none without
    python -m benchmarks.drawn screen NAME …        # a sheet of these with the untuned model's, shuffled
    python -m benchmarks.drawn screened             # mean grades, to results/graded-screen.json

A draw is what the editor would show when a label is pressed: prompt, prefill, sampling and guards are its own.
docs/tuned-model.md says how they were graded.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
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
from benchmarks.tuned import RESULTS, WORK

STRATEGIES_EACH, DRAWS = 8, 4
_AT_ONCE, _A_SHEET = 4, 80
SHEETS, GRADES = WORK / "sheets", RESULTS / "drawn.jsonl"


def asks(book: Book) -> Iterator[tuple[str, str, Ask, Parent]]:
    """id, topic and request: for each paragraph to train on eight strategies, with one of their openings each, that
    need neither a source nor the writer's words."""
    seen: set[str] = set()
    usable = [
        strategy
        for label in book.labels
        for strategy in label.strategies
        if strategy.small and not strategy.source and not strategy.takes_prompt
    ]
    for e in corpus.examples(book=book):
        if e.row.split != "train" or e.row.topic in seen:
            continue
        seen.add(e.row.topic)
        drawn = random.Random(e.row.topic)
        parent = Parent(e.row.paragraph)
        for strategy in drawn.sample(usable, STRATEGIES_EACH):
            opening = drawn.choice(strategy.prefills)
            yield (
                f"{e.row.topic}/{strategy.id}",
                e.row.topic,
                candidates.ask(book, strategy, parent, opening, full=False),
                parent,
            )


def _apart(topic: str) -> bool:
    """A fifth of the topics to train on is not trained on, but checked by."""
    return zlib.crc32(topic.encode()) % 5 == 0


def draw(given: argparse.Namespace) -> None:
    share, of = map(int, given.share.split("/"))
    kind = f"screen-{given.of or 'base'}" if given.checked else "drawn"
    path = WORK / f"{kind}-{share}-{of}.jsonl"
    WORK.mkdir(parents=True, exist_ok=True)
    done = {json.loads(line)["id"] for line in path.read_text().splitlines()} if path.exists() else set()
    every = [one for one in asks(load_book()) if _apart(one[1]) or not given.checked][share::of]
    # In the paragraphs' order, so that whatever is there when it is stopped holds all strategies.
    left = [(n, one) for n, one in enumerate(every) if one[0] not in done]
    engine = LocalEngine(ModelStore(Settings()), dtype="float32")
    tuned_id = engine.add(WORK / given.of) if given.of else None
    for start in range(0, len(left), _AT_ONCE):
        batch = left[start : start + _AT_ONCE]
        draws = [
            Draw(asked.prompt, draw_seed(n * of + share, 8 if given.checked else 7, turn), asked.sampling, tuned_id)
            for n, (_, _, asked, _) in batch
            for turn in range(given.draws)
        ]
        texts: list[str] = [""] * len(draws)
        finishes: list[Any] = [None] * len(draws)
        for chunk in engine.stream(draws, threading.Event()):
            texts[chunk.index] += chunk.text
            finishes[chunk.index] = chunk.finish
        with path.open("a") as file:
            for i, (_, (id, topic, asked, parent)) in enumerate(batch):
                answers = []
                for at in range(i * given.draws, (i + 1) * given.draws):
                    answer = candidates.tidy(texts[at])
                    answers.append([answer, candidates.degenerate(answer, asked, parent, finishes[at])])
                file.write(json.dumps({"id": id, "topic": topic, "strategy": asked.strategy.id,
                                       "prefill": asked.prompt.prefill, "answers": answers}) + "\n")  # fmt: skip
        print(start, len(left), flush=True)


def sheets(given: argparse.Namespace) -> None:
    """Eighty requests a sheet. Only answers that the editor would show, each once."""
    SHEETS.mkdir(exist_ok=True)
    known = {id: (asked, parent) for id, _, asked, parent in asks(load_book())}
    for path in sorted(WORK.glob("drawn-*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for start in range(0, len(lines), _A_SHEET):
            told = []
            for number, line in enumerate(lines[start : start + _A_SHEET], start + 1):
                asked, parent = known[line["id"]]
                answers = shown(line)
                told += [f"## {number}. {asked.strategy.name}: {asked.strategy.ask}", "", parent.text, ""]
                told += [f"{letter}. {answer}" for letter, answer in zip("abcd", answers, strict=False)] + [""]
            (SHEETS / f"{path.stem}-{start // _A_SHEET}.md").write_text("\n".join(told))


def shown(line: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(answer for answer, reason in line["answers"] if reason is None))


def _screened(names: Sequence[str]) -> dict[str, dict[str, list[str | None]]]:
    """By request and model: the answers, None for one that the editor would drop."""
    found: dict[str, dict[str, list[str | None]]] = {}
    for name in names:
        for path in sorted(WORK.glob(f"screen-{name}-?-?.jsonl")):
            for line in map(json.loads, path.read_text().splitlines()):
                kept = [answer if reason is None else None for answer, reason in line["answers"]]
                found.setdefault(line["id"], {})[name] = kept
    return found


def screen(given: argparse.Namespace) -> None:
    """Two answers of each model a request, in an order that only the key beside the sheets tells."""
    SHEETS.mkdir(exist_ok=True)
    known = {id: (asked, parent) for id, _, asked, parent in asks(load_book())}
    key: list[dict[str, Any]] = []
    told: list[str] = []
    for number, (id, by_model) in enumerate(sorted(_screened(["base", *given.names]).items()), 1):
        asked, parent = known[id]
        answers = sorted({answer for of in by_model.values() for answer in of[:2] if answer is not None})
        random.Random(id).shuffle(answers)
        key.append({"n": number, "id": id, "answers": answers, "models": {m: of[:2] for m, of in by_model.items()}})
        told.append(f"## {number}. {asked.strategy.name}: {asked.strategy.ask}\n\n{parent.text}\n")
        told[-1] += "".join(f"\n{letter}. {answer}" for letter, answer in zip("abcdefgh", answers, strict=False)) + "\n"
    (WORK / "screen-key.json").write_text(json.dumps(key))
    for start in range(0, len(told), _A_SHEET // 2):
        (SHEETS / f"screen-{start // (_A_SHEET // 2)}.md").write_text("\n".join(told[start : start + _A_SHEET // 2]))


def screened(given: argparse.Namespace) -> None:
    """Of each model: answers dropped, and the share of each grade among those shown."""
    judged: dict[int, str] = {}
    for sheet in SHEETS.glob("screen-*.jsonl"):
        judged |= {line["n"]: line["grades"] for line in map(json.loads, sheet.read_text().splitlines())}
    counts: dict[str, Counter[str]] = {}
    for one in json.loads((WORK / "screen-key.json").read_text()):
        grade = dict(zip(one["answers"], judged[one["n"]], strict=True))
        for model, answers in one["models"].items():
            counts.setdefault(model, Counter()).update("dropped" if a is None else grade[a] for a in answers)
    told = {model: dict(sorted(count.items())) for model, count in counts.items()}
    (RESULTS / "graded-screen.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def grades(given: argparse.Namespace) -> None:
    """One line a request: its shown answers with their grades, 0 to 3."""
    told = []
    for path in sorted(WORK.glob("drawn-*.jsonl")):
        judged: dict[int, str] = {}
        for sheet in SHEETS.glob(f"{path.stem}-*.jsonl"):
            judged |= {line["n"]: line["grades"] for line in map(json.loads, sheet.read_text().splitlines())}
        for number, line in enumerate(map(json.loads, path.read_text().splitlines()), 1):
            pairs = zip(shown(line), judged[number], strict=True)
            told.append({**line, "answers": [[answer, int(grade)] for answer, grade in pairs]})
    GRADES.write_text("".join(json.dumps(line) + "\n" for line in told))
    count = Counter(grade for line in told for _, grade in line["answers"])
    print(f"{len(told)} requests, {count.total()} answers; grades {dict(sorted(count.items()))}")


def pairs(given: argparse.Namespace) -> None:
    """`pairs`: each graded answer against those of its request that are worse; `good`: the answers graded 2 or 3, and
    the corpus's own."""
    _, tokenizer = load(ModelStore(Settings()).resolve("default").folder)
    book = load_book()
    requests = {id: asked for id, _, asked, _ in asks(book)}
    told: dict[str, list[dict[str, Any]]] = {}

    def add(kind: str, topic: str, raw: dict[str, Any]) -> None:
        split = "checked" if _apart(topic) else "train"
        told.setdefault(f"{kind}-{split}", []).append(raw)

    for line in map(json.loads, GRADES.read_text().splitlines()):
        prompt = requests[line["id"]].prompt
        raw = {"prompt_ids": prompt_ids(tokenizer, prompt), "end": False}
        after = [(answer[len(prompt.prefill.rstrip()) :], grade) for answer, grade in line["answers"]]
        for answer, grade in after:
            worse = [other for other, its in after if its < grade]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["draw", "sheets", "grades", "pairs", "screen", "screened"])
    parser.add_argument("--share", default="0/1", help="which of how many parts of the list")
    parser.add_argument("names", nargs="*", help="of runs, to screen")
    parser.add_argument("--checked", action="store_true", help="only the topics that are kept apart")
    parser.add_argument("--of", help="a run in data/bench/tuned, in place of the untuned model")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    globals()[given.part](given)


if __name__ == "__main__":
    main()
