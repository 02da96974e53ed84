"""The rate that is measured: against exact second derivatives, and by what a step of it does."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
import torch

from app.zo import Config, ResponseLoss, ZOError, ZOTrainer, suggest_rate
from app.zo.baselines import regime
from tests.zo.conftest import tiny

CONFIG = Config(layer=3, part="up", batch_size=4, steps=40, validate_every=0)


def test_it_is_a_sixth_of_one_over_the_curvature_as_second_derivatives_have_it(letters, responses):
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = suggest_rate(model, ResponseLoss(letters), CONFIG, responses)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())

    trainer = ZOTrainer(model, ResponseLoss(letters), CONFIG)
    source = trainer.source(responses[:4])
    [(_, prepared)] = trainer.batch(source, 4, 0)
    (tensor,) = trainer.tensors.values()
    tensor.requires_grad_(True)
    (gradient,) = torch.autograd.grad(source.mean_loss(prepared), tensor, create_graph=True)
    curvatures = []
    for query in range(5):
        z = torch.zeros_like(tensor)
        trainer._noise.add_(z, trainer.master._key(0, query, 0), 1.0)
        (along,) = torch.autograd.grad((gradient * z).sum(), tensor, retain_graph=True)
        curvatures.append(abs(float((along * z).sum())))
    assert found == pytest.approx(1 / 6 / fmean(curvatures), rel=0.1)


def test_steps_of_that_rate_learn(letters, responses):
    rate = suggest_rate(tiny(), ResponseLoss(letters), CONFIG, responses[:4])
    trainer = ZOTrainer(tiny(), ResponseLoss(letters), replace(CONFIG, rate=rate))
    start, *_, end = trainer.fit(responses[:4], responses[:4]).validations
    assert end.loss < start.loss - 0.1


def test_what_has_no_master_is_told_to_name_one(letters, responses):
    for config in (regime("tuned-mezo", CONFIG), regime("adamw", CONFIG)):
        with pytest.raises(ZOError, match="name one"):
            suggest_rate(tiny(), ResponseLoss(letters), config, responses)
