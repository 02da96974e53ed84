"""What is asked of a run, checked before a model is loaded, and what can go wrong in words for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Part = Literal["all", "mlp", "up", "attention", "lora"]
NoiseKind = Literal["rademacher", "gaussian"]
Schedule = Literal["constant", "linear", "cosine"]
Method = Literal["zo", "adamw"]


class ZOError(Exception):
    """Something a person can mend; the message says what and how."""


class WrongBase(ZOError):
    """A tuned layer or seed log belongs to another model."""


class Tampered(ZOError):
    """A file is damaged, or was changed after it was written."""


class UnknownModel(ZOError):
    """The model's blocks can't be run one by one."""


class BadData(ZOError):
    """A training file can't be used; the line is named."""


class Diverged(ZOError):
    """The loss is not a number, or fell to nothing."""


@dataclass(frozen=True)
class Base:
    """The untuned model: its name, and the SHA-256 by which its files are known."""

    model_id: str
    sha256: str


@dataclass(frozen=True)
class Config:
    """One run. The defaults are the fast path; every gain has a switch, so that baselines are the same trainer.

    `rate` is the learning rate and `epsilon` the size of a probe, both for noise of unit variance per parameter.
    """

    layer: Literal["dominant", "all"] | int | tuple[int, ...] = "dominant"
    part: Part = "all"
    method: Method = "zo"
    noise: NoiseKind = "rademacher"
    steps: int = 1000
    batch_size: int = 16
    accumulate: int = 1
    """Batches that share one probe, for an effective batch of `batch_size * accumulate`."""
    queries: int = 1
    """Probes whose estimates are averaged in a step."""
    rate: float = 1e-5
    schedule: Schedule = "constant"
    epsilon: float = 1e-3
    seed: int = 0
    lora_rank: int = 8
    lora_alpha: float = 16.0

    validate_every: int = 100
    """Steps between validations; 0 validates at the end only."""
    patience: int = 0
    """Validations without a better loss after which the run stops; 0 never stops early."""

    cache_prefix: Literal["dataset", "batch", "off"] = "dataset"
    """Whether blocks below the tuned one are computed once for all, once a step, or for each sign."""
    cache_bytes: int = 2**31
    """Above this the prefix is computed per batch."""
    cache_file: str | None = None
    """Keeps the data set's prefix in a memory-mapped file instead of in memory."""
    both_signs: bool = True
    """Both probes in one pass, through two copies of the tuned layer."""
    master: bool = True
    """An fp32 master copy of the tuned tensors: small updates are kept in half precision, restoring is exact."""
    read_only: bool = True
    """Logits only where a label stands, the last block only for those places."""
    one_pass_options: bool = True
    """Single-token options are read from one row instead of one row each."""
    packed: bool = True
    """No padding in the linear layers."""
    share_prompts: bool = True
    """Beginnings that rows of a batch have in common are computed once."""
    published_loop: bool = False
    """The loop of princeton-nlp/MeZO, at its cost: full logits, padded rows, out-of-place noise. A baseline."""

    def __post_init__(self) -> None:
        for name in ("rate", "epsilon", "lora_alpha"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise ZOError(f"{name} is {value}; it must be a number above 0.")
        for name in ("steps", "batch_size", "accumulate", "queries", "lora_rank"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ZOError(f"{name} is {getattr(self, name)}; it must be a whole number of at least 1.")
        for name in ("validate_every", "patience", "cache_bytes", "seed"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 0):
                raise ZOError(f"{name} is {getattr(self, name)}; it must be a whole number of at least 0.")
        for name, known in (("part", Part), ("noise", NoiseKind), ("schedule", Schedule), ("method", Method)):
            if getattr(self, name) not in get_args(known):
                raise ZOError(f"{name} is {getattr(self, name)!r}; it can be {', '.join(get_args(known))}.")
        self._check_layer()
        self._check_switches()

    def _check_switches(self) -> None:
        if self.both_signs and self.layer == "all" and self.part != "lora":
            raise ZOError("both_signs with layer='all' would hold the model twice; switch it off, or tune one layer.")
        if self.both_signs and not self.master:
            raise ZOError("both_signs needs the master copy; switch both off, or neither.")
        if not self.packed and (self.both_signs or self.cache_prefix != "off"):
            raise ZOError("Without packed the model runs as a whole: switch off both_signs and cache_prefix too.")
        if self.published_loop and (self.packed or self.master):
            raise ZOError("published_loop has no packed rows and no master copy: switch both off.")
        if self.published_loop and (self.method != "zo" or self.part == "lora"):
            raise ZOError("published_loop perturbs whole tensors: it goes with method='zo' and without LoRA.")

    def _check_layer(self) -> None:
        layer = self.layer
        if isinstance(layer, str) and layer not in ("dominant", "all"):
            raise ZOError(f"layer is {layer!r}; it can be dominant, all, a block's number or several.")
        numbers = () if isinstance(layer, str) else (layer,) if isinstance(layer, int) else layer
        if not isinstance(layer, str) and (not numbers or any(n < 0 for n in numbers)):
            raise ZOError(f"layer is {layer}; blocks are counted from 0.")

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Raises ZOError for a field that this version doesn't know."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ZOError(f"The run's configuration has {', '.join(sorted(unknown))}, which this version doesn't know.")
        layer = values.get("layer", "dominant")
        return cls(**{**values, "layer": tuple(layer) if isinstance(layer, list) else layer})

    def learning_rate(self, step: int) -> float:
        """The rate of step `step`, counted from 0."""
        if self.schedule == "linear":
            return self.rate * (1 - step / self.steps)
        if self.schedule == "cosine":
            return self.rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate
