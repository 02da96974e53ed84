"""What placing a paragraph costs: `python -m benchmarks.scoring`.

A ratio to one forward pass of the blocks the scorer uses, over the same words in one piece, timed in turns.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from app.axes.scorer import BaseScorer, base_encoder
from app.llm.store import ModelStore
from app.settings import Settings
from benchmarks.machine import machine
from benchmarks.prompts import paragraphs

ROUNDS = 15
WORDS = 120


def texts() -> list[str]:
    """One text of about 120 words a round, no sentence of which was scored before."""
    words = " ".join(p["text"] for p in paragraphs("design") + paragraphs("test"))
    sentences = words.split(". ")
    made = []
    for i in range(ROUNDS + 2):
        text = ""
        for j in range(i, len(sentences)):
            text += f"In case {i}, {sentences[j]}. "
            if len(text.split()) >= WORDS:
                break
        made.append(text.strip())
    return made


def measure() -> dict[str, Any]:
    # Not before app.llm, which sets how torch's threads wait.
    import torch

    store = ModelStore(Settings())
    scorer, encoder = BaseScorer(store), base_encoder(store).inner
    scorer.load()
    encoder.load()
    scored, passed, cached, tokens = [], [], [], []
    for text in texts():
        ids = torch.tensor(encoder.token_ids([text]))
        start = time.perf_counter()
        with torch.inference_mode():
            encoder._model(input_ids=ids, use_cache=False)
        middle = time.perf_counter()
        scorer.score([text])
        end = time.perf_counter()
        scorer.score([text])
        passed.append(middle - start)
        scored.append(end - middle)
        cached.append(time.perf_counter() - end)
        tokens.append(ids.shape[1])
    ratios = [s / p for s, p in zip(scored[2:], passed[2:], strict=True)]
    return machine() | {
        "words": WORDS,
        "tokens": statistics.median(tokens),
        "score_ms": round(1000 * statistics.median(scored[2:]), 1),
        "forward_ms": round(1000 * statistics.median(passed[2:]), 1),
        "ratio_to_forward": round(statistics.median(ratios), 2),
        "cached_ms": round(1000 * statistics.median(cached[2:]), 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
