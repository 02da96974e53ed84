"""A writer's session, through the public door: versions written, one confirmed, its siblings discarded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.writing.desk import Desk, ok

NAMES = ("Cells", "Ice sheets", "Neurons", "Forests", "Glaciers", "Proteins", "Bees", "Currents", "Volcanoes", "Mosses")
TEXT = "\n\n".join(f"{name} change over {i + 3} years." for i, name in enumerate(NAMES))


def decide(desk: Desk, presses: int = 1, label: str = "use-analogy") -> list[str]:
    """Press a label on every paragraph, confirm the first version and discard the rest; the confirmed ids."""
    confirmed = []
    for paragraph in desk.paragraphs():
        head = paragraph["head"]
        for _ in range(presses):
            made = [data["version"]["id"] for name, data in desk.revise(head, label=label) if name == "version"]
            ok(desk.client.post(f"/api/versions/{made[0]}/confirm", json={"base": head}))
            for other in made[1:]:
                ok(desk.client.post(f"/api/versions/{other}/discard"))
            head = made[0]
            confirmed.append(head)
    return confirmed


def allow(client: TestClient, given: bool = True) -> Any:
    return ok(client.post("/api/learn/consent", json={"given": given}))


def overview(client: TestClient) -> Any:
    return ok(client.get("/api/learn"))


def tiny_model(folder: Path, seed: int = 0) -> Path:
    """A random Llama of three blocks that reads long prompts."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.llm.conftest import make_tokenizer, save_model

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save_model(folder, LlamaForCausalLM(config).eval(), tokenizer)
