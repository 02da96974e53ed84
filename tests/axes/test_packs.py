"""The scorer serves one paragraph while it works through a long draft, on an encoder that only takes time."""

import threading
import time
from collections.abc import Sequence

import numpy as np

from app.axes.scorer import PACK, WEIGHTS, HeadScorer


class SlowEncoder:
    def __init__(self) -> None:
        self.packs: list[int] = []

    def load(self) -> None:
        pass

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        self.packs.append(len(sentences))
        time.sleep(0.05)
        return np.stack([np.random.default_rng(len(s)).standard_normal(384).astype(np.float32) for s in sentences])


def made() -> tuple[HeadScorer, SlowEncoder]:
    encoder = SlowEncoder()
    return HeadScorer("slow", WEIGHTS / "minilm.safetensors", lambda: encoder), encoder


LONG = [" ".join(f"Cell {i} of row {k} divides." for k in range(5)) for i in range(10 * PACK)]


def test_a_paragraph_does_not_wait_for_a_long_draft() -> None:
    scorer, encoder = made()
    draft = threading.Thread(target=scorer.score, args=(LONG,))
    draft.start()
    while len(encoder.packs) < 3:
        time.sleep(0.005)
    for i in range(3):
        began = time.perf_counter()
        scorer.score([f"Telomere {i} shortens."])
        assert time.perf_counter() - began < 2
        assert draft.is_alive(), "its turn came in between"
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
