"""Any text gets a finite point, with a wide spread where it is like nothing the heads saw, or a plain refusal."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.axes.scorer import WEIGHTS, HeadScorer
from app.axes.types import Unplaceable

ODD = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "benchmarks" / "odd.jsonl").read_text("utf-8").splitlines()
]
PROSE_KINDS = {"poem", "one-long-sentence", "mixed-languages", "references", "capitals"}
NO_WORDS = {"numbers", "emoji", "punctuation", "spaces", "empty"}


class Hashed:
    """Vectors that depend on the sentence and nothing else."""

    def load(self) -> None:
        pass

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        return np.stack([np.random.default_rng(list(s.encode())).standard_normal(384) for s in sentences]).astype("f4")


SCORER = HeadScorer("hashed", WEIGHTS / "minilm.safetensors", Hashed)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.text('aI.?! \n"“’•ßŒǅ\u0301\u200b\ud7ff0', max_size=120)))
@example("i")
@example("ß. ŉa.")
@example("a" * 20_000)
def test_any_text_is_placed_and_explained_or_refused_in_words(text: str) -> None:
    try:
        (placement,) = SCORER.score([text])
    except Unplaceable:
        assert not any(c.isalpha() for c in text)
        return
    assert np.isfinite([placement.exposition, placement.engagement, placement.spread]).all()
    explanation = SCORER.explain(text)
    assert explanation.placement == placement
    assert all(0 <= s.start < s.end <= len(text) for s in explanation.sentences)
    assert all(r.sentence is None or 0 <= r.sentence < len(explanation.sentences) for r in explanation.reasons)


@pytest.mark.parametrize("row", ODD, ids=lambda row: str(row["id"]))
def test_what_is_no_prose_has_a_wide_spread_or_is_refused(row: dict[str, str]) -> None:
    if row["kind"] in NO_WORDS:
        with pytest.raises(Unplaceable, match="no words"):
            SCORER.score([row["text"]])
    elif row["kind"] not in PROSE_KINDS:
        assert SCORER.score([row["text"]])[0].spread > 5


def test_whitespace_quotes_and_case_leave_the_point_where_it_is() -> None:
    text = "“It’s over,” she said. The ice is melting, and nobody knows why. We were told so."
    (point,) = SCORER.score([text])
    for other in (text.replace("“", '"').replace("”", '"').replace("’", "'"), text.replace(" ", "  \n ")):
        (moved,) = SCORER.score([other])
        assert (moved.exposition, moved.engagement) == (point.exposition, point.engagement)
    shouted, whispered = SCORER.score([text.upper(), text.lower()])
    assert (shouted.exposition, shouted.engagement) == (whispered.exposition, whispered.engagement)
