"""The scorer serves one paragraph while it works through a long draft, on an encoder that only takes time."""

import threading
import time
from collections.abc import Sequence

import numpy as np

from app.axes.scorer import PACK, WEIGHTS, HeadScorer


class SlowEncoder:
    def __init__(self) -> None:
        self.packs: list[int] = []
        self.pause = 0.0
        """Seconds a pack."""

    def load(self) -> None:
        pass

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        self.packs.append(len(sentences))
        time.sleep(self.pause)
        return np.stack([np.random.default_rng(len(s)).standard_normal(384).astype(np.float32) for s in sentences])


def made() -> tuple[HeadScorer, SlowEncoder]:
    encoder = SlowEncoder()
    return HeadScorer("slow", WEIGHTS / "minilm.safetensors", lambda: encoder), encoder


LONG = [" ".join(f"Cell {i} of row {k} divides." for k in range(5)) for i in range(10 * PACK)]


def test_a_paragraph_does_not_wait_for_a_long_draft() -> None:
    scorer, encoder = made()
    encoder.pause = 0.3
    draft = threading.Thread(target=scorer.score, args=(LONG,))
    draft.start()
    while len(encoder.packs) < 3:
        time.sleep(0.005)
    for i in range(3):
        scorer.score([f"Telomere {i} shortens."])
        assert encoder.packs.count(PACK) < 5 * len(LONG) // PACK, "its turn came in between"
    encoder.pause = 0.0
    draft.join()
    assert max(encoder.packs) == PACK


def test_packs_give_what_one_pass_gives_and_are_kept() -> None:
    scorer, encoder = made()
    texts = LONG[: 2 * PACK]
    placements = scorer.score(texts)
    assert [made()[0].score([text])[0] for text in texts[::9]] == placements[::9]
    before = len(encoder.packs)
    assert scorer.score(texts) == placements
    assert len(encoder.packs) == before


def test_an_explanation_shares_the_distance_out_among_the_sentences() -> None:
    scorer, _ = made()
    text = "Telomeres shorten. A cell of row 12 divides, and divides again. Nobody knows why it stops."
    explanation = scorer.explain(text)
    assert explanation.placement == scorer.score([text])[0]
    assert [text[s.start : s.end] for s in explanation.sentences] == [
        "Telomeres shorten.",
        "A cell of row 12 divides, and divides again.",
        "Nobody knows why it stops.",
    ]
    for axis in ("exposition", "engagement"):
        points = [r.points for r in explanation.reasons if r.axis == axis]
        assert abs(sum(points) - (getattr(explanation.placement, axis) - 50)) < 0.05
    sizes = [abs(r.points) for r in explanation.reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_a_sentences_share_is_what_the_point_loses_without_it() -> None:
    scorer, _ = made()
    first, second = "Telomeres shorten.", "A cell of row 12 divides, and divides again."
    with_it, without = scorer.score([f"{first} {second}", first])
    share = scorer.explain(f"{first} {second}").sentences[1]
    assert abs(share.exposition - (with_it.exposition - without.exposition)) < 0.02
    (alone,) = scorer.explain(first).sentences
    assert abs(alone.engagement - (without.engagement - 50)) < 0.02
