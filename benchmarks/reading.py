"""What a tuned layer writes against the untuned model: counted by programs, and read blindly (docs/tuned-model.md).

    python -m benchmarks.reading answers --of NAME     # what base and tuned write, to results/tuned-answers.jsonl
    python -m benchmarks.reading measure --of NAME     # counted by programs, to results/tuned-measured-NAME.json
    python -m benchmarks.reading sheet --of NAME       # for the judge, shuffled; the key beside it stays closed
    python -m benchmarks.reading verdict --of NAME     # with results/tuned-judgements-NAME.json
    (with --again: a second reading, of other pairs; its files' names end in NAME-again)

NAME is a run of benchmarks/tuning.py or benchmarks/graded.py, its layer in data/bench/tuned/NAME. `answers` can be
stopped and taken up again. `python -m app zo replay default benchmarks/results/layers/NAME --out data/bench/tuned/NAME`
makes the two layers that were read and do not ship again from their seed logs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean
from typing import Any

from scipy.stats import binomtest

from app.axes.scorer import IndependentScorer, MiniLM
from app.learn import corpus
from app.llm.local import LocalEngine
from app.llm.store import ModelStore
from app.llm.types import Draw
from app.settings import Settings
from app.text import facts
from app.writing import candidates
from app.writing.candidates import Ask, Parent
from app.writing.revise import ROUNDS, draw_seed, gain
from app.writing.strategies import Book, Label, Strategy, load_book
from benchmarks.graded import RUNS as GRADED
from benchmarks.lines import append_line, read_lines
from benchmarks.machine import machine
from benchmarks.prompts import audit, paragraphs
from benchmarks.tuning import RESULTS, RUNS, WORK, marked, written

ANSWERS = RESULTS / "tuned-answers.jsonl"
SHUFFLE = 20261126
_TOGETHER = 12
_LATER = 1000
"""Pairs of the second reading are numbered from here, so that their draws have seeds of their own."""


@dataclass(frozen=True)
class Pair:
    """What base and tuned are both asked. `openings`: the prefill of each draw."""

    id: str
    label: Label
    strategy: Strategy
    parent: Parent
    openings: tuple[str, ...]
    own: str = ""

    def ask(self, book: Book, turn: int) -> Ask:
        return candidates.ask(book, self.strategy, self.parent, self.openings[turn], full=False, own=self.own)


def pairs(book: Book) -> list[Pair]:
    """The held-out examples with their own prefill, then each label on each test paragraph, as seed 0 draws."""
    found = []
    for e in corpus.examples(book=book):
        if e.row.split == "held-out":
            opening = corpus.template(e.row.prefill, e.asked.strategy, e.parent)
            label = book.label(e.row.label)
            found.append(
                Pair(f"held-out/{e.row.id}", label, e.asked.strategy, e.parent, (opening,) * ROUNDS, e.row.own)
            )
    for paragraph in paragraphs("test"):
        for label in book.labels:
            if label.group == "any":
                continue
            chosen = label.usable(None, full=False)
            strategy = chosen[random.Random(0).randrange(len(chosen))]
            drawn = candidates.prefills(strategy, 0)
            openings = tuple(drawn[turn * 3 % len(drawn)] for turn in range(ROUNDS))
            found.append(
                Pair(f"test/{paragraph['id']}/{label.id}", label, strategy, Parent(paragraph["text"]), openings)
            )
    return found


def alone(book: Book) -> list[tuple[Label, Strategy]]:
    """What a small model carries out with the paragraph alone: no source, nothing that the writer has to type."""
    return [
        (label, strategy)
        for label in book.labels
        for strategy in label.usable(None, full=False, sourced=False)
        if not strategy.takes_prompt
    ]


def later(book: Book) -> list[Pair]:
    """For the second reading of the third round: of each of these paragraphs twelve strategies that it was not asked
    with before, and that need neither a source nor the writer's words, with one of their openings."""
    first = pairs(book)
    asked = {(pair.parent.text, pair.strategy.id) for pair in first}
    found = []
    for text in sorted({pair.parent.text for pair in first}):
        drawn = random.Random(text)
        left = [(label, strategy) for label, strategy in alone(book) if (text, strategy.id) not in asked]
        for label, strategy in drawn.sample(left, 12):
            opening = drawn.choice(strategy.prefills)
            id = f"again/{zlib.crc32(text.encode()):08x}/{strategy.id}"
            found.append(Pair(id, label, strategy, Parent(text), (opening,) * ROUNDS))
    return found


