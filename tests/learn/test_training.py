"""The real trainer on a tiny model: what is learnt, what it is worth, and what stops a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.learn import comparisons as pairing
from app.learn import shelf, training
from app.learn.comparisons import Comparison
from app.learn.service import verdict
from app.learn.training import Bench, Options, TuningError, scorecard, tune
from app.llm.local import LocalEngine
from app.llm.store import ModelStore
from app.llm.types import EngineError
from app.settings import Settings
from app.zo.layer import SeedLog, TunedLayer
from app.zo.types import Diverged
from tests.learn.session import tiny_model
from tests.llm.tuned import make_layer

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = Options(steps=2, rate=1e-2, batch_size=4)


@pytest.fixture(scope="module")
def bench(tuned: Any) -> Bench:
    return Bench(tuned[0])


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> Settings:
    return Settings(data_dir=tmp_path, model=str(tiny_folder), device="cpu")


def test_a_run_ends_on_the_shelf_and_the_engine_takes_it(tuned: Any, tiny_folder: Path) -> None:
    settings, learnt, told = tuned
    assert shelf.listed(settings) == [learnt]
    path = shelf.path(settings, learnt.tuned_id)
    assert path is not None
    assert sorted(file.name for file in path.iterdir() if file.name != ".lock") == [
        "layer.safetensors", "layer.zolog", "learnt.json", "progress.jsonl",
    ]  # fmt: skip
    assert SeedLog.load(path).config.steps == 20
    assert any("block" in words.lower() for words in told), "which block, and why"
    engine = LocalEngine(ModelStore(settings), str(tiny_folder), device="cpu", dtype="float32")
    assert engine.add(path) == learnt.tuned_id


def test_it_finds_confirmed_versions_likelier_than_before(
    tuned: Any, bench: Bench, comparisons: list[Comparison]
) -> None:
    _, learnt, _ = tuned
    card = learnt.scorecard
    assert card["candidate"]["margin"] > card["untuned"]["margin"], "on paragraphs it has not seen"
    assert card["gain"]["low"] <= card["gain"]["mean"] <= card["gain"]["high"]
    held_out = pairing.unseen(comparisons, learnt.taught)
    assert (card["compared"], card["pairs"], card["paragraphs"]) == (len(held_out), 4, 2)
    assert set(card["strategies"]) <= {"everyday-comparison", "shared-experience"}
    assert sum(one["pairs"] for one in card["strategies"].values()) == 4
    again = scorecard(bench, held_out, None, bench.layer(shelf.folder(tuned[0]) / learnt.tuned_id))
    assert again == card, "`learn compare` says the same"
    assert verdict(card).kind == "unclear", "two paragraphs are too few to tell"


def test_margins_are_what_transformers_says(bench: Bench, comparisons: list[Comparison]) -> None:
    import torch

    [[first, _]] = bench.margins(comparisons[:1], None)
    means = []
    for one in (comparisons[0].chosen, comparisons[0].rejected[0]):
        raw = bench._answer(one)
        response = bench.tokenizer(one.response, add_special_tokens=False).input_ids
        ids = torch.tensor([[*raw["prompt_ids"], *response]])
        with torch.no_grad():
            labels = ids.clone()
            labels[:, : len(raw["prompt_ids"])] = -100
            means.append(-float(bench.model(input_ids=ids, labels=labels).loss))
    assert first == pytest.approx(means[0] - means[1], abs=1e-5)


def test_the_model_is_as_it_was_afterwards(settings: Settings, comparisons: list[Comparison]) -> None:
    import torch

    bench = Bench(settings)
    before = {name: tensor.clone() for name, tensor in bench.model.state_dict().items()}
    learnt = tune(bench, comparisons, QUICK, None)
    bench.margins(comparisons[:2], bench.layer(shelf.folder(settings) / learnt.tuned_id))
    assert all(torch.equal(tensor, before[name]) for name, tensor in bench.model.state_dict().items())


def test_it_goes_on_from_what_is_in_service(settings: Settings, tuned: Any, comparisons: list[Comparison]) -> None:
    """The new layer is stored against the untuned model, so that it needs no other."""
    import torch

    _, first, _ = tuned
    source = shelf.folder(tuned[0]) / first.tuned_id
    known = shelf.folder(settings) / first.tuned_id
    known.mkdir(parents=True)
    for file in source.iterdir():
        (known / file.name).write_bytes(file.read_bytes())
    bench = Bench(settings)
    taught = [c for c in comparisons if c.paragraph in first.taught]
    crowd = [c.model_copy(update={"rejected": c.rejected * 2}) for c in taught]
    with pytest.raises(TuningError, match="learnt from all these paragraphs"):
        tune(bench, crowd, QUICK, known)
    second = tune(bench, comparisons, QUICK, known)
    assert second.started_from == first.tuned_id
    assert set(second.taught) >= set(first.taught)
    assert set(second.scorecard) >= {"untuned", "in_service", "candidate"}
    one, both = TunedLayer.load(known), TunedLayer.load(shelf.folder(settings) / second.tuned_id)
    both.verify(bench.resolved.sha256)
    both.weights(dict(bench.model.named_parameters()))
    assert both.layers == one.layers, "the dominant layer is the model's, whatever is on it"
    moved = {name: (both.deltas[name] - one.deltas[name].float()).abs().max() for name in both.deltas}
    assert 0 < max(moved.values()) < 0.2, "a step or two away from where it began"
    assert all(torch.isfinite(delta).all() for delta in both.deltas.values())


def test_too_few_or_too_long_is_refused(bench: Bench, comparisons: list[Comparison]) -> None:
    with pytest.raises(TuningError, match="at least 20"):
        tune(bench, comparisons[:3], QUICK, None)
    long = [
        c.model_copy(update={"chosen": c.chosen.model_copy(update={"response": " word" * 5000})}) for c in comparisons
    ]
    told: list[str] = []
    with pytest.raises(TuningError, match="at least 20"):
        tune(bench, long, QUICK, None, tell=told.append)
    assert "10 comparisons are longer" in told[0]


def test_a_layer_of_another_model_is_no_beginning(
    bench: Bench, tiny_folder: Path, comparisons: Any, tmp_path: Path
) -> None:
    make_layer(tmp_path, tiny_folder, "2" * 64)
    with pytest.raises(EngineError) as caught:
        tune(bench, comparisons, QUICK, tmp_path)
    assert caught.value.code == "tuned-base"


def test_another_models_folder_refuses_the_layer(tuned: Any, tmp_path: Path) -> None:
    settings, learnt, _ = tuned
    other = Settings(data_dir=settings.data_dir, model=str(tiny_model(tmp_path, seed=1)), device="cpu")
    with pytest.raises(EngineError) as caught:
        Bench(other).layer(shelf.folder(settings) / learnt.tuned_id)
    assert caught.value.code == "tuned-base"


def test_a_model_on_another_server_cant_be_tuned(settings: Settings) -> None:
    with pytest.raises(TuningError, match="SPATIAL_LLM_URL"):
        Bench(settings.model_copy(update={"llm_url": "http://127.0.0.1:1/v1"}))


def test_what_is_no_number_stops_the_run_and_leaves_nothing(settings: Settings, comparisons: list[Comparison]) -> None:
    import torch

    bench = Bench(settings)
    loss = bench.objective.loss
    bench.objective.loss = lambda example, scores: loss(example, scores) * torch.nan  # type: ignore[method-assign]
    with pytest.raises(Diverged, match="the loss is nan"):
        tune(bench, comparisons, QUICK, None)
    assert shelf.listed(settings) == []


def test_an_interrupted_run_goes_on_to_the_same_layer(settings: Settings, tuned: Any, comparisons: Any) -> None:
    _, whole, _ = tuned
    options = Options(20, 1e-2, 4)

    def stop(progress: Any) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(Bench(settings), comparisons, options, None, stop)
    assert shelf.listed(settings) == []
    with pytest.raises(TuningError, match="can't be resumed"):
        tune(Bench(settings), comparisons[1:] + comparisons[:1], replace(options, resume=True), None)
    steps: list[int] = []
    learnt = tune(
        Bench(settings), comparisons, replace(options, resume=True), None, lambda progress: steps.append(progress.step)
    )
    assert steps[0] == 8
    for one, other in ((learnt, whole),):
        a = TunedLayer.load(shelf.folder(settings) / one.tuned_id).deltas
        b = TunedLayer.load(shelf.folder(tuned[0]) / other.tuned_id).deltas
        assert all((a[name] == b[name]).all() for name in b), "bit for bit"
    with pytest.raises(TuningError, match="no interrupted run"):
        tune(Bench(settings), comparisons, replace(options, resume=True), None)


def test_without_a_rate_one_is_measured_and_a_resumed_run_keeps_it(
    settings: Settings, comparisons: list[Comparison]
) -> None:
    options, told = Options(8, batch_size=4), list[str]()

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(Bench(settings), comparisons, options, None, stop, told.append)
    learnt = tune(Bench(settings), comparisons, replace(options, resume=True), None, tell=told.append)
    path = shelf.path(settings, learnt.tuned_id)
    assert path is not None
    rate = SeedLog.load(path).config.rate
    assert 0 < rate < 1e3
    assert [words for words in told if "rate" in words] == 2 * [
        f"The rate is {rate:g}, by the curvature of the loss on the first batch."
    ]


def test_no_two_runs_at_once(settings: Settings, comparisons: list[Comparison]) -> None:
    from filelock import FileLock

    shelf.folder(settings).mkdir(parents=True)
    with FileLock(shelf.folder(settings) / "tuning.lock"), pytest.raises(TuningError, match="being tuned already"):
        tune(Bench(settings), comparisons, QUICK, None)


def test_a_layer_that_is_no_better_is_not_kept(
    settings: Settings, comparisons: list[Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = training.ZOTrainer.fit

    def in_vain(*given: Any, **named: Any) -> Any:
        return replace(fit(*given, **named), best_step=0)

    monkeypatch.setattr(training.ZOTrainer, "fit", in_vain)
    with pytest.raises(TuningError, match="nothing to keep"):
        tune(Bench(settings), comparisons, QUICK, None)
    assert shelf.listed(settings) == []


@pytest.mark.parametrize(
    ("gain", "paragraphs", "kind"),
    [((0.1, 0.05, 0.2), 8, "better"), ((-0.1, -0.2, -0.05), 8, "worse"), ((0.1, -0.1, 0.3), 8, "unclear"),
     ((0.1, 0.05, 0.2), 4, "unclear")],
)  # fmt: skip
def test_verdicts(gain: tuple[float, float, float], paragraphs: int, kind: str) -> None:
    card = {"gain": dict(zip(("mean", "low", "high"), gain, strict=True)), "paragraphs": paragraphs}
    assert verdict(json.loads(json.dumps(card))).kind == kind
