"""Zeroth-order fine-tuning of the dominant layer: forward passes only, in the memory that inference takes.

    profile = find_dominant_layer(model, tokenizer, texts)        # which block, and why
    trainer = ZOTrainer(model, ResponseLoss(tokenizer), Config(steps=1000))
    result = trainer.fit(examples, validation, Path("runs/first"))  # a seed log and a delta of the one layer

Knows nothing of the editor. Needs torch; transformers and safetensors only for files. docs/zo.md explains the method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.zo.layer import SeedLog as SeedLog
    from app.zo.layer import TunedLayer as TunedLayer
    from app.zo.objective import OptionChoice as OptionChoice
    from app.zo.objective import PreferenceMargin as PreferenceMargin
    from app.zo.objective import ResponseLoss as ResponseLoss
    from app.zo.outliers import LayerProfile as LayerProfile
    from app.zo.outliers import find_dominant_layer as find_dominant_layer
    from app.zo.rates import suggest_rate as suggest_rate
    from app.zo.trainer import ZOTrainer as ZOTrainer
    from app.zo.types import Base as Base
    from app.zo.types import Config as Config
    from app.zo.types import ZOError as ZOError

_HOMES = {
    "Base": "types",
    "Config": "types",
    "ZOError": "types",
    "LayerProfile": "outliers",
    "find_dominant_layer": "outliers",
    "ZOTrainer": "trainer",
    "suggest_rate": "rates",
    "ResponseLoss": "objective",
    "OptionChoice": "objective",
    "PreferenceMargin": "objective",
    "SeedLog": "layer",
    "TunedLayer": "layer",
}
__all__ = [*_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line's --help must not wait for torch.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"app.zo.{_HOMES[name]}"), name)
    raise AttributeError(name)
