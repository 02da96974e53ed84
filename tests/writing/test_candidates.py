"""What makes an answer unusable, and where a usable one goes."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from app.llm.types import FinishReason
from app.text.facts import Facts
from app.writing import candidates
from app.writing.candidates import Parent
from app.writing.strategies import load_book

ROOT = Path(__file__).resolve().parents[2]
TEXT = (
    "Telomeres cap the ends of chromosomes. Each time a cell divides, they shorten by 50 to 200 base pairs. "
    "When telomeres become short, the cell stops dividing."
)
PARENT = Parent(TEXT)
BOOK = load_book()
ANALOGY = BOOK.label("Use an Analogy").strategies[0]


class Bag:
    """Word counts as an embedding: nearest in meaning is nearest in words."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        words = sorted({w for t in texts for w in t.lower().split()})
        rows = np.array([[t.lower().split().count(w) for w in words] for t in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def asked(prefill: str = "It is like", plan: str | None = None) -> candidates.Ask:
    strategy = ANALOGY if plan is None else ANALOGY.model_copy(update={"plan": plan})
    return candidates.ask(BOOK, strategy, PARENT, prefill, full=False)


@pytest.mark.parametrize(
    ("answer", "finish", "reason"),
    [
        ("", "stop", "empty"),
        ("It is like.", "stop", "empty"),
        ("It is like a shoelace whose tip has come off and", "length", "run-on"),
        ("It is like a shoelace whose tip has come off", "stop", "run-on"),
        ("Each time a cell divides, they shorten by 50 to 200 base pairs.", "stop", "copy"),
        ("It is like a janitor who not only sweeps up the litter but also eats it.", "stop", "echo"),
        ("It is like the text says in so many words.", "stop", "leak"),
        ("It is like a rope and a rope and a rope and a rope.", "stop", "repeats"),
        ("It is like a very very worn shoelace tip.", "stop", "repeats"),
        ("It is like what they call “fraying” in a shoelace.", "stop", "quotes"),
        ("It is like a shoelace that was tied 37 times.", "stop", "invented"),
        ("It is like the shoelace that Professor Miller of Stanford tied.", "stop", "invented"),
        ("It is like the plastic tip of a shoelace: once it is gone, the lace frays.", "stop", None),
        ("It is like 200 base pairs of worn shoelace.", "stop", None),
    ],
)
def test_degenerate_answers_are_told_by_reason(answer: str, finish: FinishReason, reason: str | None) -> None:
    assert candidates.degenerate(answer, asked(), PARENT, finish) == reason


ANSWER = "It is like a clock for how often a cell divides."


def test_a_sentence_goes_after_the_one_nearest_in_meaning_and_the_parent_stays_whole() -> None:
    text = candidates.splice(ANSWER, asked(), PARENT, Bag())
    assert text.startswith(TEXT.split(" When", maxsplit=1)[0] + " " + ANSWER)
    assert text.replace(" " + ANSWER, "") == TEXT


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("insert-opening", f"{ANSWER} {TEXT}"),
        ("insert-ending", f"{TEXT} {ANSWER}"),
        ("rewrite-all", ANSWER),
    ],
)
def test_plans_put_the_answer_where_they_say(plan: str, expected: str) -> None:
    assert candidates.splice(ANSWER, asked(plan=plan), PARENT, Bag()) == expected


def test_rewriting_a_sentence_replaces_the_hardest_and_nothing_else() -> None:
    text = candidates.splice(ANSWER, asked(plan="rewrite-sentence"), PARENT, Bag())
    assert ANSWER in text
    kept = [s.text for s in PARENT.sentences if s.text in text]
    assert [s.text for s in PARENT.sentences if s.text not in text] == [PARENT.hardest.text]
    assert len(kept) == 2


def test_prefills_name_the_key_term_in_the_right_number() -> None:
    assert PARENT.key_term == "telomeres"
    assert candidates.fill("{Term} {is}", "telomeres") == "Telomeres are"
    assert candidates.fill("{Term} {is}", "photosynthesis") == "Photosynthesis is"
    assert candidates.fill("{Term} {is}", None) == "This is"


def test_openings_are_drawn_by_seed_and_all_used() -> None:
    assert candidates.prefills(ANALOGY, 1) == candidates.prefills(ANALOGY, 1)
    assert sorted(candidates.prefills(ANALOGY, 1)) == sorted(ANALOGY.prefills)
    assert len({tuple(candidates.prefills(ANALOGY, seed)) for seed in range(20)}) > 5


def test_worked_examples_stand_before_the_paragraph_so_that_their_prefix_can_be_kept() -> None:
    messages = asked().prompt.messages
    assert [m.role for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert TEXT in messages[-1].content
    assert all(TEXT not in m.content for m in messages[:-1])


def test_a_text_with_template_marks_is_passed_through_as_it_is() -> None:
    odd = Parent("Cells write {prompt} and {term} on the wall. Nobody fills them in.")
    prompt = candidates.ask(BOOK, ANALOGY, odd, "It is like", full=True).prompt
    assert odd.text in prompt.messages[-1].content


def test_every_flag_has_words_on_the_page() -> None:
    words = (ROOT / "static" / "js" / "words.js").read_text("utf-8")
    told = set(re.findall(r'"([a-z-]+)":', words.split("const FLAGS = {")[1].split("}")[0]))
    source = "".join(file.read_text("utf-8") for file in (ROOT / "app" / "writing").glob("*.py"))
    flags = {f"lost-{field.name}" for field in fields(Facts)} | set(re.findall(r'flags\.append\("([a-z-]+)"\)', source))
    assert {"off-topic", "wrong-way"} < flags <= told
