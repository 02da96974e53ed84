"""How quickly the local engine writes. Prints JSON.

    python benchmarks/engine.py [--model NAME] [--device cpu|cuda] [--tokens 64] [--rounds 3]

Tokens a second are of whole steps (model, sampling, text), the prompt left out; the time to the first token is from
the call to the first word that is not the prefill. Each figure is the median of the rounds. `generate` is the same
work by transformers' own loop, for comparison: sampled, with its dynamic cache, on the same prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import threading
import time
from typing import Any

from app.llm.local import LocalEngine
from app.llm.store import ModelStore
from app.llm.types import Draw, Message, Prompt, Sampling
from app.settings import Settings

EXAMPLES = (
    Message(
        "system", "You revise science writing. Answer with one sentence that compares the finding to everyday life."
    ),
    Message("user", "A virus can only multiply inside a living cell, whose machinery copies its genome for it."),
    Message("assistant", "It is like a recipe without a kitchen: nothing is cooked until it gets inside."),
    Message("user", "Enzymes lower the energy a reaction needs to start, and are not used up by it."),
    Message("assistant", "It is like a tunnel through a mountain: the trip is the same, but nobody has to climb."),
)
PARAGRAPH = (
    "Sea otters keep kelp forests alive by eating the sea urchins that graze on the kelp. Where hunters had removed "
    "90 % of the otters, urchin numbers rose and the kelp was gone within 12 years. Estes and Palmisano compared two "
    "groups of the Aleutian Islands in 1974, one with otters and one without, and found dense kelp only around the "
    "first. Later counts from the 1990s, when killer whales began to eat otters, showed the same chain in reverse."
)


def draws(count: int, tokens: int, paragraph: str = PARAGRAPH, same: bool = True) -> list[Draw]:
    hints = ["", " Be brief.", " Think of a kitchen.", " Think of a street."]
    return [
        Draw(
            Prompt((*EXAMPLES, Message("user", paragraph + ("" if same else hints[i % 4]))), "It is like"),
            seed=i,
            sampling=Sampling(max_tokens=tokens, logprobs=True),
        )
        for i in range(count)
    ]


def timed(engine: LocalEngine, batch: list[Draw]) -> tuple[float, float]:
    """Seconds to the first token, and tokens a second after it."""
    began = time.perf_counter()
    first, tokens = 0.0, 0
    for chunk in engine.stream(batch, threading.Event()):
        if chunk.tokens:
            first = first or time.perf_counter()
            tokens += chunk.tokens
    return first - began, (tokens - len(batch)) / (time.perf_counter() - first)


def generate(engine: LocalEngine, count: int, tokens: int) -> float:
    """Tokens a second of transformers' own loop, the time of the prompt taken off."""
    import torch

    ids = torch.tensor([engine._encode(draws(1, tokens)[0].prompt)] * count, device=engine._model.device)
    seconds = []
    for length in (1, tokens):
        began = time.perf_counter()
        engine._model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.8, top_p=0.95,
            max_new_tokens=length, min_new_tokens=length, pad_token_id=0,
        )  # fmt: skip
        seconds.append(time.perf_counter() - began)
    return count * (tokens - 1) / (seconds[1] - seconds[0])


def main() -> None:
    # Not before app.llm, which sets how torch's threads wait.
    import torch
    import transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    store = ModelStore(Settings())
    began = time.perf_counter()
    engine = LocalEngine(store, args.model, args.device)
    engine.load()
    result: dict[str, Any] = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg(),
        },
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "info": engine.info().__dict__,
        "load_seconds": time.perf_counter() - began,
        "prompt_tokens": len(engine._encode(draws(1, 1)[0].prompt)),
    }
    timed(engine, draws(4, 4))  # the first run pays for what is set up once
    speeds: dict[str, float] = {}
    for name, count, same in [
        ("alone", 1, True),
        ("batch of 3", 3, True),
        ("batch of 4", 4, True),
        ("4 prompts", 4, False),
    ]:
        rounds = [timed(engine, draws(count, args.tokens, same=same))[1] for _ in range(args.rounds)]
        speeds[name] = statistics.median(rounds)
    result["tokens_per_second"] = speeds
    result["generate_tokens_per_second"] = {
        name: statistics.median(generate(engine, count, args.tokens) for _ in range(args.rounds))
        for name, count in (("alone", 1), ("batch of 4", 4))
    }
    first: dict[str, list[float]] = {"nothing kept": [], "same label, other paragraph": [], "same paragraph": []}
    for i in range(args.rounds):
        engine._prefixes.clear()
        first["nothing kept"].append(timed(engine, draws(3, 2, f"{i} {PARAGRAPH}"))[0])
        first["same label, other paragraph"].append(timed(engine, draws(3, 2, f"other {i} {PARAGRAPH}"))[0])
        first["same paragraph"].append(timed(engine, draws(3, 2, f"other {i} {PARAGRAPH}"))[0])
    result["first_token_seconds"] = {name: statistics.median(values) for name, values in first.items()}
    result["ratios"] = {
        "batch of 4 / alone": speeds["batch of 4"] / speeds["alone"],
        "alone / generate": speeds["alone"] / result["generate_tokens_per_second"]["alone"],
        "batch of 4 / generate": speeds["batch of 4"] / result["generate_tokens_per_second"]["batch of 4"],
        "first token: same label / nothing kept": result["first_token_seconds"]["same label, other paragraph"]
        / result["first_token_seconds"]["nothing kept"],
        "first token: same paragraph / nothing kept": result["first_token_seconds"]["same paragraph"]
        / result["first_token_seconds"]["nothing kept"],
    }
    print(json.dumps(result, indent=2, default=lambda x: round(x, 4)))


if __name__ == "__main__":
    main()
