"""Tiny random models of both shapes, a tokenizer of letters, and the default model, loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from app.llm.store import ModelStore
from app.settings import Settings
from app.zo.loading import load

SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 64, "head_dim": 8, "max_position_embeddings": 256,
}  # fmt: skip


class Letters:
    """One token for each character."""

    eos_token_id = 1
    chat_template = None

    def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
        return SimpleNamespace(input_ids=[2 + ord(c) % 60 for c in text])


def tiny(shape: str = "llama", seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    config = {**SHAPE, **changes}
    model = LlamaForCausalLM(LlamaConfig(**config)) if shape == "llama" else Qwen3ForCausalLM(Qwen3Config(**config))
    # transformers starts weights so small that a tiny model hardly reacts to a probe.
    for parameter in model.parameters():
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    return model.eval()


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["llama", "qwen3"])
def build(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return lambda: tiny(request.param)


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def choices() -> list[dict[str, Any]]:
    """Of different lengths, some beginning alike."""
    return [{"prompt": f"abc{'de' * (i % 5)}{i}", "options": ["a", "b"], "label": i % 2} for i in range(24)]


@pytest.fixture
def responses() -> list[dict[str, Any]]:
    return [{"prompt": f"the same start{'x' * (i % 3)}", "response": f"answer {i}" * (1 + i % 2)} for i in range(24)]


@pytest.fixture(scope="session")
def smollm() -> tuple[Any, Any, str]:
    """Model, tokenizer and hash; tests leave it as they found it."""
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder)
    return model, tokenizer, found.sha256
