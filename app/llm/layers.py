"""Tuned layers as the engine takes them: each checked against the base model before it is put on.

`SPATIAL_TUNED` says which is in service from the start: by default the one that ships with the default model
(docs/tuned-model.md).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.llm.types import EngineError
from app.settings import Settings

if TYPE_CHECKING:
    import torch

    from app.zo.layer import TunedLayer

SHIPPED = Path(__file__).with_name("tuned")
"""The default model's own layer (layer.safetensors) and the seed log it came from (layer.zolog)."""

_MEND = "Set SPATIAL_TUNED=off to write with the untuned model, or name a layer that was tuned on this one."


def configured(settings: Settings) -> Path | None:
    """The layer that the settings put in service; None for the untuned model. Raises EngineError for a path with
    nothing there."""
    if settings.llm_url or settings.tuned == "off":
        return None
    if settings.tuned == "default":
        shipped = settings.model == "default" and any(SHIPPED.glob("*.safetensors"))
        return SHIPPED if shipped else None
    path = Path(settings.tuned)
    if not path.exists():
        raise EngineError("tuned-missing", f"SPATIAL_TUNED names {path}, which is not there.", _MEND)
    return path


def read(path: Path, base_sha256: str) -> TunedLayer:
    """A layer's file, or the folder it is in. Raises EngineError when it is damaged, was changed after it was
    written, or was tuned on another model than the one of this hash."""
    from app.zo.layer import TunedLayer
    from app.zo.types import WrongBase, ZOError

    try:
        layer = TunedLayer.load(path)
        layer.verify(base_sha256)
    except WrongBase as error:
        raise EngineError("tuned-base", str(error), _MEND) from error
    except ZOError as error:
        raise EngineError("tuned-damaged", str(error), _MEND) from error
    return layer


class Layers:
    """Those that were added to one loaded model, by id, and which one is on it now.

    Not safe for threads by itself: whoever puts a layer on has to hold a lock until the pass is done.
    """

    def __init__(self, model: Any, folder: Path, sha256: str) -> None:
        """`folder` has the model's weights as they were tuned, whatever precision the model is loaded in."""
        self._folder, self._sha256 = folder, sha256
        self._dtype = model.dtype
        self._places: defaultdict[str, list[tuple[torch.nn.Module, str]]] = defaultdict(list)
        """Where each parameter hangs; tied ones hang in several places."""
        self._base: dict[str, torch.nn.Parameter] = dict(model.named_parameters())
        names = {id(parameter): name for name, parameter in self._base.items()}
        for module in model.modules():
            for leaf, parameter in module._parameters.items():
                if parameter is not None:
                    self._places[names[id(parameter)]].append((module, leaf))
        self._tuned: dict[str, dict[str, torch.nn.Parameter]] = {}
        self._on: str | None = None

    def add(self, path: Path) -> str:
        """Its id. Raises EngineError as `read` does."""
        import torch

        from app.zo.types import WrongBase

        layer = read(path, self._sha256)
        if layer.tuned_id not in self._tuned:
            try:
                weights = layer.weights(_stored(self._folder, set(layer.deltas)))
            except WrongBase as error:
                raise EngineError("tuned-base", str(error), _MEND) from error
            self._tuned[layer.tuned_id] = {
                name: torch.nn.Parameter(value.to(self._base[name].device, self._dtype), requires_grad=False)
                for name, value in weights.items()
            }
        return layer.tuned_id

    def check(self, tuned_id: str | None) -> None:
        """Raises EngineError for a layer that was not added."""
        if tuned_id is not None and tuned_id not in self._tuned:
            raise EngineError("tuned-unknown", f"The tuned layer {tuned_id} is not loaded.", "Put it in service again.")

    def put_on(self, tuned_id: str | None) -> None:
        """The next pass runs with this layer, or with none."""
        if tuned_id == self._on:
            return
        for name in self._tuned.get(self._on or "", {}):
            self._hang(name, self._base[name])
        for name, parameter in self._tuned[tuned_id].items() if tuned_id is not None else ():
            self._hang(name, parameter)
        self._on = tuned_id

    def _hang(self, name: str, parameter: torch.nn.Parameter) -> None:
        for module, leaf in self._places[name]:
            module._parameters[leaf] = parameter


def _stored(folder: Path, names: set[str]) -> dict[str, torch.Tensor]:
    """Parameters from a model's files, in float32; those that are not there are left out."""
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in names & set(file.keys()):
                found[name] = file.get_tensor(name).float()
    return found
