"""What holds bit for bit, and what holds to the rounding of float32 (stated beside each)."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from app.zo.baselines import regime
from app.zo.layer import LOG_NAME, SeedLog, TunedLayer, fingerprint
from app.zo.master import Master, rebuilt, replay
from app.zo.model import Decoder, Tree
from app.zo.noise import Rademacher
from app.zo.objective import CallableObjective, Example, OptionChoice, PreferenceMargin, ResponseLoss
from app.zo.trainer import ZOTrainer
from app.zo.types import Config
from tests.zo.conftest import tiny

FLOAT32 = 2e-5
"""Losses of a few nats, summed in another order: seen up to 3e-6."""
BASE = Config(layer=1, steps=6, batch_size=8, rate=1e-3, validate_every=2)
WHOLE = {"both_signs": False, "packed": False, "cache_prefix": "off"}


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("part", ["all", "mlp", "up", "attention", "lora"])
def test_after_a_probe_every_parameter_is_what_it_was(build, letters, choices, part):
    model = build()
    trainer = ZOTrainer(model, OptionChoice(letters), replace(BASE, part=part))
    batch = trainer.batch(trainer.source(choices), len(choices), 0)
    before = state(model)
    assert trainer.difference(batch, 0, 1e-3) != 0
    assert equal(state(model), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_after_a_probe_in_half_precision_too(letters, choices, dtype, build):
    model = build().to(dtype)
    trainer = ZOTrainer(model, OptionChoice(letters), BASE)
    before = state(model)
    trainer.difference(trainer.batch(trainer.source(choices), len(choices), 0), 0, 1e-2)
    assert equal(state(model), before)


@pytest.mark.parametrize("part", ["all", "mlp", "up"])
def test_frozen_tensors_keep_their_hash(build, letters, choices, part):
    model = build()
    own = "model.layers.1." + {"all": "", "mlp": "mlp.", "up": "mlp.up_proj."}[part]
    before = fingerprint({n: t for n, t in model.state_dict().items() if not n.startswith(own)})
    tuned = fingerprint({n: t for n, t in model.state_dict().items() if n.startswith(own)})
    ZOTrainer(model, OptionChoice(letters), replace(BASE, part=part)).fit(choices)
    assert fingerprint({n: t for n, t in model.state_dict().items() if not n.startswith(own)}) == before
    assert fingerprint({n: t for n, t in model.state_dict().items() if n.startswith(own)}) != tuned


@pytest.mark.parametrize("config", [
    BASE,
    replace(BASE, part="mlp", queries=3, schedule="cosine"),
    replace(BASE, layer=(1, 3), schedule="linear", accumulate=2),
    replace(BASE, noise="gaussian", both_signs=False),
    regime("lora", replace(BASE, rate=1e-2)),
], ids=["plain", "queries", "two-layers", "gaussian", "lora"])  # fmt: skip
def test_the_log_alone_gives_the_trained_layer(build, letters, choices, tmp_path, config):
    trainer = ZOTrainer(build(), OptionChoice(letters), config)
    result = trainer.fit(choices, choices[:8], tmp_path)
    again = replay(SeedLog.load(tmp_path), build())
    assert equal(again.values, trainer.master.values)
    assert result.tuned is not None
    same, layer = rebuilt(build(), "", tmp_path)
    assert same
    assert layer.sha256 == result.tuned.sha256


def test_the_delta_is_of_the_best_step_and_gives_the_layer_to_its_rounding(letters, responses, tmp_path, build):
    trainer = ZOTrainer(build(), ResponseLoss(letters), BASE)
    result = trainer.fit(responses, responses[:8], tmp_path, delta_dtype=torch.float32)
    best = min(result.validations, key=lambda v: v.loss)
    assert result.best_step == best.step
    model = build()
    tuned = TunedLayer.load(tmp_path)
    before = state(model)
    with tuned.on(model):
        evaluator = ZOTrainer(model, ResponseLoss(letters), Config(layer=0, batch_size=8))
        assert evaluator.evaluate(evaluator.source(responses[:8]), 8)[0] == pytest.approx(best.loss, abs=FLOAT32)
        assert not equal(state(model), before)
    assert equal(state(model), before)


def test_resumed_at_any_step_is_the_uninterrupted_run(build, letters, choices, tmp_path):
    whole = ZOTrainer(build(), OptionChoice(letters), BASE)
    whole.fit(choices, choices[:8], tmp_path / "whole")

    class Interrupted(Exception):
        pass

    for stop in (1, 2, 5):
        folder = tmp_path / str(stop)

        def interrupt(progress, stop=stop):
            if progress.step == stop:
                raise Interrupted

        with pytest.raises(Interrupted):
            ZOTrainer(build(), OptionChoice(letters), BASE).fit(choices, choices[:8], folder, on_progress=interrupt)
        with (folder / LOG_NAME).open("ab") as file:
            file.write(b"\x01\x02")  # the record that a crash cut off
        trainer = ZOTrainer(build(), OptionChoice(letters), BASE)
        trainer.fit(choices, choices[:8], folder, resume=True)
        assert equal(trainer.master.values, whole.master.values)
        assert SeedLog.load(folder).gradients == SeedLog.load(tmp_path / "whole").gradients
        assert TunedLayer.load(folder).tuned_id == TunedLayer.load(tmp_path / "whole").tuned_id
        assert fingerprint(TunedLayer.load(folder).deltas) == fingerprint(TunedLayer.load(tmp_path / "whole").deltas)


@pytest.mark.parametrize("kind", [OptionChoice, ResponseLoss])
@pytest.mark.parametrize("change", [
    {}, {"part": "mlp"}, {"part": "up"}, {"cache_prefix": "batch"}, {"cache_prefix": "off"}, {"share_prompts": False},
    {"both_signs": False}, {"cache_file": "{tmp}/prefix"}, {"cache_bytes": 10}, WHOLE, {**WHOLE, "read_only": False},
    {"layer": 3}, {"layer": (1, 3)}, {"layer": 0},
], ids=str)  # fmt: skip
def test_every_switch_leaves_the_loss_as_the_full_forward_has_it(
    build, letters, choices, responses, tmp_path, kind, change
):
    """The fast path's losses at both signs, against the model's own forward with the probe's weights put in by hand."""
    rows = choices if kind is OptionChoice else responses
    change = {k: v.format(tmp=tmp_path) if isinstance(v, str) else v for k, v in change.items()}
    config = replace(BASE, **change)
    model = build()
    trainer = ZOTrainer(model, kind(letters), config)
    batch = trainer.batch(trainer.source(rows), len(rows), 0)
    plus, minus = trainer._probe(batch, 0, 0, 0.05)
    trainer.restore()
    chosen = [rows[i] for i in _chosen(trainer, len(rows))]
    for sign, found in ((1, plus), (-1, minus)):
        trainer.master.probe(trainer.tensors, 0, 0, sign * 0.05)
        assert found == pytest.approx(_by_hand(model, kind(letters), chosen), abs=FLOAT32)
    trainer.restore()
    assert abs(plus - minus) > 100 * FLOAT32  # so that a probe that was never put in would show


