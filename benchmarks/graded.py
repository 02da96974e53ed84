"""Tunes the default model on draws graded by reading (benchmarks/drawn.py makes the data), on a GPU best.

    python -m benchmarks.drawn pairs --out FOLDER
    python -m benchmarks.graded --data FOLDER --name both-3 --times 3

The rate is the suggested one `--times` a factor, or `--rate`, falling linearly to 0. A line is added to
results/graded-runs.jsonl; the layer and its seed log are in OUT/NAME.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from app.llm.store import ModelStore
from app.settings import PROJECT_ROOT, Settings
from app.zo import Base, Config, PreferenceMargin, ResponseLoss, ZOTrainer, suggest_rate
from app.zo import bench as measuring
from app.zo.loading import load
from app.zo.objective import Example, read_jsonl
from app.zo.types import Diverged
from benchmarks.lines import append_line, read_lines

RUNS = PROJECT_ROOT / "benchmarks/results/graded-runs.jsonl"


class Both(PreferenceMargin):
    """The margin's loss and the chosen answer's own, summed."""

    name = "preference+response"

    def loss(self, example: Example, scores: Sequence[torch.Tensor]) -> torch.Tensor:
        return super().loss(example, scores) - scores[0].mean()


OBJECTIVES = {"both": Both, "preference": PreferenceMargin, "response": ResponseLoss}


def margin(model: Any, tokenizer: Any, raws: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """On pairs: the margin's loss and in how many the better answer is the likelier."""
    trainer = ZOTrainer(model, PreferenceMargin(tokenizer), Config(layer=0, part="attention", both_signs=False))
    loss, right = trainer.evaluate(trainer.source(raws), len(raws))
    return {"pairs": len(raws), "loss": round(loss, 4), "right": right}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--objective", choices=OBJECTIVES, default="both")
    parser.add_argument("--layer", type=int, default=11)
    parser.add_argument("--part", default="all")
    parser.add_argument("--method", default="zo")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--times", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "data/bench/tuned")
    given = parser.parse_args()
    if any(run["name"] == given.name for run in read_lines(RUNS)):
        raise SystemExit(f"There is a run {given.name} in {RUNS} already.")
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder, device=given.device)
    kind = "good" if given.objective == "response" else "pairs"
    training, checked, pairs = (
        read_jsonl(given.data / f"{name}.jsonl") for name in (f"{kind}-train", f"{kind}-checked", "pairs-checked")
    )
    config = Config(
        layer=given.layer, part=given.part, method=given.method, both_signs=given.method == "zo", steps=given.steps,
        batch_size=given.batch, rate=1.0 if given.rate is None else given.rate, schedule="linear",
        validate_every=given.every, seed=given.seed,
    )  # fmt: skip
    objective = OBJECTIVES[given.objective](tokenizer)
    if given.rate is None:
        rate = suggest_rate(model, objective, config, training)
        config = replace(config, rate=float(f"{given.times * rate:.2g}"))
    told: dict[str, Any] = {
        "name": given.name, "objective": given.objective, "examples": len(training), "checked": len(checked),
        "config": config.as_json(), "machine": measuring.machine(), "before": margin(model, tokenizer, pairs),
    }  # fmt: skip
    print(told, flush=True)

    def tell(progress: Any) -> None:
        if progress.validation:
            print(progress.step, progress.validation, f"{progress.seconds_left:.0f} s left", flush=True)

    trainer = ZOTrainer(model, objective, config, base=Base(found.model_id, found.sha256))
    try:
        result = trainer.fit(training, checked, given.out / given.name, on_progress=tell)
    except Diverged as error:
        told["diverged"] = str(error)
    else:
        assert result.tuned is not None
        fresh, _ = load(found.folder, device=given.device)
        result.tuned.apply(fresh)
        told |= {**result.as_json(), "validations": [asdict(v) for v in result.validations],
                 "after": margin(fresh, tokenizer, pairs)}  # fmt: skip
    append_line(RUNS, told)
    print(told.get("after"), flush=True)


if __name__ == "__main__":
    main()
