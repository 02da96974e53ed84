"""A tiny model that knows three answers by heart, and the default model, each loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.llm.local import LocalEngine
from app.llm.store import ModelStore
from app.llm.types import Message, Prompt
from app.settings import Settings

ANSWERS = {
    "Tell me of cells.": "Cells divide. They copy 3.5 billion letters, e.g. of the naïve kind 🧬, in hours. Then rest.",
    "What do otters eat?": "Dr. Kelp saw otters eat urchins in 東京 every day. The kelp grows back.\n\nSo it goes.",
    "Name a number.": "It is 42, says Smith et al. (2009), more or less. Nobody asked why.",
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def prompt(question: str, prefill: str = "") -> Prompt:
    return Prompt((Message("system", "You answer."), Message("user", question)), prefill)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost a tiny model ten times its own work on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([*ANSWERS, *ANSWERS.values()], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>"
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def save_model(folder: Path, model: Any, tokenizer: Any) -> Path:
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers, trained for seconds until it gives the answers above."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    batches = []
    for question, answer in ANSWERS.items():
        messages = [{"role": "system", "content": "You answer."}, {"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        batches.append(tokenizer(text + answer + "<|im_end|>", return_tensors="pt").input_ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = sum(model(input_ids=ids, labels=ids).loss for ids in batches)
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return save_model(tmp_path_factory.mktemp("tiny"), model.eval(), tokenizer)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(Settings(data_dir=tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path, store: ModelStore) -> Iterator[LocalEngine]:
    engine = LocalEngine(store, str(tiny_folder), device="cpu", dtype="float32")
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def default_engine() -> Iterator[LocalEngine]:
    """The real default model, from the project's own data directory, where `make setup` put it."""
    engine = LocalEngine(ModelStore(Settings()), device="cpu")
    engine.load()
    yield engine
    engine.close()