@pytest.mark.parametrize("call", [0, 2**22])
def test_however_rows_share_attention_the_loss_is_the_full_forwards(build, letters, responses, monkeypatch, call):
    """Rows of their own, and all in one call with padding, as on a GPU."""
    monkeypatch.setattr("app.zo.model._CALL", call)
    trainer = ZOTrainer(build(), ResponseLoss(letters), BASE)
    loss, _ = trainer.evaluate(trainer.source(responses), len(responses))
    assert loss == pytest.approx(_by_hand(build(), ResponseLoss(letters), responses), abs=FLOAT32)


@pytest.mark.parametrize("config", [BASE, replace(BASE, both_signs=False), replace(BASE, **WHOLE)])
def test_at_epsilon_0_the_difference_is_exactly_0(build, letters, choices, config):
    trainer = ZOTrainer(build(), OptionChoice(letters), config)
    assert trainer.difference(trainer.batch(trainer.source(choices), len(choices), 0), 0, 0.0) == 0.0


def test_one_pass_for_all_options_is_one_row_for_each(build, letters, choices):
    losses = []
    for one_pass in (True, False):
        trainer = ZOTrainer(build(), OptionChoice(letters, one_pass), BASE)
        losses.append(trainer.evaluate(trainer.source(choices), len(choices)))
    assert losses[0][0] == pytest.approx(losses[1][0], abs=FLOAT32)
    assert losses[0][1] == losses[1][1]
    assert losses[0][0] == pytest.approx(_by_hand(build(), OptionChoice(letters), choices), abs=FLOAT32), (
        "of all of them"
    )


def test_beginnings_in_common_are_held_once(letters, responses):
    rows = [ResponseLoss(letters).encode(raw).rows[0] for raw in responses]
    tree = Tree(rows)
    assert tree.size == len({row.ids[: i + 1] for row in rows for i in range(len(row.ids))})
    assert Tree(rows, share=False).size == sum(len(row.ids) for row in rows)


