"""A tuned layer as files: the seed log that rebuilds it, and the delta that puts it on a model.

Seed log: one line of JSON (what was run, on which base), then one little-endian float32 for each probe, nothing else:
40 KB for 10,000 steps. It is written as the run goes on, so that an interrupted run can be resumed. Delta: safetensors,
one tensor `tuned - base` for each changed parameter, under the name it has in transformers. Neither can hold code.

    tuned = TunedLayer.load(path)                # refuses a tampered file
    tuned.verify(sha256_of_the_base)             # refuses a wrong base
    with tuned.on(model): ...                    # or: weights = tuned.weights(model.state_dict())
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from app.zo.types import Base, Config, Tampered, WrongBase, ZOError

LOG_FORMAT = "zo-seed-log/1"
DELTA_FORMAT = "zo-delta/1"
LOG_NAME = "layer.zolog"
DELTA_NAME = "layer.safetensors"


@dataclass(frozen=True)
class TunedLayer:
    """What tuning changed. `deltas` maps names of parameters to `tuned - base` in the dtype they are stored in."""

    base: Base
    deltas: Mapping[str, Tensor]
    layers: tuple[int, ...]
    noise: str
    """The noise's version, or `none` where gradients made it."""
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    base_tensors: str
    """`fingerprint` of the base's values of the changed parameters, and their dtype: `float32:<sha256>`."""

    @property
    def sha256(self) -> str:
        """Over all that the file says: another base, config, result or number is another hash."""
        digest = hashlib.sha256(_canonical(self._facts()))
        digest.update(fingerprint(self.deltas).encode())
        return digest.hexdigest()

    @property
    def tuned_id(self) -> str:
        """Names this layer where a version's origin is recorded: 12 hexadecimal digits."""
        return self.sha256[:12]

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        from safetensors.torch import save

        facts = json.dumps({**self._facts(), "sha256": self.sha256}, ensure_ascii=False)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.deltas.items()}
        _write_whole(path, save(tensors, metadata={"zo": facts}))

    @classmethod
    def load(cls, path: Path) -> TunedLayer:
        """`path` is the delta, or the folder it is in. Raises Tampered, ZOError."""
        from safetensors import SafetensorError, safe_open

        path = path / DELTA_NAME if path.is_dir() else path
        try:
            with safe_open(path, "pt") as file:
                facts = json.loads((file.metadata() or {})["zo"])
                deltas = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if facts["format"] != DELTA_FORMAT:
                raise ZOError(f"{path} has the format {facts['format']}; this version reads {DELTA_FORMAT}.")
            tuned = cls(
                Base(**facts["base"]), deltas, tuple(facts["layers"]), facts["noise"],
                facts["config"], facts["result"], facts["base_tensors"],
            )  # fmt: skip
        except OSError as error:
            raise ZOError(f"{path} can't be read: {error.strerror or error}.") from error
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise Tampered(f"{path} is no tuned layer, or is damaged ({error}).") from error
        if tuned.sha256 != facts.get("sha256"):
            raise Tampered(f"{path} was changed after it was written: its content no longer has its hash.")
        return tuned

    def verify(self, base_sha256: str) -> None:
        """Raises WrongBase when the layer was tuned on other files."""
        if base_sha256 != self.base.sha256:
            raise WrongBase(
                f"The layer {self.tuned_id} was tuned on {self.base.model_id} (sha256 {self.base.sha256[:12]}…); "
                f"this model's is {base_sha256[:12]}…. Use it with its own base, or tune again."
            )

    def weights(self, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tuned parameters, `base + delta` summed in float32, in the base's dtype and on its device.

        `base` maps names to the untuned values. Raises WrongBase where names, shapes or (in the dtype it was tuned in)
        values are not the ones that the layer was tuned on.
        """
        own = {name: _matching(name, delta, base) for name, delta in self.deltas.items()}
        dtype, _, expected = self.base_tensors.partition(":")
        if all(_name(tensor.dtype) == dtype for tensor in own.values()) and fingerprint(own) != expected:
            raise WrongBase(
                f"The model's own values of {_some(own)} are not those that the layer {self.tuned_id} was tuned on."
            )
        return {
            name: (tensor.float() + self.deltas[name].to(tensor.device).float()).to(tensor.dtype)
            for name, tensor in own.items()
        }

    @torch.no_grad()
    def apply(self, model: nn.Module) -> None:
        """Put the layer on an untuned model for good. Raises WrongBase, also when it is on already."""
        own = dict(model.named_parameters())
        for name, value in self.weights(own).items():
            own[name].copy_(value)

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """The layer is on the model inside, and the model as before afterwards, bit for bit."""
        own = dict(model.named_parameters())
        before = {name: own[name].detach().clone() for name in self.deltas if name in own}
        self.apply(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in before.items():
                    own[name].copy_(value)

    def _facts(self) -> dict[str, Any]:
        return {
            "format": DELTA_FORMAT,
            "base": asdict(self.base),
            "layers": list(self.layers),
            "noise": self.noise,
            "config": dict(self.config),
            "result": dict(self.result),
            "base_tensors": self.base_tensors,
        }


@dataclass(frozen=True)
class SeedLog:
    """Everything that is needed to do a run again without its data: a number for each probe."""

    base: Base
    config: Config
    layers: tuple[int, ...]
    noise: str
    tensors: Mapping[str, tuple[int, ...]]
    """Names and shapes of the tuned tensors, in the order in which noise counts them."""
    initial: str
    """`fingerprint` of their values before the first step, as float32."""
    gradients: tuple[tuple[float, ...], ...] = ()
    """Per step, the projected gradient of each query: (loss at +epsilon - loss at -epsilon) / (2 epsilon)."""
    result: Mapping[str, Any] | None = None
    """None while the run is under way."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> SeedLog:
        """`path` is the log, or the folder it is in. Raises Tampered, ZOError."""
        path = path / LOG_NAME if path.is_dir() else path
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            facts = json.loads(head)
            if facts["format"] != LOG_FORMAT:
                raise ZOError(f"{path} has the format {facts['format']}; this version reads {LOG_FORMAT}.")
            config = Config.from_json(facts["config"])
            size = 4 * config.queries
            whole = len(body) - len(body) % size  # a crash may have cut off the last record
            numbers = struct.unpack(f"<{whole // 4}f", body[:whole])
            log = cls(
                Base(**facts["base"]), config, tuple(facts["layers"]), facts["noise"],
                {name: tuple(shape) for name, shape in facts["tensors"].items()}, facts["initial"],
                tuple(tuple(numbers[i : i + config.queries]) for i in range(0, len(numbers), config.queries)),
                facts["result"], facts["versions"],
            )  # fmt: skip
            expected = facts["sha256"]
        except OSError as error:
            raise ZOError(f"{path} can't be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, AttributeError, UnicodeError) as error:
            raise Tampered(f"{path} is no seed log, or is damaged ({error}).") from error
        if expected != log.sha256:
            raise Tampered(f"{path} was changed after it was written: its content no longer has its hash.")
        return log

    @property
    def sha256(self) -> str:
        """Over the header, and over the numbers too once the run is finished."""
        digest = hashlib.sha256(_canonical(self._facts()))
        if self.result is not None:
            digest.update(self._body())
        return digest.hexdigest()

    def verify(self, base_sha256: str) -> None:
        """Raises WrongBase when the run was on other files."""
        if base_sha256 != self.base.sha256:
            raise WrongBase(
                f"The log was written on {self.base.model_id} (sha256 {self.base.sha256[:12]}…); "
                f"this model's is {base_sha256[:12]}…."
            )

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        _write_whole(path, self._head() + self._body())

    def appending(self, path: Path) -> LogWriter:
        """Start the log anew with what it holds, and go on writing to it."""
        self.save(path)
        return LogWriter(path.open("ab"))

    def finished(self, result: Mapping[str, Any], gradients: Iterable[Sequence[float]]) -> SeedLog:
        return replace(self, result=dict(result), gradients=tuple(tuple(step) for step in gradients))

    def _facts(self) -> dict[str, Any]:
        return {
            "format": LOG_FORMAT,
            "base": asdict(self.base),
            "config": self.config.as_json(),
            "layers": list(self.layers),
            "noise": self.noise,
            "tensors": {name: list(shape) for name, shape in self.tensors.items()},
            "initial": self.initial,
            "result": None if self.result is None else dict(self.result),
            "versions": dict(self.versions),
        }

    def _head(self) -> bytes:
        return json.dumps({**self._facts(), "sha256": self.sha256}, ensure_ascii=False).encode() + b"\n"

    def _body(self) -> bytes:
        return b"".join(struct.pack(f"<{len(step)}f", *step) for step in self.gradients)


@dataclass(frozen=True)
class LogWriter:
    """Appends steps; each is with the operating system when `append` returns."""

    file: BinaryIO

    def append(self, gradients: Sequence[float]) -> None:
        self.file.write(struct.pack(f"<{len(gradients)}f", *gradients))
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{_name(tensor.dtype)}\0{list(tensor.shape)}\0".encode())
        # Bytes first: bfloat16 has no numpy type.
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def base_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """As `TunedLayer.base_tensors` records it; all tensors have one dtype."""
    return f"{_name(next(iter(tensors.values())).dtype)}:{fingerprint(tensors)}"


def _matching(name: str, delta: Tensor, base: Mapping[str, Tensor]) -> Tensor:
    found = base.get(name)
    if found is None or found.shape != delta.shape:
        shape = "none of that name" if found is None else f"one of shape {list(found.shape)}"
        raise WrongBase(f"The layer changes {name} of shape {list(delta.shape)}; the model has {shape}.")
    return found


def _some(names: Iterable[str]) -> str:
    first, *rest = sorted(names)
    return f"{first} and {len(rest)} others" if rest else first


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _canonical(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # a full disk must not be filled by what nobody reads


if sys.byteorder != "little":  # the fingerprint and the noise read bytes of numbers
    raise ImportError("app.zo needs a little-endian machine.")
