"""Which tensors are tuned, and their fp32 master: probes and updates start from it, so that nothing drifts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from app.zo.layer import DELTA_NAME, SeedLog, TunedLayer, base_fingerprint, fingerprint
from app.zo.noise import Noise, by_version, mix
from app.zo.types import Config, Part, WrongBase, ZOError

_LORA_TARGETS = ("q_proj", "v_proj")
"""As MeZO (arXiv 2305.17333) places its adapters."""


class LoRALinear(nn.Module):
    """`linear(x) + scale * x A' B'` (Hu et al., arXiv 2106.09685); B begins at 0, so that nothing changes at first."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        self.linear, self.scale = linear, alpha / rank
        bound = linear.in_features**-0.5
        start = (torch.rand(rank, linear.in_features, generator=generator) * 2 - 1) * bound
        self.lora_a = nn.Parameter(start.to(linear.weight))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank).to(linear.weight))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) + (x @ self.lora_a.T) @ self.lora_b.T * self.scale
        return out


def add_lora(layers: Any, chosen: Iterable[int], rank: int, alpha: float, seed: int) -> None:
    """Put adapters on the chosen blocks; the same seed gives the same ones."""
    generator = torch.Generator().manual_seed(mix(seed, 1) & (2**63 - 1))
    for index in chosen:
        attention = layers[index].self_attn
        for name in _LORA_TARGETS:
            setattr(attention, name, LoRALinear(getattr(attention, name), rank, alpha, generator))


def remove_lora(layers: Any) -> None:
    for layer in layers:
        for name in _LORA_TARGETS:
            projection = getattr(layer.self_attn, name)
            if isinstance(projection, LoRALinear):
                setattr(layer.self_attn, name, projection.linear)


def tuned_parameters(model: nn.Module, chosen: Sequence[int] | None, part: Part) -> dict[str, nn.Parameter]:
    """By name; `chosen` blocks, or the whole model with its embeddings where it is None and `part` is all."""
    within = {"all": "", "mlp": "mlp.", "up": "mlp.up_proj.", "attention": "self_attn.", "lora": "self_attn."}[part]
    prefixes = (
        ("",) if chosen is None and part == "all"
        else tuple(f"model.layers.{i}.{within}" for i in _blocks(model, chosen))
    )  # fmt: skip
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.startswith(prefixes) and (part != "lora" or "lora_" in name)
    }


class Master:
    """float32 values of the tuned tensors, moved along directions that are made anew from the seed."""

    def __init__(self, start: Mapping[str, Tensor], config: Config, noise: Noise) -> None:
        self.values = {name: start[name].detach().float().clone().contiguous() for name in start}
        self._config, self._noise = config, noise

    def fingerprint(self) -> str:
        return fingerprint(self.values)

    @torch.no_grad()
    def probe(self, into: Mapping[str, Tensor], step: int, query: int, scale: float) -> None:
        """`into = master + scale * z(step, query)`, in place."""
        for index, (name, value) in enumerate(self.values.items()):
            into[name].copy_(value)
            self._noise.add_(into[name], self._key(step, query, index), scale)

    @torch.no_grad()
    def restore(self, into: Mapping[str, Tensor]) -> None:
        for name, value in self.values.items():
            into[name].copy_(value)

    @torch.no_grad()
    def update(self, step: int, gradients: Sequence[float]) -> None:
        """`master -= rate * mean over queries of g z`."""
        rate = self._config.learning_rate(step) / len(gradients)
        for query, gradient in enumerate(gradients):
            for index, value in enumerate(self.values.values()):
                self._noise.add_(value, self._key(step, query, index), -rate * gradient)

    def _key(self, step: int, query: int, index: int) -> int:
        return mix(self._config.seed, step, query, index)


class InPlace:
    """The same without a master: half the memory, and rounding stays in the weights. For tuning whole models."""

    def __init__(self, tensors: Mapping[str, Tensor], config: Config, noise: Noise) -> None:
        self._tensors, self._config, self._noise = tensors, config, noise

    @torch.no_grad()
    def shift(self, step: int, query: int, scale: float) -> None:
        for index, tensor in enumerate(self._tensors.values()):
            self._noise.add_(tensor, mix(self._config.seed, step, query, index), scale)

    def update(self, step: int, query: int, gradient: float, unshift: float) -> None:
        """Take the last shift back and step, in one pass over the weights."""
        rate = self._config.learning_rate(step) / self._config.queries
        self.shift(step, query, unshift - rate * gradient)


