"""Step times on shapes too large for a laptop, with random weights, which cost what trained ones do.

    python -m benchmarks.zo_gpu [--shapes qwen3-8b,llama2-7b] [--tasks options,16x32,16x128,16x512]
                                [--device cuda] [--dtype bfloat16] [--rounds 10] [--out FILE]

Needs nothing but the project and a GPU with 80 GB. Regimes take turns on one model: at the benchmark's rate of 1e-9 it
stays what it is but for rounding. A line of JSON is appended for each shape, task and regime as it is done, and what is
there already is not measured again. `--shapes tiny --device cpu --dtype float32` shows within a minute that it runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from app.settings import PROJECT_ROOT
from app.zo import OptionChoice, ResponseLoss
from app.zo import bench as measuring
from app.zo.baselines import REGIMES

SHAPES: dict[str, tuple[str, int, dict[str, int]]] = {
    # name: kind, dominant block, config
    "tiny": ("qwen3", 1, {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
                          "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512}),
    "qwen3-8b": ("qwen3", 6, {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                              "vocab_size": 151936}),
    "llama2-7b": ("llama", 1, {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                               "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000}),
}  # fmt: skip


class Numbers:
    """A tokenizer for options that are token numbers already."""

    eos_token_id = 1
    chat_template = None

    def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
        return SimpleNamespace(input_ids=[int(text)])


def make(shape: str, device: str, dtype: str) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    kind, _, sizes = SHAPES[shape]
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            if kind == "llama":
                return LlamaForCausalLM(LlamaConfig(**sizes)).eval().requires_grad_(False)  # type: ignore[arg-type]
            return Qwen3ForCausalLM(Qwen3Config(**sizes)).eval().requires_grad_(False)  # type: ignore[arg-type]
    finally:
        torch.set_default_dtype(before)


def rows(task: str, vocabulary: int, count: int) -> list[dict[str, Any]]:
    """`options`: prompts of 16 to 48 tokens, as SST-2's are, with two answers; `BxT`: T tokens, half of them answer."""
    draw = random.Random(0)

    def tokens(n: int) -> list[int]:
        return [draw.randrange(10, vocabulary) for _ in range(n)]

    if task == "options":
        return [
            {"prompt_ids": tokens(draw.randint(16, 48)), "options": ["5", "6"], "label": i % 2} for i in range(count)
        ]
    length = int(task.partition("x")[2])
    return [{"prompt_ids": tokens(length - length // 2), "response_ids": tokens(length // 2)} for _ in range(count)]


def measure(model: Any, shape: str, task: str, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    _, block, sizes = SHAPES[shape]
    batch = 16 if task == "options" else int(task.partition("x")[0])
    data = rows(task, sizes["vocab_size"], batch * 4)
    config = measuring.bench_config(block, batch)

    def objective(regime: Any) -> Any:
        return OptionChoice(Numbers(), regime.one_pass_options) if task == "options" else ResponseLoss(Numbers())

    if arguments.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    done = measuring.step_times(lambda: model, objective, data, config, arguments.rounds + 2, [name])
    gc.collect()
    peak = torch.cuda.max_memory_allocated() if arguments.device.startswith("cuda") else None
    if arguments.device.startswith("cuda"):
        torch.cuda.empty_cache()
    # The first two rounds choose kernels and grow the allocator's pools.
    return {"shape": shape, "task": task, "regime": name, "dtype": arguments.dtype, "peak_bytes": peak,
            "seconds": measuring.medians(done[2:])[name], "machine": measuring.machine()}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="qwen3-8b,llama2-7b")
    parser.add_argument("--tasks", default="options,16x32,16x128,16x512")
    # The others leave adapters or gradients on the model that regimes share.
    shared = [name for name in REGIMES if name not in ("adamw", "lora")]
    parser.add_argument("--regimes", nargs="+", choices=shared, default=shared)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "benchmarks/results/zo-gpu.jsonl")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {(x["shape"], x["task"], x["regime"]): x for x in map(json.loads, lines)}
    for shape in arguments.shapes.split(","):
        own: Any = None
        for task in arguments.tasks.split(","):
            for name in arguments.regimes:
                if (shape, task, name) not in done:
                    own = own or make(shape, arguments.device, arguments.dtype)
                    done[shape, task, name] = measure(own, shape, task, name, arguments)
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(done[shape, task, name]) + "\n")
            totals = {n: done[shape, task, n]["seconds"]["total"] for n in arguments.regimes}
            ratios = {n: round(value / totals["ours"], 2) for n, value in totals.items() if "ours" in totals}
            print(shape, task, json.dumps(totals), json.dumps(ratios), flush=True)


if __name__ == "__main__":
    main()
