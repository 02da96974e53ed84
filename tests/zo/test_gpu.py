"""What runs on a CPU runs on a GPU, and a log written on one is replayed on the other. Skipped where there is none.

`python -m pytest --confcutdir=tests/zo tests/zo/test_gpu.py` needs nothing of the editor installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from app.zo import Config, OptionChoice, ResponseLoss, ZOTrainer, find_dominant_layer, suggest_rate
from app.zo.baselines import REGIMES, regime
from app.zo.master import rebuilt
from app.zo.noise import Rademacher

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
CONFIG = Config(layer=1, steps=6, batch_size=4, rate=1e-3, validate_every=3)
TEXTS = [f"a text of some length, number {n}" for n in range(12)]


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_regime_trains_there(
    build: Callable[[], Any], letters: Any, choices: list[Any], responses: list[Any], name: str, dtype: torch.dtype
) -> None:
    tolerance = 1e-3 if dtype == torch.float32 else 0.1
    for objective, rows in ((OptionChoice(letters), choices), (ResponseLoss(letters), responses)):
        result = ZOTrainer(build().to("cuda", dtype), objective, regime(name, CONFIG)).fit(rows, rows[:8])
        here = ZOTrainer(build(), objective, regime(name, CONFIG))
        untuned, _ = here.evaluate(here.source(rows[:8]), 8)
        assert result.validations[0].loss == pytest.approx(untuned, abs=tolerance)
        assert result.validations[-1].loss != result.validations[0].loss


@pytest.mark.parametrize("triton", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_noise_has_the_same_bits(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, triton: bool) -> None:
    monkeypatch.setattr("app.zo.noise._HAS_TRITON", triton)
    for count in (1, 63, 64, 65, 2048, 2049, 100_003):
        for key in (0, 1, 12345, 2**31, 2**40 + 7, 2**63, 2**64 - 1):
            start = torch.linspace(-1, 1, count).to(dtype)
            here, there = start.clone(), start.cuda()
            for tensor in (here, there):
                Rademacher().add_(tensor, key, 1e-3)
            assert torch.equal(there.cpu(), here), (count, key)


def test_first_losses_are_those_of_a_cpu(build: Callable[[], Any], letters: Any, responses: list[Any]) -> None:
    found = []
    for device in ("cpu", "cuda"):
        trainer = ZOTrainer(build().to(device), ResponseLoss(letters), CONFIG)
        found.append(trainer.step(trainer.batch(trainer.source(responses), len(responses), 0), 0))
    assert found[1][1] == pytest.approx(found[0][1], abs=1e-4)
    assert found[1][0] == pytest.approx(found[0][0], rel=0.02, abs=0.02)


def test_log_of_a_gpu_is_replayed_on_a_cpu_bit_for_bit(
    build: Callable[[], Any], letters: Any, responses: list[Any], tmp_path: Path
) -> None:
    ZOTrainer(build().to("cuda"), ResponseLoss(letters), CONFIG).fit(responses, responses[:8], tmp_path)
    for device in ("cuda", "cpu"):
        same, _ = rebuilt(build().to(device), "", tmp_path)
        assert same


def test_finder_and_rate(build: Callable[[], Any], letters: Any, responses: list[Any]) -> None:
    here, there = (find_dominant_layer(build().to(device), letters, TEXTS) for device in ("cpu", "cuda"))
    assert (there.layer, there.rule) == (here.layer, here.rule)
    rates = [
        suggest_rate(build().to(device), ResponseLoss(letters), replace(CONFIG, batch_size=8), responses)
        for device in ("cpu", "cuda")
    ]
    assert rates[1] == pytest.approx(rates[0], rel=0.1)
