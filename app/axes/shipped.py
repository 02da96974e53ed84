"""How the weights in `weights/` are made: what each scorer reads, and how strongly it is held back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from app.axes.features import NAMES
from app.axes.scorer import BLOCKS, MiniLM, base_encoder
from app.axes.train import Annotations, Recipe, enough
from app.axes.train import train as fit
from app.llm.store import DEFAULT_SHA256, MINILM_SHA256, ModelStore
from app.settings import Settings

HIDDEN = 576
BASE = Recipe((*((HIDDEN, 1.0) for _ in BLOCKS), (len(NAMES), 0.1)), penalty=30.0)
INDEPENDENT = Recipe(((384, 1.0),), penalty=30.0)
WIDEN = 1.9
"""What the base ensemble's disagreement is multiplied by (docs/axes.md, coverage)."""


def train(data: Annotations, out: Path, progress: Callable[[str], None] = lambda name: None) -> Iterator[Path]:
    """Writes base.safetensors and minilm.safetensors into `out`, each yielded when it is there. Raises MalformedData,
    OSError."""
    enough(data)
    out.mkdir(parents=True, exist_ok=True)  # told now, and not after some minutes
    store = ModelStore(Settings())
    about: dict[str, object] = {"encoder_sha256": DEFAULT_SHA256, "blocks": BLOCKS, "features": NAMES}
    progress("the placing heads")
    fit(base_encoder(store), data, BASE, len(NAMES), WIDEN, about, out / "base.safetensors")
    yield out / "base.safetensors"
    progress("the independent heads")
    about = {"encoder_sha256": MINILM_SHA256}
    fit(MiniLM(store.minilm_folder()), data, INDEPENDENT, 0, 1.0, about, out / "minilm.safetensors")
    yield out / "minilm.safetensors"