def test_a_beginning_in_common_is_run_once_while_the_cache_is_filled(letters):
    model = tiny()
    run: list[int] = []
    model.model.layers[0].mlp.register_forward_hook(lambda module, given, out: run.append(given[0].shape[1]))
    rows = [{"prompt": "a" * 120 + chr(60 + i), "response": "yes"} for i in range(30)]
    trainer = ZOTrainer(model, ResponseLoss(letters), BASE)
    run.clear()
    source = trainer.source(rows)
    assert sum(run) == source.tree.size < 512


def test_the_mean_of_the_estimate_is_the_gradient(letters, responses):
    """Along z the estimate is z'(grad), and the mean of z times it is the gradient. Over n directions each mean lies
    within 5 standard errors, |grad| / sqrt(n) at most, and the mean square within 5 sqrt(2 / n) of |grad|^2."""
    trainer = ZOTrainer(tiny(), ResponseLoss(letters), replace(BASE, part="mlp", batch_size=4))
    source = trainer.source(responses[:4])
    batch = trainer.batch(source, 4, 0)
    for tensor in trainer.tensors.values():
        tensor.requires_grad_(True)
    source.mean_loss(batch[0][1]).backward()
    true = {name: tensor.grad.clone() for name, tensor in trainer.tensors.items()}
    for tensor in trainer.tensors.values():
        tensor.requires_grad_(False)
    norm = float(sum(g.square().sum() for g in true.values()) ** 0.5)
    directions = 300
    mean = {name: torch.zeros_like(g) for name, g in true.items()}
    square = 0.0
    for step in range(directions):
        gradient = trainer.difference(batch, step, 1e-3) / 2e-3
        square += gradient**2 / directions
        for index, name in enumerate(trainer.master.values):
            Rademacher().add_(mean[name], trainer.master._key(step, 0, index), gradient / directions)
    assert max(float((mean[n] - true[n]).abs().max()) for n in true) < 5 * norm / directions**0.5
    assert abs(square / norm**2 - 1) < 5 * (2 / directions) ** 0.5
    assert float(sum((mean[n] * true[n]).sum() for n in true)) / norm**2 > 0.5


def test_the_losses_are_what_their_formulas_say(letters):
    scores = [torch.tensor([-1.0, -3.0]), torch.tensor([-4.0]), torch.tensor([-2.0])]
    assert float(ResponseLoss(letters).loss(Example(()), scores[:1])) == 2
    logits = torch.tensor([0.0, math.log(3)])
    assert float(OptionChoice(letters).loss(Example((), label=1), [logits])) == pytest.approx(-math.log(3 / 4))
    assert float(OptionChoice(letters).loss(Example((), label=2), scores)) == pytest.approx(math.log(2 + math.exp(-2)))
    # Two nats a token likelier than the one, as likely as the other.
    wanted = (math.log(1 + math.exp(-2 * 2)) + math.log(2)) / 2
    assert float(PreferenceMargin(letters, beta=2).loss(Example(()), scores)) == pytest.approx(wanted)


def test_preference_and_functions_of_ones_own_go_the_same_way(build, letters):
    raws = [{"prompt": f"say {i}", "chosen": f"good {i}", "rejected": ["bad", f"worse {i}"]} for i in range(8)]
    trainer = ZOTrainer(build(), PreferenceMargin(letters), replace(BASE, steps=2))
    result = trainer.fit(raws, raws)
    assert result.validations[0].loss == pytest.approx(_by_hand(build(), PreferenceMargin(letters), raws), abs=FLOAT32)

    def loss(model, batch):
        ids = torch.tensor([[2 + ord(c) % 60 for c in raw["prompt"]] for raw in batch])
        return float(model(ids).logits.logsumexp(-1).mean())

    own = ZOTrainer(build(), CallableObjective(loss), replace(BASE, steps=2, **WHOLE))
    result = own.fit(raws, raws)
    assert result.validations[0].loss == pytest.approx(loss(build(), raws), abs=FLOAT32)
    assert all(gradient for (gradient,) in result.log.gradients), "the function saw the probes"


def test_adamw_on_the_layer_learns_more_in_as_many_steps(build, letters, choices):
    config = replace(BASE, rate=1e-2, steps=10)
    losses = {}
    for method in ("zo", "adamw"):
        own = regime("adamw", config) if method == "adamw" else replace(config, rate=1e-3)
        result = ZOTrainer(build(), OptionChoice(letters), own).fit(choices, choices)
        losses[method] = [v.loss for v in result.validations]
    assert losses["adamw"][-1] < losses["zo"][-1]
    assert losses["adamw"][-1] < losses["adamw"][0]