def _reading(given: argparse.Namespace, book: Book) -> tuple[list[Pair], str]:
    """The pairs of the reading that is asked for, and what its files' names end in."""
    return (later(book), f"{given.of}-again") if given.again else (pairs(book), given.of)


def answers(given: argparse.Namespace) -> None:
    """Of each pair and side the first answer that the editor would show, of three draws at most."""
    book = load_book()
    engine = LocalEngine(ModelStore(Settings()), dtype="float32")
    for side in given.sides:
        tuned_id = engine.add(WORK / given.of) if side == "tuned" else None
        done = {line["id"] for line in read_lines(ANSWERS) if line["side"] == side and line["tuned_id"] == tuned_id}
        numbered = {pair.id: (n, pair) for n, pair in enumerate(_reading(given, book)[0], _LATER * given.again)}
        wanted = _shuffled(numbered)[given.skip : (given.skip + given.pairs) if given.pairs else None]
        # Of one strategy together: its beginning is read once.
        left = sorted((numbered[id] for id in wanted if id not in done), key=lambda one: one[1].strategy.id)
        for start in range(0, len(left), _TOGETHER):
            for line in _answered(engine, book, left[start : start + _TOGETHER], tuned_id):
                append_line(ANSWERS, {"side": side, "tuned_id": tuned_id, **line})
            print(side, start, len(left), flush=True)


def _shuffled(ids: Iterable[str]) -> list[str]:
    """All pairs in the order in which they are judged."""
    order = sorted(ids)
    random.Random(SHUFFLE).shuffle(order)
    return order


def _answered(
    engine: LocalEngine, book: Book, batch: list[tuple[int, Pair]], tuned_id: str | None
) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {
        n: {"id": pair.id, "answer": None, "prefill": "", "dropped": []} for n, pair in batch
    }
    for turn in range(ROUNDS):
        open_pairs = [(n, pair) for n, pair in batch if found[n]["answer"] is None]
        asks = [pair.ask(book, turn) for _, pair in open_pairs]
        draws = [
            Draw(asked.prompt, draw_seed(n, 0, turn), asked.sampling, tuned_id)
            for (n, _), asked in zip(open_pairs, asks, strict=True)
        ]
        for (n, pair), asked, (answer, finish) in zip(open_pairs, asks, written(engine, draws), strict=True):
            reason = candidates.degenerate(answer, asked, pair.parent, finish)
            if reason is None:
                found[n] |= {"answer": answer, "prefill": asked.prompt.prefill}
            else:
                found[n]["dropped"].append([reason, answer])
    return list(found.values())


