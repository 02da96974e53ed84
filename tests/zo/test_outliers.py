"""The finder names the block, the rule that spoke and its evidence."""

from __future__ import annotations

import time

import pytest
import torch

from app.zo.outliers import CALIBRATION, find_dominant_layer, sensitivity
from app.zo.report import sweep_page
from app.zo.types import ZOError
from tests.zo.conftest import tiny

TEXTS = [f"text number {i} of a few" for i in range(12)]


def with_outlier(block: int, size: float):
    """An activation of `size` is born in one channel at the output of `block`, and stays."""
    model = tiny()
    layer = model.model.layers[block]
    with torch.no_grad():
        layer.mlp.gate_proj.weight[0].fill_(1.0)
        layer.mlp.up_proj.weight[0].fill_(1.0)
        layer.mlp.down_proj.weight.zero_()
        layer.mlp.down_proj.weight[5, 0] = size
    return model


def test_smollm_has_it_at_block_11(smollm):
    model, tokenizer, _ = smollm
    began = time.process_time()
    profile = find_dominant_layer(model, tokenizer, CALIBRATION)
    assert (profile.layer, profile.rule) == (11, "massive-activation")
    assert time.process_time() - began < 10
    block = profile.blocks[11]
    assert block.largest > 20_000
    assert block.ratio > 10_000
    assert block.share == 1.0
    assert all(b.share <= 0.5 for b in profile.blocks[:11])
    assert "Block 11" in profile.explanation


@pytest.mark.parametrize("block", [1, 2])
def test_the_first_block_to_meet_both_bounds(letters, block):
    profile = find_dominant_layer(with_outlier(block, 1e6), letters, TEXTS)
    assert (profile.layer, profile.rule) == (block, "massive-activation")
    assert profile.blocks[block].channel == 5


def test_a_jump_short_of_the_bounds_is_named_as_that(letters):
    profile = find_dominant_layer(with_outlier(2, 30.0), letters, TEXTS)
    assert (profile.layer, profile.rule) == (2, "largest-jump")
    assert "No block" in profile.explanation


def test_without_any_outlier_probes_decide_and_it_says_so(letters, build):
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    profile = find_dominant_layer(model, letters, TEXTS)
    assert profile.rule == "sensitivity"
    assert "squared gradient" in profile.explanation
    measured = [block.sensitivity for block in profile.blocks]
    assert measured[profile.layer] == max(measured)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_layer_asked_for_overrides_and_is_told_so(letters):
    profile = find_dominant_layer(with_outlier(1, 1e6), letters, TEXTS, layer=3)
    assert (profile.layer, profile.rule) == (3, "override")


def test_a_sweep_whose_runs_all_diverged_is_drawn_and_says_so(letters, tmp_path):
    profile = find_dominant_layer(with_outlier(1, 1e6), letters, TEXTS)
    runs = [{"layer": layer, "rate": 1.0, "loss": None} for layer in (1, 2)]
    sweep_page("tiny", profile, runs, tmp_path / "sweep.html")
    assert "every run diverged" in (tmp_path / "sweep.html").read_text()


def test_too_few_texts_or_no_such_block_are_refused(letters):
    with pytest.raises(ZOError, match="10 are needed"):
        find_dominant_layer(tiny(), letters, TEXTS[:9])
    with pytest.raises(ZOError, match="0 to 3"):
        find_dominant_layer(tiny(), letters, TEXTS, layer=4)


def test_sensitivity_is_the_squared_gradient(letters):
    """Within a factor: 16 probes give the norm of a block's gradient to some 35 per cent (one standard error)."""
    from app.zo.model import Decoder
    from app.zo.objective import ResponseLoss

    model = tiny()
    rows = [ResponseLoss(letters).encode({"prompt": t, "response": "and so on"}).rows[0] for t in TEXTS[:4]]
    found = sensitivity(Decoder(model), rows, probes=16)
    losses = []
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0, list(row.reads)].log_softmax(-1)
        losses.append(-logits[range(len(row.targets)), list(row.targets)].mean())
    torch.stack(losses).mean().backward()
    for layer, value in zip(model.model.layers, found, strict=True):
        true = float(sum(parameter.grad.square().sum() for parameter in layer.parameters()))
        assert 0.3 < value / true < 3
