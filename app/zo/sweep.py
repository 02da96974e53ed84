"""Every block tuned alone, beside the activation profile: is the finder's block the one to tune?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from app.zo.layer import LOG_NAME, SeedLog
from app.zo.objective import Objective
from app.zo.trainer import ZOTrainer
from app.zo.types import Base, Config, Diverged, ZOError

RUNS_NAME = "sweep.jsonl"


def sweep(
    model: nn.Module,
    base: Base,
    objective: Objective,
    training: Sequence[Mapping[str, Any]],
    validation: Sequence[Mapping[str, Any]],
    config: Config,
    layers: Sequence[int],
    rates: Sequence[float],
    out: Path,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Tune each block alone at each rate, from the same base on the same batches; one line in `out` per finished run.

    Runs that are finished there are not done again, an interrupted one goes on. The model is left as it was. A rate at
    which the loss diverges is a result too: its loss is None. Raises ZOError.
    """
    if not validation:
        raise ZOError("A sweep compares by validation loss: name --validation data.")
    if not layers or not rates:
        raise ZOError("A sweep needs a block and a rate at the least.")
    out.mkdir(parents=True, exist_ok=True)
    lines = out / RUNS_NAME
    done = list(_finished(lines))
    untuned = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for layer in layers:
        for rate in rates:
            if any(run["layer"] == layer and run["rate"] == rate for run in done):
                continue
            run = replace(config, layer=layer, rate=rate)
            found = _one(model, base, objective, training, validation, run, out / f"block-{layer:02d}-rate-{rate:g}")
            model.load_state_dict(untuned)
            done.append({"layer": layer, "rate": rate, **found})
            partial = lines.with_name(f".{RUNS_NAME}")
            partial.write_text("".join(json.dumps(one) + "\n" for one in done))
            partial.replace(lines)
            tell(f"block {layer}, rate {rate:g}: validation loss {found['loss']}")
    return done


def _finished(lines: Path) -> Iterator[dict[str, Any]]:
    """What can't be read was cut off by a crash, and is done again."""
    for line in lines.read_text().split("\n") if lines.exists() else ():
        try:
            run = json.loads(line)
        except ValueError:
            continue
        if isinstance(run, dict) and {"layer", "rate", "loss"} <= run.keys():
            yield run


def _one(
    model: nn.Module,
    base: Base,
    objective: Objective,
    training: Sequence[Mapping[str, Any]],
    validation: Sequence[Mapping[str, Any]],
    config: Config,
    folder: Path,
) -> dict[str, Any]:
    trainer = ZOTrainer(model, objective, config, base=base)
    log = folder / LOG_NAME
    if log.exists() and SeedLog.load(log).result is not None:
        log.unlink()  # finished, but not yet noted: it is quicker to do it again than to tell apart
    try:
        result = trainer.fit(training, validation, folder, resume=log.exists())
    except Diverged as error:
        return {"loss": None, "accuracy": None, "steps": None, "why": str(error)}
    best = min(result.validations, key=lambda v: v.loss)
    return {
        "loss": round(best.loss, 5),
        "accuracy": best.accuracy,
        "start": round(result.validations[0].loss, 5),
        "steps": result.steps,
        "best_step": best.step,
        "seconds": round(result.seconds, 1),
    }
