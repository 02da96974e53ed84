"""A tuned layer as a file, made without training: noise on one block."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def make_layer(
    target: Path, folder: Path, sha256: str, *, model_id: str = "tiny", block: int = 1, seed: int = 0, size: float = 0.3
) -> Any:
    """Saved in `target`; `folder` has the base model's safetensors. Gives the TunedLayer."""
    import torch
    from safetensors import safe_open

    from app.zo.layer import DELTA_NAME, TunedLayer, base_fingerprint
    from app.zo.types import Base

    base = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            base |= {name: file.get_tensor(name) for name in file.keys() if f"layers.{block}." in name}  # noqa: SIM118
    generator = torch.Generator().manual_seed(seed)
    deltas = {
        name: (size * tensor.float().std() * torch.randn(tensor.shape, generator=generator)).to(torch.bfloat16)
        for name, tensor in base.items()
        if tensor.ndim == 2
    }
    own = {name: base[name] for name in deltas}
    layer = TunedLayer(
        Base(model_id, sha256), deltas, (block,), "none", {"seed": seed}, {"made": "by a test"}, base_fingerprint(own)
    )
    layer.save(target / DELTA_NAME)
    return layer
