"""Hidden states of the untuned base model, one vector a sentence.

Of some decoder blocks' outputs it holds, side by side, the mean over a sentence's tokens, the first left out, and the
state of the last token, which alone has read the whole sentence. The first token is left out because it holds the
attention sink: its state is two orders of magnitude larger than the rest and says nothing of the sentence (massive
activations, arXiv 2402.17762).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

MAX_TOKENS = 512
"""Tokens read of one sentence, and packed into one forward pass."""
POOLS = 2
"""The mean and the last token."""


class SentenceEncoder:
    """Runs the decoder blocks up to the last of `blocks` (0-based), in fp32 on the CPU, so that a text has one point
    on every machine.

    Sentences are packed into one row with a block-diagonal causal mask: no token is spent on padding, and no sentence
    sees another.
    """

    def __init__(self, folder: Path, blocks: Sequence[int]) -> None:
        self._folder, self.blocks = folder, tuple(blocks)
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None

    def load(self) -> None:
        with self._lock:
            if self._model is not None:
                return
            import torch
            from transformers import AutoModel, AutoTokenizer

            model = AutoModel.from_pretrained(self._folder, dtype=torch.float32).eval()
            model.layers = model.layers[: max(self.blocks) + 1]
            # The final norm belongs to the block that was cut off; what is read is the block's own output.
            model.norm = torch.nn.Identity()
            self._tokenizer = AutoTokenizer.from_pretrained(self._folder)
            self._model = model

    def token_ids(self, sentences: Sequence[str]) -> list[list[int]]:
        self.load()
        ids: list[list[int]] = self._tokenizer(list(sentences), truncation=True, max_length=MAX_TOKENS).input_ids
        return ids

    @property
    def width(self) -> int:
        return len(self.blocks) * POOLS * int(self._model.config.hidden_size)

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        """Shape (len(sentences), blocks * POOLS * hidden size), float32, block by block; of a sentence of one
        token both parts are its state."""
        rows = self.token_ids(sentences)
        out = np.zeros((len(rows), self.width), np.float32)
        pack: list[int] = []
        size = 0
        for i, row in enumerate(rows):
            if pack and size + len(row) > MAX_TOKENS:
                out[pack] = self._encode_pack([rows[j] for j in pack])
                pack, size = [], 0
            pack.append(i)
            size += len(row)
        if pack:
            out[pack] = self._encode_pack([rows[j] for j in pack])
        return out

    def _encode_pack(self, rows: list[list[int]]) -> npt.NDArray[np.float32]:
        import torch

        lengths = torch.tensor([len(r) for r in rows])
        owner = torch.repeat_interleave(torch.arange(len(rows)), lengths)
        position = torch.cat([torch.arange(len(r)) for r in rows])
        ids = torch.tensor([t for r in rows for t in r]).long()
        if len(ids) == 0:
            return np.zeros((len(rows), self.width), np.float32)
        sees = (owner[:, None] == owner[None, :]) & (position[:, None] >= position[None, :])
        with torch.inference_mode(), self._lock:
            # States 0 to n: what goes into the first block, then what each block gives.
            states = self._model(
                input_ids=ids[None],
                position_ids=position[None],
                attention_mask=sees[None, None],
                use_cache=False,
                output_hidden_states=True,
            ).hidden_states
        pooled = [torch.stack([_pool(s) for s in states[b + 1][0].split(lengths.tolist())]) for b in self.blocks]
        vectors: npt.NDArray[np.float32] = torch.hstack(pooled).numpy()
        return vectors


def _pool(states: torch.Tensor) -> torch.Tensor:
    """Shape (POOLS * hidden size,), of one sentence's states, shape (tokens, hidden size); zeros where it has none."""
    import torch

    if len(states) == 0:
        return torch.zeros(POOLS * states.shape[1])
    return torch.cat([(states[1:] if len(states) > 1 else states).mean(0), states[-1]])
