"""The corpus ships: every line is an example of its strategy that the editor itself would have let pass, and its prompt
is the one that a press sends."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.learn import corpus
from app.learn.corpus import Example, Row
from app.llm.types import Chunk, Draw
from app.text import facts, sentences
from app.writing import candidates
from app.writing.candidates import Parent
from app.writing.revise import Reviser
from app.writing.sources import Pack
from app.writing.strategies import load_book
from tests.scripted import ScriptedEngine, ScriptedMeaning, ScriptedScorer

BOOK = load_book()
ROOT = Path(__file__).parents[2]
SMALL = {s.id for label in BOOK.labels for s in label.usable(None, full=False)}
ASKING = {"question", "wonder"}
"""Strategies some of whose openings begin a question."""


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return corpus.examples()


class Listening(ScriptedEngine):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Draw] = []

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        self.heard += draws
        return super().stream(draws, cancel)


def pressed(example: Example) -> Draw:
    """What the engine receives when the strategy is pressed with the seed that draws the example's opening first."""
    row, strategy, engine = example.row, example.asked.strategy, Listening()
    opening = corpus.template(row.prefill, strategy, example.parent)
    seed = next(seed for seed in range(1000) if candidates.prefills(strategy, seed)[0] == opening)
    pack = Pack([("Source", " ".join(row.source))]) if row.source else None
    press = Reviser(engine, ScriptedScorer(), ScriptedMeaning(), book=BOOK).revise(
        BOOK.label(row.label), row.paragraph, n=1, seed=seed, strategy=row.strategy, own=row.own, pack=pack
    )
    next(event for event in press if engine.heard)
    press.close()
    return engine.heard[0]


def test_each_prompt_is_the_one_that_a_press_sends(examples: list[Example]) -> None:
    for example in examples:
        draw = pressed(example)
        assert draw.prompt == example.prompt, example.row.id
        assert draw.sampling == example.asked.sampling, example.row.id


def test_opening_and_completion_are_the_answer_and_one_sentence(examples: list[Example]) -> None:
    for example in examples:
        row = example.row
        assert example.prompt.prefill + example.completion == row.answer, row.id
        assert 12 <= len(row.answer.split()) <= 28, row.id
        assert len(sentences.split(row.answer)) == 1, row.id
        assert row.answer.endswith((".", "?") if row.strategy in ASKING else "."), row.id


def test_no_answer_would_be_dropped(examples: list[Example]) -> None:
    for example in examples:
        assert candidates.degenerate(example.row.answer, example.asked, example.parent, "stop") is None, example.row.id


def test_no_answer_costs_the_paragraph_a_fact(examples: list[Example]) -> None:
    """Those of one paragraph are put in one after another, as a writer may who confirms them all."""
    texts: dict[str, str] = {}
    for example in examples:
        before = Parent(texts.get(example.row.paragraph, example.row.paragraph))
        texts[example.row.paragraph] = candidates.splice(example.row.answer, example.asked, before, ScriptedMeaning())
    for paragraph, text in texts.items():
        assert facts.compare(paragraph, text).lost == facts.Facts(), paragraph


def test_every_strategy_of_the_small_model_is_covered_about_equally(examples: list[Example]) -> None:
    everywhere = Counter(e.row.strategy for e in examples)
    held_out = Counter(e.row.strategy for e in examples if e.row.split == "held-out")
    assert set(everywhere) == SMALL
    assert min(everywhere.values()) >= 9
    assert max(everywhere.values()) <= 1.5 * min(everywhere.values())
    assert min(held_out[strategy] for strategy in SMALL) >= 2


def test_it_is_large_and_wide_enough(examples: list[Example]) -> None:
    rows = [e.row for e in examples]
    paragraphs = {row.paragraph for row in rows}
    assert len(rows) >= 340
    assert len(paragraphs) >= 115
    assert len({row.topic for row in rows}) >= 100
    assert len({row.field for row in rows}) >= 14
    assert len({row.field for row in rows if row.split == "held-out"}) >= 12
    for paragraph in paragraphs:
        assert 35 <= len(paragraph.split()) <= 80, paragraph
        assert 2 <= len(sentences.split(paragraph)) <= 4, paragraph


