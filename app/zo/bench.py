"""What a step costs, ours against others', on the same examples: regimes take turns, so that what else the machine does
hits all alike. Times are medians over the rounds; peak memory is of a process of its own for each regime."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from app.zo.baselines import regime
from app.zo.objective import Objective
from app.zo.trainer import ZOTrainer, peak_bytes
from app.zo.types import Config, Part, ZOError

_RATE = 1e-9
"""So small that the models stay what they are, however many steps are measured."""

MakeObjective = Callable[[Config], Objective]
Round = dict[str, dict[str, float]]
"""For each regime, the seconds of a step by part, `total` by the clock and of the `processor`."""


def step_times(
    load: Callable[[], nn.Module],
    objective: MakeObjective,
    rows: Sequence[Mapping[str, Any]],
    config: Config,
    rounds: int,
    regimes: Sequence[str],
    after_round: Callable[[Round], None] = lambda one: None,
) -> list[Round]:
    """One step of each regime in every round, each on what `load` gives it: models of their own where there are more.

    Raises ZOError for too few rows.
    """
    if len(rows) < config.batch_size:
        raise ZOError(f"A batch of {config.batch_size} needs as many examples; there are {len(rows)}.")
    trainers: dict[str, ZOTrainer] = {}
    sources: dict[str, Any] = {}
    for name in regimes:
        own = regime(name, config)
        trainers[name] = ZOTrainer(load(), objective(own), own)
        sources[name] = trainers[name].source(rows)
    measured: list[Round] = []
    for step in range(rounds):
        measured.append({name: _step(trainers[name], sources[name], len(rows), step) for name in regimes})
        after_round(measured[-1])
    return measured


def medians(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """Over the rounds, for each regime and part."""
    return {
        name: {
            part: round(median(one[name].get(part, 0.0) for one in rounds), 4)
            for part in sorted({part for one in rounds for part in one[name]})
        }
        for name in rounds[0]
    }


def ratios(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """How many of our steps one of another regime takes, by the clock and in processor time, from `medians`."""
    ours = found["ours"]
    told = {}
    for name in found:
        if name != "ours":
            key = f"ratio_vs_{name.replace('-', '_')}"
            told[key] = round(found[name]["total"] / ours["total"], 2)
            told[f"{key}_processor"] = round(found[name]["processor"] / ours["processor"], 2)
    return told


def peaks(command: Sequence[str], regimes: Sequence[str]) -> dict[str, int]:
    """Peak bytes of one step of each regime, and of `inference` on the batch; `command` is run once for each."""
    found = {}
    for name in ("inference", *regimes):
        done = subprocess.run([*command, "--one", name], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise ZOError(f"Measuring the memory of {name} failed: {done.stderr.strip().splitlines()[-1:]}")
        found[name] = int(json.loads(done.stdout)["peak_bytes"])
    return found


def one_peak(
    name: str,
    model: nn.Module,
    objective: MakeObjective,
    rows: Sequence[Mapping[str, Any]],
    config: Config,
) -> int:
    """Peak bytes of this process over two steps of a regime, or over `inference` on the batch, loading left out."""
    device = next(model.parameters()).device
    own = regime("ours" if name == "inference" else name, config)
    chosen = objective(own)
    if name == "inference":
        examples = [chosen.encode(row).rows[0].ids for row in rows[: config.batch_size]]
        longest = max(map(len, examples))
        padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in examples], device=device)
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in examples], device=device)
        _reset_peak(device)
        whole: Any = model
        with torch.no_grad():
            for _ in range(2):
                whole(padded, attention_mask=mask, use_cache=False, logits_to_keep=1)
        return _peak(device)
    _reset_peak(device)
    trainer = ZOTrainer(model, chosen, own)
    source = trainer.source(rows)
    for step in range(2):
        _step(trainer, source, len(rows), step)
    return _peak(device)


def machine() -> dict[str, Any]:
    """What a figure needs beside it."""
    names = []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def command(arguments: Sequence[str]) -> list[str]:
    """This program again."""
    return [sys.executable, "-m", "app", "zo", "bench", *arguments]


def _step(trainer: ZOTrainer, source: Any, count: int, step: int) -> dict[str, float]:
    trainer.clock.seconds.clear()
    began, worked = time.perf_counter(), time.process_time()
    trainer.step(trainer.batch(source, count, step), step)
    return {
        **trainer.clock.seconds,
        "total": time.perf_counter() - began,
        "processor": time.process_time() - worked,
    }


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    status = Path("/proc/self/status")
    if device.type != "cuda" and status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return peak_bytes(device)


def bench_config(layer: int, batch_size: int, part: Part = "all") -> Config:
    return Config(layer=layer, part=part, batch_size=batch_size, rate=_RATE)
