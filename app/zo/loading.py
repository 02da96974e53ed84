"""A folder of transformers to a model and its tokenizer, and a tuned model back to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from app.zo.layer import TunedLayer
from app.zo.types import ZOError


def load(
    folder: Path, dtype: Literal["float32", "bfloat16", "float16"] = "float32", device: str = "cpu"
) -> tuple[nn.Module, Any]:
    """The model, for inference, and its tokenizer. Raises ZOError."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ZOError(f"{folder} can't be loaded as a model: {str(error).splitlines()[0]}") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ZOError(f"There is no device {device} here ({str(error).splitlines()[0]}). Use cpu.") from error
    return model.eval().requires_grad_(False).to(device), tokenizer


def merge(model: nn.Module, tokenizer: Any, tuned: TunedLayer, out: Path) -> None:
    """Write base and layer as one checkpoint, for transformers and vLLM; config.json names the tuned layer.

    Raises WrongBase, ZOError when `out` is there already.
    """
    if out.exists():
        raise ZOError(f"{out} is there already; choose a folder that isn't.")
    tuned.apply(model)
    whole: Any = model
    whole.config.tuned_id = tuned.tuned_id
    whole.save_pretrained(out)
    tokenizer.save_pretrained(out)
    facts = {"tuned_id": tuned.tuned_id, "base": tuned.base.model_id, "base_sha256": tuned.base.sha256}
    (out / "tuned.json").write_text(json.dumps({**facts, "result": dict(tuned.result)}, indent=2) + "\n")
