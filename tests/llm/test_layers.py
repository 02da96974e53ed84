"""Tuned layers in the engine: what they write, that they never mix, and what is refused."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.llm import layers
from app.llm.cli import app as cli
from app.llm.local import LocalEngine
from app.llm.store import DEFAULT_SHA256, ModelStore
from app.llm.types import Draw, EngineError, Sampling
from app.settings import PROJECT_ROOT, Settings

from .conftest import ANSWERS, prompt
from .test_local import LONG, run, texts
from .tuned import make_layer

pytestmark = pytest.mark.usefixtures("one_thread")

HOT = Sampling(temperature=1.5, max_tokens=24)
IN_STEP = 10
"""Chunks: a few passes, fewer than any answer here has."""


@pytest.fixture(scope="module")
def sha(tiny_folder: Path, store: ModelStore) -> str:
    return store.identify(str(tiny_folder)).sha256


@pytest.fixture(scope="module")
def files(tiny_folder: Path, sha: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two layers, of different blocks."""
    folder = tmp_path_factory.mktemp("layers")
    for block in (0, 1):
        make_layer(folder / str(block), tiny_folder, sha, block=block, seed=block)
    return [folder / "0", folder / "1"]


@pytest.fixture(scope="module")
def ids(tiny: LocalEngine, files: list[Path]) -> list[str | None]:
    """Of both, and of none."""
    return [tiny.add(files[0]), tiny.add(files[1]), None]


def draws(tuned_id: str | None, n: int = 2) -> list[Draw]:
    return [Draw(prompt(LONG + q), seed, HOT, tuned_id) for seed, q in enumerate(list(ANSWERS)[:n])]


