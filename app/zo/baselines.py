"""Others' ways, in the same trainer: configs that take the gains away, and MeZO's own loop at its own cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from app.zo.noise import mix
from app.zo.types import Config

VERSION = "gaussian-mezo"
"""The published loop draws all parameters from one stream; its logs can't be replayed from a seed per tensor."""

_NO_GAINS = {
    "both_signs": False, "master": False, "cache_prefix": "off", "packed": False, "share_prompts": False,
    "read_only": False, "one_pass_options": False, "noise": "gaussian", "published_loop": True,
}  # fmt: skip


def regime(name: str, config: Config) -> Config:
    """`config` as one of REGIMES would run it. Raises KeyError."""
    return replace(config, **REGIMES[name])  # type: ignore[arg-type]


REGIMES: dict[str, dict[str, object]] = {
    "ours": {},
    # As princeton-nlp/MeZO does it: the whole model, one row per option, padded, full logits.
    "mezo": {**_NO_GAINS, "layer": "all", "part": "all"},
    # The paper's method and nothing else: MeZO's loop over one layer.
    "paper": {**_NO_GAINS, "part": "all"},
    # MeZO with every gain that doesn't depend on tuning one layer.
    "tuned-mezo": {"layer": "all", "part": "all", "both_signs": False, "master": False, "cache_prefix": "off"},
    # MeZO's LoRA on all blocks, with the same gains.
    "lora": {"layer": "all", "part": "lora", "both_signs": False, "cache_prefix": "off"},
    # Gradients on the same layer: what forward passes alone give up.
    "adamw": {"method": "adamw", "both_signs": False},
}


class PublishedLoop:
    """`zo_perturb_parameters` and `zo_update` of princeton-nlp/MeZO, line by line: a normal drawn anew for each tensor
    and pass, in the tensor's dtype, added out of place."""

    def __init__(self, tensors: Mapping[str, nn.Parameter], config: Config) -> None:
        self._tensors, self._config = tensors, config

    def shift(self, step: int, query: int, scale: float) -> None:
        for parameter, z in self._directions(step, query):
            parameter.data = parameter.data + scale * z

    def update(self, step: int, query: int, gradient: float, unshift: float) -> None:
        self.shift(step, query, unshift)
        rate = self._config.learning_rate(step) / self._config.queries
        for parameter, z in self._directions(step, query):
            parameter.data = parameter.data - rate * (gradient * z)

    def _directions(self, step: int, query: int) -> Iterator[tuple[nn.Parameter, Tensor]]:
        torch.manual_seed(mix(self._config.seed, step, query) & (2**63 - 1))
        for parameter in self._tensors.values():
            data = parameter.data
            yield parameter, torch.normal(mean=0, std=1, size=data.size(), device=data.device, dtype=data.dtype)