def test_published_mezo_is_the_same_estimator(build, letters, choices):
    """Its loop and ours over the same tensors and the same noise give the same projected gradient."""
    config = regime("paper", BASE)
    model = build()
    published = ZOTrainer(model, OptionChoice(letters, one_pass=False), config)
    batch = published.batch(published.source(choices), len(choices), 0)
    before = state(model)
    published._in_place.shift(0, 0, 1.0)
    z = {name: state(model)[name] - before[name] for name in published.tensors}
    published._in_place.shift(0, 0, -1.0)
    gradients, _ = published.step(batch, 0)
    model.load_state_dict(before)
    ours = ZOTrainer(model, OptionChoice(letters), BASE)
    own = ours.batch(ours.source(choices), len(choices), 0)
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            for name, tensor in ours.tensors.items():
                tensor.copy_(before[name] + sign * BASE.epsilon * z[name])
            losses.append(own[0][0].outcome(own[0][1]).loss / BASE.batch_size)
    assert gradients[0] == pytest.approx((losses[0] - losses[1]) / (2 * BASE.epsilon), rel=0.02, abs=5e-3)


def test_smollm_block_by_block_is_the_model(smollm):
    """The fast path on the default model: its loss against the whole forward; the weights come back bit for bit."""
    model, tokenizer, _ = smollm
    texts = ["a warm and funny film", "dull", "the songs alone are worth it", "noise"]
    options = [" terrible", " great"]
    rows = [{"prompt": f"{text} It was", "options": options, "label": i % 2} for i, text in enumerate(texts)]
    before = fingerprint(model.state_dict())
    losses = []
    for change in ({}, WHOLE):
        config = replace(BASE, layer=11, batch_size=4, **change)
        trainer = ZOTrainer(model, OptionChoice(tokenizer), config)
        losses.append(trainer._probe(trainer.batch(trainer.source(rows), 4, 0), 0, 0, 1e-3))
        trainer.restore()
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert fingerprint(model.state_dict()) == before


def _chosen(trainer, count):
    from app.zo.trainer import _at

    return [_at(trainer.config.seed, i, count) for i in range(trainer.config.batch_size)]


@torch.no_grad()
def _by_hand(model, objective, raws):
    """No packing, no cache, no padding: each row alone through the model, logits everywhere."""
    losses = []
    for raw in raws:
        example = objective.encode(raw)
        scores = []
        for row in example.rows:
            logits = model(torch.tensor([row.ids])).logits[0, list(row.reads)]
            scores.append(logits[0, list(row.options)] if row.options
                          else logits.log_softmax(-1)[range(len(row.targets)), list(row.targets)])  # fmt: skip
        losses.append(float(objective.loss(example, scores)))
    return sum(losses) / len(losses)


def test_epochs_show_every_example_once_and_differ(build, letters, choices):
    trainer = ZOTrainer(build(), OptionChoice(letters), BASE)
    epochs = []
    for epoch in range(3):
        seen = []
        for step in range(3 * epoch, 3 * epoch + 3):
            seen += trainer.batch(trainer.source(choices), 24, step)[0][1][0]
        assert sorted(seen) == list(range(24))
        epochs.append(seen)
    assert all(a != b for a, b in pairwise(epochs))
    thrice = ZOTrainer(build(), OptionChoice(letters), replace(BASE, accumulate=3))
    parts = thrice.batch(thrice.source(choices), 24, 0)
    assert [i for _, (chosen, *_) in parts for i in chosen] == epochs[0], (
        "batches that share a probe are different ones"
    )


def test_probes_of_a_step_are_averaged():
    master = Master({"w": torch.zeros(128)}, Config(queries=2, rate=0.5), Rademacher())
    first, second = torch.empty(128), torch.empty(128)
    master.probe({"w": first}, 3, 0, 1.0)
    master.probe({"w": second}, 3, 1, 1.0)
    master.update(3, [1.0, 3.0])
    assert torch.equal(master.values["w"], -0.5 * (1.0 * first + 3.0 * second) / 2)


def test_a_model_of_another_shape_is_refused_by_what_it_lacks(letters):
    from transformers import GPT2Config, GPT2LMHeadModel

    from app.zo.types import UnknownModel

    with pytest.raises(UnknownModel, match=r"gpt2.*model\.layers"):
        Decoder(GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=64)))


def test_a_model_that_does_something_between_its_blocks_is_found_out(build):
    from app.zo.types import UnknownModel

    model = build()
    decoder = Decoder(model)
    decoder.check()
    original = model.model.forward

    def other(*args, **kwargs):
        out = original(*args, **kwargs)
        out.last_hidden_state = out.last_hidden_state * 2
        return out

    model.model.forward = other
    with pytest.raises(UnknownModel, match="block by block"):
        decoder.check()