def test_a_layer_writes_what_the_merged_model_writes(
    tiny: LocalEngine, tiny_folder: Path, store: ModelStore, files: list[Path], ids: list[str | None], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    from app.zo.layer import TunedLayer

    plain = texts(run(tiny, draws(None)))
    for path, tuned_id in zip(files, ids, strict=False):
        merged: Any = AutoModelForCausalLM.from_pretrained(tiny_folder)
        TunedLayer.load(path).apply(merged)
        folder = tmp_path / str(tuned_id)
        for file in tiny_folder.iterdir():
            folder.mkdir(exist_ok=True)
            (folder / file.name).write_bytes(file.read_bytes())
        merged.save_pretrained(folder)
        expected = texts(run(LocalEngine(store, str(folder), device="cpu", dtype="float32"), draws(None)))
        assert texts(run(tiny, draws(tuned_id))) == expected != plain
    assert texts(run(tiny, draws(None))) == plain, "the untuned model is as it was"


def test_streams_with_different_layers_interleave_and_never_mix(tiny: LocalEngine, ids: list[str | None]) -> None:
    alone = {i: run(tiny, draws(i)) for i in ids}
    assert len({str(texts(chunks)) for chunks in alone.values()}) == len(ids)
    passes: list[str | None] = []
    put_on = tiny._layers.put_on  # type: ignore[union-attr]
    barrier = threading.Barrier(len(ids))
    got: dict[str | None, Any] = {}

    def write(tuned_id: str | None) -> None:
        """The beginning in step with the others, so that they do take turns however the machine shares its time out."""
        stream = tiny.stream(draws(tuned_id), threading.Event())
        got[tuned_id] = []
        for _ in range(IN_STEP):
            barrier.wait(60)
            got[tuned_id].append(next(stream))
        got[tuned_id] += stream

    def watched(tuned_id: str | None) -> None:
        passes.append(tuned_id)
        put_on(tuned_id)

    tiny._layers.put_on = watched  # type: ignore[union-attr, method-assign]
    try:
        threads = [threading.Thread(target=write, args=(i,)) for i in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        del tiny._layers.put_on  # type: ignore[union-attr]
    assert sum(a != b for a, b in pairwise(passes)) > len(ids), "they did take turns"
    for tuned_id in ids:
        assert texts(got[tuned_id]) == texts(alone[tuned_id])


def test_the_logits_are_the_same_bits_whatever_ran_between(tiny: LocalEngine, ids: list[str | None]) -> None:
    import torch
    from transformers import DynamicCache

    tokens = torch.tensor([tiny._encode(prompt("Name a number."))])
    places = torch.arange(tokens.shape[1])[None]
    cache: Any = DynamicCache

    def logits(tuned_id: str | None) -> torch.Tensor:
        return tiny._forward(tokens, cache(), places, None, tuned_id)

    first = {i: logits(i) for i in ids}
    for tuned_id in (*ids, *reversed(ids), ids[0], ids[2], ids[1]):
        assert torch.equal(logits(tuned_id), first[tuned_id])
    assert not torch.equal(first[ids[0]], first[ids[1]])


def test_one_batch_is_written_layer_by_layer(tiny: LocalEngine, ids: list[str | None]) -> None:
    question = "What do otters eat?"
    batch = [Draw(prompt(question), 3, HOT, i) for i in (*ids, *ids)]
    alone = [texts(run(tiny, [draw]))[0] for draw in batch]
    assert texts(run(tiny, batch)) == alone
    assert len(set(alone)) > 1


def test_what_is_kept_of_a_prompt_belongs_to_its_layer(
    tiny_folder: Path, store: ModelStore, files: list[Path], ids: list[str | None]
) -> None:
    engine = LocalEngine(store, str(tiny_folder), device="cpu", dtype="float32")
    bare = LocalEngine(store, str(tiny_folder), device="cpu", dtype="float32", prefix_bytes=0)
    for one in (engine, bare):
        one.add(files[0])
    for tuned_id in (None, ids[0], None):
        wanted = [Draw(prompt(LONG * 2), 1, HOT, tuned_id)]
        assert texts(run(engine, wanted)) == texts(run(bare, wanted))


def test_in_service_is_told_and_unknown_layers_are_refused(tiny: LocalEngine, ids: list[str | None]) -> None:
    try:
        tiny.serve(ids[0])
        assert tiny.info().tuned_id == ids[0]
    finally:
        tiny.serve(None)
    assert tiny.info().tuned_id is None
    for attempt in (lambda: tiny.serve("0123456789ab"), lambda: run(tiny, draws("0123456789ab"))):
        with pytest.raises(EngineError) as caught:
            attempt()
        assert caught.value.code == "tuned-unknown"
    assert tiny.info().tuned_id is None


def test_from_the_start(tiny_folder: Path, store: ModelStore, files: list[Path], ids: list[str | None]) -> None:
    engine = LocalEngine(store, str(tiny_folder), device="cpu", dtype="float32", tuned=files[1])
    assert engine.info().tuned_id == ids[1]
    assert engine._model is None, "told without the weights"
    engine.load()
    assert engine.info().tuned_id == ids[1]


def test_another_models_layer_is_refused(
    tiny: LocalEngine, tiny_folder: Path, store: ModelStore, tmp_path: Path
) -> None:
    make_layer(tmp_path, tiny_folder, "0" * 64)
    for attempt in (
        lambda: tiny.add(tmp_path),
        lambda: LocalEngine(store, str(tiny_folder), tuned=tmp_path).info(),
        lambda: LocalEngine(store, str(tiny_folder), device="cpu", tuned=tmp_path).load(),
    ):
        with pytest.raises(EngineError) as caught:
            attempt()
        assert caught.value.code == "tuned-base"
        assert caught.value.what.endswith(".")


def test_a_refused_layer_leaves_no_half_loaded_model(tiny_folder: Path, store: ModelStore, tmp_path: Path) -> None:
    make_layer(tmp_path, tiny_folder, "0" * 64)
    engine = LocalEngine(store, str(tiny_folder), device="cpu", tuned=tmp_path)
    for _ in range(2):
        with pytest.raises(EngineError):
            engine.load()


def test_a_changed_file_is_refused(tiny: LocalEngine, files: list[Path], tmp_path: Path) -> None:
    whole = (files[0] / "layer.safetensors").read_bytes()
    for name, data in {
        "one bit": whole[:-7] + bytes([whole[-7] ^ 1]) + whole[-6:],
        "cut off": whole[:-100],
        "no safetensors": b"x" * 1000,
        "empty": b"",
    }.items():
        path = tmp_path / "layer.safetensors"
        path.write_bytes(data)
        with pytest.raises(EngineError) as caught:
            tiny.add(path)
        assert caught.value.code == "tuned-damaged", name
    with pytest.raises(EngineError):
        tiny.add(tmp_path / "nothing")


def test_in_bfloat16_the_layer_is_summed_in_float32_and_then_cast(
    tiny_folder: Path, store: ModelStore, sha: str, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    layer = make_layer(tmp_path, tiny_folder, sha, size=0.004)
    engine = LocalEngine(store, str(tiny_folder), device="cpu", dtype="bfloat16", tuned=tmp_path)
    engine.load()
    stored = load_file(tiny_folder / "model.safetensors")
    assert engine._layers is not None
    engine._layers.put_on(layer.tuned_id)
    own = dict(engine._model.named_parameters())
    differs = 0
    for name, delta in layer.deltas.items():
        assert torch.equal(own[name], (stored[name] + delta.float()).bfloat16())
        differs += int((own[name] != stored[name].bfloat16() + delta).sum())
    assert differs > 0, "adding in bfloat16 would have given something else"


# ── settings and the command line ──────────────────────────────────────────────────────────────────────────────────


def test_what_the_settings_put_in_service(
    tiny_folder: Path, sha: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "SHIPPED", tmp_path / "shipped")
    assert layers.configured(Settings()) is None, "nothing ships"
    make_layer(tmp_path / "shipped", tiny_folder, sha)
    assert layers.configured(Settings()) == tmp_path / "shipped"
    assert layers.configured(Settings(model=str(tiny_folder))) is None, "it is the default model's"
    assert layers.configured(Settings(llm_url="http://127.0.0.1:1/v1")) is None
    assert layers.configured(Settings(tuned="off")) is None
    path = str(tmp_path / "shipped" / "layer.safetensors")
    assert layers.configured(Settings(tuned=path, model=str(tiny_folder))) == Path(path)
    with pytest.raises(EngineError) as caught:
        layers.configured(Settings(tuned=str(tmp_path / "none")))
    assert caught.value.code == "tuned-missing"


def test_model_info_names_the_layer(
    tiny_folder: Path, files: list[Path], ids: list[str | None], tmp_path: Path
) -> None:
    setting = {"SPATIAL_MODEL": str(tiny_folder), "SPATIAL_DATA_DIR": str(tmp_path)}

    def info(tuned: Path | str) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli, ["info", "--json"], env={**setting, "SPATIAL_TUNED": str(tuned)})
        return result.exit_code, result.stdout, result.stderr

    code, out, _ = info(files[0])
    assert code == 0
    assert json.loads(out)["tuned_id"] == ids[0]
    assert json.loads(info("off")[1])["tuned_id"] is None
    code, _, err = info(tmp_path / "none")
    assert code == 1
    assert "SPATIAL_TUNED" in err


def test_the_default_model_ships_with_a_layer_of_its_dominant_block() -> None:
    from app.zo.layer import SeedLog

    assert layers.configured(Settings()) == layers.SHIPPED
    layer = layers.read(layers.SHIPPED, DEFAULT_SHA256)
    assert layer.layers == (11,)
    assert (layers.SHIPPED / "layer.safetensors").stat().st_size <= 8 * 2**20
    SeedLog.load(layers.SHIPPED).verify(DEFAULT_SHA256)


@pytest.mark.model
def test_the_shipped_layer_is_what_its_seed_log_makes() -> None:
    from app.zo.loading import load
    from app.zo.master import rebuilt

    model, _ = load(ModelStore(Settings()).default_folder())
    same, _ = rebuilt(model, DEFAULT_SHA256, layers.SHIPPED)
    assert same


def test_the_layers_that_were_read_and_do_not_ship_can_be_rebuilt() -> None:
    from app.zo.layer import SeedLog

    logs = sorted((PROJECT_ROOT / "benchmarks/results/layers").glob("*/layer.zolog"))
    assert [log.parent.name for log in logs] == ["unmarked-29-up", "zo-29-up-8e-3"]
    for log in logs:
        SeedLog.load(log.parent).verify(DEFAULT_SHA256)


@pytest.mark.model
def test_placement_is_the_untuned_models_whatever_is_in_service(default_engine: LocalEngine, tmp_path: Path) -> None:
    from app.axes.scorer import BaseScorer

    store = ModelStore(Settings())
    paragraph = ["Cells divide. Every division shortens the caps of their chromosomes, like candles burning down."]
    before = BaseScorer(store).score(paragraph)
    make_layer(tmp_path, store.default_folder(), DEFAULT_SHA256, block=11, size=0.05)
    question = [Draw(prompt("Name a number."), 0, Sampling(max_tokens=12))]
    plain = texts(run(default_engine, question))
    tuned_id = default_engine.add(tmp_path)
    default_engine.serve(tuned_id)
    try:
        assert default_engine.info().tuned_id == tuned_id
        tuned = texts(run(default_engine, [Draw(question[0].prompt, 0, question[0].sampling, tuned_id)]))
        assert BaseScorer(store).score(paragraph) == before
    finally:
        default_engine.serve(None)
    assert tuned != plain, "the layer does write"
    assert texts(run(default_engine, question)) == plain
