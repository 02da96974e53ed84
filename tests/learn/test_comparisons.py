"""What a writer's choice comes to: answers told from paragraphs, pairs, the split, and exported files."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.learn import comparisons as pairing
from app.learn.comparisons import BadFile, Comparison
from app.writing import candidates
from app.writing.candidates import Parent
from app.writing.strategies import Strategy, load_book

PLANS = ("insert-opening", "insert-after", "insert-ending", "rewrite-sentence", "rewrite-all")
SENTENCES = st.lists(
    st.sampled_from(["Cells divide.", "They age after 3 days.", "Dr. Lee saw 40% of it!", "Why?", "An “odd” case."]),
    min_size=1,
    max_size=5,
)


# Never a sentence of the paragraph: a candidate that copies one is dropped.
ANSWERS = st.lists(st.sampled_from(["Picture a lamp.", "It is like 3 buckets!", "So?"]), min_size=1, max_size=2)


class Nearest:
    """Any sentence may be the nearest."""

    def __init__(self, pick: int) -> None:
        self.pick = pick

    def encode(self, texts: list[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), 2), np.float32)
        vectors[:, 1] = 1
        vectors[[0, 1 + self.pick % (len(texts) - 1)]] = [1, 0]
        return vectors


def asked(plan: str, parent: Parent) -> candidates.Ask:
    book = load_book()
    strategy: Strategy = next(s for x in book.labels for s in x.strategies if s.small and s.plan.startswith("insert"))
    return candidates.ask(book, strategy.model_copy(update={"plan": plan}), parent, "", full=False)


@settings(deadline=None)
@given(
    plan=st.sampled_from(PLANS),
    sentences=SENTENCES,
    joined=st.sampled_from([" ", "  ", "\n"]),
    end=st.sampled_from(["", " ", "\n"]),
    answer=ANSWERS,
    pick=st.integers(0, 9),
)
def test_the_answer_is_told_from_the_paragraph(
    plan: str, sentences: list[str], joined: str, end: str, answer: list[str], pick: int
) -> None:
    parent = Parent(joined.join(sentences) + end)
    wrote = " ".join(answer)
    text = candidates.splice(wrote, asked(plan, parent), parent, Nearest(pick))
    assert candidates.unsplice(text, plan, parent) == wrote


def test_a_text_that_was_not_made_so_is_told_as_such() -> None:
    parent = Parent("Cells divide. They age.")
    for plan in PLANS[:4]:
        assert candidates.unsplice("Something else.", plan, parent) is None


def test_the_split_is_by_paragraph_and_the_same_each_time(comparisons: list[Comparison]) -> None:
    parts = pairing.split(comparisons)
    assert parts == pairing.split(list(comparisons))
    ids = [{c.paragraph for c in part} for part in parts]
    assert not ids[0] & ids[1]
    assert not ids[2] & (ids[0] | ids[1])
    assert [len(part) for part in ids] == [6, 2, 2]
    assert sum(map(len, parts)) == len(comparisons)
    later = pairing.split(comparisons, taught=ids[2])
    assert not ids[2] & {c.paragraph for c in (*later[1], *later[2])}, "what was learnt from tests nothing"
    assert pairing.split(comparisons, {c.paragraph for c in comparisons})[2] == []


def test_too_little_is_told_in_words(comparisons: list[Comparison]) -> None:
    assert pairing.too_few(comparisons) is None
    few = pairing.too_few(comparisons[:1])
    assert few is not None
    assert few.startswith("There are 2 discarded versions beside a confirmed one, in 1 paragraph; at least 20")
    crowded = [c.model_copy(update={"paragraph": "one"}) for c in comparisons]
    assert pairing.too_few(crowded), "many versions of one paragraph are not enough"


def test_a_file_comes_back_as_it_was_and_is_its_owners(comparisons: list[Comparison], tmp_path: Path) -> None:
    path = tmp_path / "confirmed.jsonl"
    odd = comparisons[0].chosen.model_copy(update={"response": " a line\u2028and another\x85 of one text"})
    comparisons = [comparisons[0].model_copy(update={"chosen": odd}), *comparisons[1:]]
    pairing.write(comparisons, path)
    assert pairing.read(path) == comparisons
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pairing.digest(pairing.read(path)) == pairing.digest(comparisons)
    assert pairing.digest(comparisons[1:]) != pairing.digest(comparisons)
    with pytest.raises(FileExistsError):
        pairing.write(comparisons, path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: "),
        ("[]", "line 2: "),
        ('{"generation": "g"}', "line 2: paragraph: "),
        ("", "holds no comparison"),
    ],
)
def test_a_bad_line_is_named(line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("\n" + line)
    with pytest.raises(BadFile, match=told):
        pairing.read(path)
    with pytest.raises(BadFile, match="can't be read"):
        pairing.read(tmp_path / "none.jsonl")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadFile, match="UTF-8"):
        pairing.read(path)


def test_a_draft_with_any_end_of_line_in_it_comes_back_from_its_file(tmp_path: Path) -> None:
    text = "One\u2028two\x85three\x0cfour\u2029five."
    one = {"version": "v", "strategy": "s", "messages": [{"role": "user", "content": text}], "prefill": ""}
    written = {**one, "response": text, "ended": True}
    comparison = Comparison.model_validate(
        {
            "generation": "g", "paragraph": "p", "label": "l", "model_id": None, "tuned_id": None,
            "chosen": written, "rejected": [written],
        }
    )  # fmt: skip
    pairing.write([comparison, comparison], tmp_path / "c.jsonl")
    assert pairing.read(tmp_path / "c.jsonl") == [comparison, comparison]