def measure(given: argparse.Namespace) -> None:
    book, store = load_book(), ModelStore(Settings())
    every, name = _reading(given, book)
    known = {pair.id: pair for pair in every}
    meaning, scorer = MiniLM(store.minilm_folder()), IndependentScorer(store)
    sides = _sides(given.of)
    rows: list[dict[str, Any]] = []
    both = known.keys() & sides["base"].keys() & sides["tuned"].keys()
    for side, of in sides.items():
        for id in sorted(both):
            line = of[id]
            pair, answer = known[id], line["answer"]
            row: dict[str, Any] = {
                "side": side, "set": id.split("/")[0], "label": pair.label.id, "answer": answer,
                "dropped": len(line["dropped"]), "own": answer and answer[len(line["prefill"].rstrip()) :].split(),
            }  # fmt: skip
            if answer is not None:
                text = candidates.splice(answer, pair.ask(book, 0), pair.parent, meaning)
                change = facts.compare(pair.parent.text, text)
                a, b = scorer.score([text, pair.parent.text])
                row |= {
                    "gain": gain(a, b, pair.label) if pair.label.push != (0, 0) else None,
                    "kept": sum(len(getattr(change.kept, k)) for k in ("numbers", "units", "names")),
                    "lost": sum(len(getattr(change.lost, k)) for k in ("numbers", "units", "names")),
                    "audit": audit(answer, pair.parent.text),
                    "near": candidates.relatedness(answer, pair.parent, meaning),
                    "marked": marked(answer, pair.ask(book, 0), pair.parent, meaning),
                }
            rows.append(row)
    found = {
        "machine": machine(),
        "run": given.of,
        "tuned_id": next(iter(sides["tuned"].values()))["tuned_id"],
        "sets": {
            part: {
                side: _counted([r for r in rows if r["side"] == side and part in (r["set"], "all")]) for side in sides
            }
            for part in (*sorted({id.split("/")[0] for id in both}), "all")
        },
        "labels": {
            label.id: {
                side: _counted([r for r in rows if r["side"] == side and r["label"] == label.id]) for side in sides
            }
            for label in book.labels
        },
    }
    (RESULTS / f"tuned-measured-{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _counted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [r for r in rows if r["answer"] is not None]
    moved = [r["gain"] for r in shown if r["gain"] is not None]
    two = [pair for r in shown for pair in zip(r["own"], r["own"][1:], strict=False)]
    opened = Counter(" ".join(r["own"][:2]).lower() for r in shown)
    kept, lost = sum(r["kept"] for r in shown), sum(r["lost"] for r in shown)
    return {
        "pairs": len(rows),
        "without_answer": len(rows) - len(shown),
        "drawn": len(shown) + sum(r["dropped"] for r in rows),
        "dropped": sum(r["dropped"] for r in rows),
        "degenerate_by_audit": sum(r["audit"] for r in shown),
        "right_way": round(mean(g > 0 for g in moved), 4) if moved else None,
        "mean_gain": round(mean(moved), 3) if moved else None,
        "kept": round(kept / (kept + lost), 4) if kept + lost else None,
        "distinct_pairs_of_words": round(len(set(two)) / len(two), 4) if two else None,
        "commonest_opening": opened.most_common(1)[0] if opened else None,
        "words": round(mean(len(r["answer"].split()) for r in shown), 1) if shown else None,
        "related": round(mean(r["near"] for r in shown), 3) if shown else None,
        "marked_as_new": round(mean(r["marked"] for r in shown), 3) if shown else None,
    }


def sheet(given: argparse.Namespace) -> None:
    """As docs/tuned-model.md had laid down before there were answers."""
    every, name = _reading(given, load_book())
    known = {pair.id: pair for pair in every}
    sides = _sides(given.of)
    ids = _shuffled(known)
    # Other sides for every run that is read: the base's answers stay the same.
    generator = random.Random(f"{SHUFFLE} {name}")
    base_is = ["A", "B"] * (len(ids) // 2) + ["A"] * (len(ids) % 2)
    generator.shuffle(base_is)
    key, shown = [], []
    for id, side in list(zip(ids, base_is, strict=True))[
        given.skip : (given.skip + given.pairs) if given.pairs else None
    ]:
        texts = {s: of[id]["answer"] for s, of in sides.items()}
        same = texts["base"] == texts["tuned"]
        lost = next((s for s, text in texts.items() if text is None and not same), None)
        key.append({"id": id, "base_is": side, "tie": same, "lost_without_answer": lost})
        if not same and lost is None:
            shown.append(len(key) - 1)
    again = generator.sample(shown, round(len(shown) / 4))
    places = [(place, key[place]["base_is"]) for place in shown]
    places += [(place, "B" if key[place]["base_is"] == "A" else "A") for place in again]
    closed = {"pairs": key, "shown": [{"pair": place, "base_is": side} for place, side in places]}
    text = json.dumps(closed, indent=1)
    (RESULTS / f"tuned-key-{name}.json").write_text(text)
    out = [f"Key: SHA-256 {hashlib.sha256(text.encode()).hexdigest()}\n"]
    for number, (place, side) in enumerate(places, 1):
        pair = known[key[place]["id"]]
        a, b = ("base", "tuned") if side == "A" else ("tuned", "base")
        beside = [f"Source: {note}" for note in pair.parent.notes] + (
            [f"Asked by the writer: {pair.own}"] if pair.own else []
        )
        out.append("\n".join([
            f"## {number}. {pair.strategy.name}: {pair.strategy.ask}", pair.parent.text, *beside,
            f"A: {sides[a][key[place]['id']]['answer']}", f"B: {sides[b][key[place]['id']]['answer']}", "",
        ]))  # fmt: skip
    (WORK / "sheet.md").write_text("\n".join(out))
    print(f"{len(shown)} pairs of {len(key)}, {len(again)} twice: {WORK / 'sheet.md'}")


def verdict(given: argparse.Namespace) -> None:
    """tuned-judgements-NAME.json: for each number of the sheet, `pick` (five letters, A, B or T, by question), `false`
    and `keep` (the sides of which each holds)."""
    every, name = _reading(given, load_book())
    known = {pair.id: pair for pair in every}
    closed = json.loads((RESULTS / f"tuned-key-{name}.json").read_text())
    judged = json.loads((RESULTS / f"tuned-judgements-{name}.json").read_text())["judgements"]
    if len(judged) != len(closed["shown"]):
        raise SystemExit(f"{len(judged)} judgements for {len(closed['shown'])} pairs.")
    firsts: dict[int, list[str]] = {}
    twice: list[bool] = []
    marks: Counter[str] = Counter()
    by_label: dict[str, Counter[str]] = {}
    for one, at in zip(judged, closed["shown"], strict=True):
        names = {"A": "base" if at["base_is"] == "A" else "tuned", "T": "tie"}
        names["B"] = "tuned" if names["A"] == "base" else "base"
        picked = [names[letter] for letter in one["pick"]]
        if at["pair"] in firsts:
            twice.append(picked[4] == firsts[at["pair"]][4])
            continue
        firsts[at["pair"]] = picked
        label = known[closed["pairs"][at["pair"]]["id"]].label.id
        by_label.setdefault(label, Counter())[picked[4]] += 1
        marks.update(f"false {names[letter]}" for letter in one["false"])
        marks.update(f"keep {names[letter]}" for letter in one["keep"])
    lost = Counter(p["lost_without_answer"] for p in closed["pairs"] if p["lost_without_answer"])
    questions = {}
    for q, question in enumerate(("true", "strategy", "specific", "fluent", "keep")):
        counts = Counter(picked[q] for picked in firsts.values())
        if q == 4:
            counts.update({"tuned": lost["base"], "base": lost["tuned"], "tie": sum(p["tie"] for p in closed["pairs"])})
        wins, losses = counts["tuned"], counts["base"]
        questions[question] = {"wins": wins, "losses": losses, "ties": counts["tie"], **_tested(wins, losses)}
    found = {
        "judged": len(firsts), "questions": questions, "marks": marks, "labels": by_label,
        "said_the_same_twice": [sum(twice), len(twice)],
    }  # fmt: skip
    (RESULTS / f"tuned-verdict-{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _tested(wins: int, losses: int) -> dict[str, Any]:
    """p of the two-sided sign test, and the share of wins with its 95 % interval (Wilson)."""
    if not wins + losses:
        return {"p": 1.0, "share": None, "wilson": [0.0, 1.0]}
    test = binomtest(wins, wins + losses)
    interval = test.proportion_ci(method="wilson")
    return {
        "p": round(float(test.pvalue), 4),
        "share": round(wins / (wins + losses), 3),
        "wilson": [round(float(interval.low), 3), round(float(interval.high), 3)],
    }


def _sides(run: str) -> dict[str, dict[str, Any]]:
    """The latest line of each pair, of the base and of a run's layer."""
    found = [*read_lines(RUNS), *read_lines(GRADED)]
    (tuned_id,) = {one["tuned_id"] for one in found if one["name"] == run and "tuned_id" in one}
    sides: dict[str, dict[str, Any]] = {"base": {}, "tuned": {}}
    for line in read_lines(ANSWERS):
        if line["side"] == "base" or line["tuned_id"] == tuned_id:
            sides[line["side"]][line["id"]] = line
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for part in (answers, measure, sheet, verdict):
        one = parts.add_parser(part.__name__)
        one.set_defaults(run=part)
        one.add_argument("--of", required=True, help="a run's name")
        one.add_argument("--again", action="store_true", help="the second reading of the third round")
        if part in (answers, sheet):
            one.add_argument("--skip", type=int, default=0, help="leave out so many of the shuffled list")
            one.add_argument("--pairs", type=int, default=0, help="and take so many of what follows; all without")
        if part is answers:
            one.add_argument("--sides", nargs="+", choices=("base", "tuned"), default=["base", "tuned"])
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