def replay(
    log: SeedLog,
    model: nn.Module,
    upto: int | None = None,
    watch: Callable[[int, Master], None] | None = None,
) -> Master:
    """The tuned tensors after step `upto` (all steps by default), from the base model and the log alone.

    Bit for bit those of the run; with Rademacher noise on any device. `watch(step, master)` is called after each step
    (and with 0 before the first). For LoRA the adapters are put on the model and left there. Raises WrongBase, ZOError.
    """
    chosen = None if log.config.layer == "all" else log.layers
    if log.config.part == "lora":
        layers: Any = model.get_submodule("model.layers")
        remove_lora(layers)
        blocks = _blocks(model, chosen)
        add_lora(layers, blocks, log.config.lora_rank, log.config.lora_alpha, log.config.seed)
    tensors = tuned_parameters(model, chosen, log.config.part)
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != dict(log.tensors):
        raise WrongBase("The model's tensors have other names or shapes than the ones the log was written on.")
    noise = by_version(log.noise, next(iter(tensors.values())).device)
    if noise is None:
        raise ZOError(f"The noise {log.noise} can't be made again by this program on this device.")
    master = Master(tensors, log.config, noise)
    if master.fingerprint() != log.initial:
        raise WrongBase("The model's values are not those that the log's run began with.")
    steps = log.gradients if upto is None else log.gradients[:upto]
    if upto is not None and len(steps) < upto:
        raise ZOError(f"The log has {len(steps)} steps, not {upto}.")
    if watch:
        watch(0, master)
    for step, gradients in enumerate(steps):
        master.update(step, gradients)
        if watch:
            watch(step + 1, master)
    return master


def rebuilt(model: nn.Module, base_sha256: str, folder: Path) -> tuple[bool | None, TunedLayer]:
    """The layer as the log in `folder` gives it, and whether the delta there is the same bit for bit (None: no delta).

    Raises WrongBase, Tampered, ZOError.
    """
    log = SeedLog.load(folder)
    log.verify(base_sha256)
    if log.result is None:
        raise ZOError(f"The run in {folder} is not finished: resume it first.")
    delta = TunedLayer.load(folder) if (folder / DELTA_NAME).exists() else None
    if log.config.layer == "all" and log.config.part != "lora":
        raise ZOError("The log is of the whole model; a layer is what can be rebuilt.")
    chosen = None if log.config.layer == "all" else log.layers
    initial: dict[str, Tensor] = {}
    if log.config.part != "lora":
        own = tuned_parameters(model, chosen, log.config.part)
        initial = {name: tensor.detach().clone() for name, tensor in own.items()}
    master = replay(log, model, upto=log.result["best_step"])
    dtype = next(iter(delta.deltas.values())).dtype if delta else torch.float16
    changed, before = deltas(master.values, model, initial, dtype)
    again = TunedLayer(
        log.base, changed, log.layers, log.noise, log.config.as_json(), log.result, base_fingerprint(before)
    )
    return None if delta is None else again.sha256 == delta.sha256, again


def deltas(
    values: Mapping[str, Tensor], model: nn.Module, initial: Mapping[str, Tensor], dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`(deltas, base)` by parameter name: what tuning changed, with LoRA multiplied out, and what was there before."""
    changed: dict[str, Tensor] = {}
    base: dict[str, Tensor] = {}
    for name, value in values.items():
        if name.endswith(".lora_b"):
            continue
        if name.endswith(".lora_a"):
            path = name.removesuffix(".lora_a")
            adapter: Any = model.get_submodule(path)
            difference = adapter.scale * (values[f"{path}.lora_b"] @ value)
            name, before = f"{path}.weight", adapter.linear.weight.detach()  # noqa: PLW2901
        else:
            before = initial[name]
            difference = value.to(before.device) - before.float()
        changed[name], base[name] = difference.cpu().to(dtype), before
    return changed, base


def _blocks(model: nn.Module, chosen: Sequence[int] | None) -> Sequence[int]:
    layers: Any = model.get_submodule("model.layers")
    return range(len(layers)) if chosen is None else chosen
