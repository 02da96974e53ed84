"""A learning rate from the loss's own curvature, so that none has to be guessed.

A step of rate r along z changes the loss by -r g^2 + r^2 g^2 z'Hz / 2 to second order, g being z'(grad) and H the
Hessian. Over directions of unit variance z'Hz has the mean tr H, so that the step gains most at r = 1 / tr H and loses
beyond 2 / tr H. A second difference of the loss along z is epsilon^2 z'Hz; its size is taken, since a step is no larger
where the loss curves downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from app.zo.layer import LOG_NAME, SeedLog
from app.zo.objective import Objective
from app.zo.trainer import ZOTrainer
from app.zo.types import Config, ZOError

SHARE = 1 / 6
"""Of 1 / tr H. Half of it would do along an average direction, but a batch's gradient is noisier than its curvature: at
a constant half one layer came apart on SST-2, at this it learns; the whole model and LoRA bear less (docs/zo.md)."""
PROBE = 1e-2
"""Larger than a training probe: second differences of smaller ones drown in float32's rounding."""


def suggest_rate(
    model: nn.Module,
    objective: Objective,
    config: Config,
    training: Sequence[Mapping[str, Any]],
    *,
    dominant: int | None = None,
    probes: int = 5,
) -> float:
    """SHARE of 1 / tr H, on the run's first batch, to two significant digits; `config.rate` does not count.

    It takes two passes over that batch for each of `probes` and one more; the model is left as it was. Raises ZOError
    where a rate can't be told.
    """
    if not config.master or config.method != "zo":
        raise ZOError("A rate is measured with a master copy and method='zo' only: name one.")
    trainer = ZOTrainer(model, objective, replace(config, accumulate=1, cache_file=None), dominant=dominant)
    rows = list(training[: config.batch_size])
    batch = trainer.batch(trainer.source(rows), len(rows), 0)
    here, _ = trainer._probe(batch, 0, 0, 0.0)
    sums = [sum(trainer._probe(batch, 0, query, PROBE)) for query in range(probes)]
    trainer.restore()
    curvature = fmean(abs(both - 2 * here) / PROBE**2 for both in sums)
    if not curvature > 0:
        raise ZOError("The loss does not change along any direction that was probed: name a rate.")
    return float(f"{SHARE / curvature:.2g}")


def with_rate(
    model: nn.Module,
    objective: Objective,
    config: Config,
    training: Sequence[Mapping[str, Any]],
    out: Path,
    *,
    resume: bool,
    dominant: int | None = None,
) -> tuple[Config, str]:
    """`config` with the rate of the run that goes on in `out`, else a suggested one; and a sentence on it."""
    begun = SeedLog.load(out).config.rate if resume and (out / LOG_NAME).exists() else None
    rate = begun or suggest_rate(model, objective, config, training, dominant=dominant)
    return replace(config, rate=rate), f"The rate is {rate:g}, by the curvature of the loss on the first batch."