def test_what_is_held_out_is_nowhere_in_training(examples: list[Example]) -> None:
    sides = defaultdict(set)
    for e in examples:
        sides[e.row.topic.casefold()].add(e.row.split)
        sides[e.row.paragraph].add(e.row.split)
    assert [key for key, splits in sides.items() if len(splits) > 1] == []
    assert sum(e.row.split == "held-out" for e in examples) >= 62


def test_no_paragraph_of_the_benchmarks_and_no_answer_twice(examples: list[Example]) -> None:
    """Prompts are counted on paragraphs that nothing was tuned on."""
    counted = [
        json.loads(line)["text"] for line in (ROOT / "benchmarks/paragraphs.jsonl").read_text("utf-8").splitlines()
    ]
    runs = set().union(*(_runs(text) for text in counted))
    for example in examples:
        assert not _runs(example.row.paragraph) & runs, example.row.id
    assert max(Counter(e.row.answer for e in examples).values()) == 1
    assert max(Counter(e.completion for e in examples).values()) == 1


def _runs(text: str) -> set[tuple[str, ...]]:
    """Eight words in a row."""
    words = text.lower().split()
    return set(zip(*(words[i:] for i in range(8)), strict=False))


GOOD = {
    "id": "ice",
    "field": "physics",
    "topic": "ice",
    "split": "train",
    "label": "use-analogy",
    "strategy": "everyday-comparison",
    "paragraph": "Ice floats because water expands when it freezes. A lake therefore freezes from the top.",
    "prefill": "It is like",
    "answer": "It is like a lid that the lake puts on in winter to keep the warmth below.",
}
SOURCED = {
    "label": "strengthen-credibility",
    "strategy": "method-sample-source",
    "prefill": "In the study,",
    "answer": "In the study, ice was weighed.",
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prefill": "It is almost like"}, "is no prefill of everyday-comparison"),
        ({"prefill": "Picture"}, "does not begin with its prefill"),
        ({"strategy": "wonder"}, "no strategy “wonder”"),
        ({"label": "enhance-understanding", "strategy": "plain-sentence"}, "no strategy “plain-sentence”"),
        ({"label": "shout"}, "no label “shout”"),
        ({"split": "test"}, "split: Input should be 'train' or 'held-out'"),
        ({"own": "Say it nicely."}, "takes no prompt"),
        ({"label": "own-prompt", "strategy": "own-prompt", "prefill": ""}, "needs a prompt"),
        ({"source": ["Ice was weighed."]}, "takes no source"),
        (SOURCED, "needs one sentence of a source"),
        (SOURCED | {"source": ["Ice was weighed.", "It was cold."]}, "needs one sentence of a source"),
        ({"id": "first"}, "an example “first” already"),
        ({"comment": "nice"}, "comment: Extra inputs"),
    ],
)
def test_a_line_that_is_no_example_is_refused_by_its_number(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(GOOD | {"id": "first"}) + "\n\n" + json.dumps(GOOD | change) + "\n", "utf-8")
    with pytest.raises(ValueError, match=r"own\.jsonl, line 3: ") as refused:
        corpus.examples(path)
    assert told in str(refused.value)


def test_a_line_that_is_no_json_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"id": "ice",\n', "utf-8")
    with pytest.raises(ValueError, match=r"own\.jsonl, line 1: Invalid JSON"):
        corpus.examples(path)


def test_a_prefill_is_the_one_with_this_paragraphs_key_term() -> None:
    row = GOOD | {"label": "enhance-understanding", "strategy": "define-term", "prefill": "The term ice means"}
    with pytest.raises(ValueError, match="no prefill"):
        corpus.build(Row.model_validate(row), BOOK)
