"""What the corpus for tuning holds: `python -m benchmarks.corpus`, as the tables of docs/tuned-model.md.

With `--measure` its answers are counted as if the model had written them: which way they move their paragraphs by the
placing and the independent scorer, how many the claim ledger marks, and how long they are in tokens. Takes minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from statistics import mean

from app.axes.scorer import BaseScorer, IndependentScorer, MiniLM
from app.axes.types import Scorer
from app.learn import corpus
from app.learn.corpus import Example
from app.llm.store import ModelStore
from app.settings import Settings
from app.text import claims
from app.writing import candidates
from app.writing.revise import gain
from app.writing.strategies import load_book
from benchmarks.machine import machine


def table(head: str, rows: Iterable[Iterable[object]]) -> None:
    print(f"\n| {head.replace(', ', ' | ')} |")
    print("|" + "---|" * len(head.split(", ")))
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def counts(examples: list[Example]) -> None:
    rows = [e.row for e in examples]

    def share(of: Callable[[Example], object], split: str | None = None) -> int:
        return len({of(e) for e in examples if split in (None, e.row.split)})

    table(
        "of, all, train, held out",
        (
            (name, share(of), share(of, "train"), share(of, "held-out"))
            for name, of in (
                ("examples", lambda e: e.row.id),
                ("paragraphs", lambda e: e.row.paragraph),
                ("topics", lambda e: e.row.topic),
                ("fields", lambda e: e.row.field),
                ("strategies", lambda e: e.row.strategy),
            )
        ),
    )
    lengths = [len(text.split()) for text in dict.fromkeys(row.paragraph for row in rows)]
    print(f"\nParagraphs have {min(lengths)} to {max(lengths)} words (mean {mean(lengths):.0f}).")
    lengths = [len(row.answer.split()) for row in rows]
    print(f"Answers have {min(lengths)} to {max(lengths)} words (mean {mean(lengths):.0f}).")
    fields = Counter((row.field, row.split) for row in rows)
    order = sorted({row.field for row in rows}, key=lambda name: (-fields[name, "train"], name))
    table("field, train, held out", ((name, fields[name, "train"], fields[name, "held-out"]) for name in order))
    uses = Counter((row.strategy, row.split) for row in rows)
    table(
        "label, strategy, train, held out, openings used",
        (
            (label.name, s.name, uses[s.id, "train"], uses[s.id, "held-out"], _openings(examples, s.id))
            for label in load_book().labels
            for s in label.usable(None, full=False)
        ),
    )


def _openings(examples: list[Example], strategy: str) -> str:
    """How often each of the strategy's openings is used, most used first."""
    used = [e for e in examples if e.row.strategy == strategy]
    found = Counter(corpus.template(e.row.prefill, e.asked.strategy, e.parent) for e in used)
    return " + ".join(str(n) for _, n in found.most_common())


def measure(examples: list[Example]) -> None:
    store = ModelStore(Settings())
    meaning = MiniLM(store.minilm_folder())
    texts = [candidates.splice(e.row.answer, e.asked, e.parent, meaning) for e in examples]
    ways = [_ways(scorer, examples, texts) for scorer in (BaseScorer(store), IndependentScorer(store))]
    marked = [
        bool(claims.unsupported(text, e.asked.ground(e.parent).split("\n"), meaning.encode))
        for e, text in zip(examples, texts, strict=True)
    ]
    tokens = _tokens(store, examples)

    def row(name: str, of: list[int]) -> tuple[str, ...]:
        moved = [[way[i] for i in of if examples[i].asked.strategy.id != "own-prompt"] for way in ways]
        shares = [f"{100 * mean(g > 0 for g in gains):.0f} % ({mean(gains):+.1f})" if gains else "–" for gains in moved]
        return name, *shares, f"{100 * mean(marked[i] for i in of):.0f} %"

    labels = {label.id: label for label in load_book().labels}
    table(
        "label, right way by the placing scorer (points), by the independent scorer (points), marked as a new claim",
        [
            *(row(labels[id].name, [i for i, e in enumerate(examples) if e.row.label == id]) for id in labels),
            row("all", list(range(len(examples)))),
        ],
    )
    print(f"\nCompletions have {min(tokens)} to {max(tokens)} tokens (mean {mean(tokens):.0f}).")


def _ways(scorer: Scorer, examples: list[Example], texts: list[str]) -> list[float]:
    """How far each answer moves its paragraph along its label's push, in points."""
    book = load_book()
    paragraphs = list(dict.fromkeys(e.row.paragraph for e in examples))
    origins = dict(zip(paragraphs, scorer.score(paragraphs), strict=True))
    return [
        gain(placed, origins[e.row.paragraph], book.label(e.row.label))
        for e, placed in zip(examples, scorer.score(texts), strict=True)
    ]


def _tokens(store: ModelStore, examples: list[Example]) -> list[int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(store.default_folder())
    return [len(tokenizer(e.completion, add_special_tokens=False).input_ids) for e in examples]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="count the answers as if the model had written them")
    given = parser.parse_args()
    examples = corpus.examples()
    counts(examples)
    if given.measure:
        measure(examples)
        print(f"\n{datetime.now(UTC):%Y-%m-%d}, {', '.join(machine().values())}")


if __name__ == "__main__":
    main()
