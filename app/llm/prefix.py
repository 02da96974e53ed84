"""Keys and values of prompts' beginnings, kept so that what prompts have in common is computed once.

A prompt is computed in blocks, alone, and where the blocks end depends on the prompt only. So a block's
values never depend on what was kept or on what it is batched with: the same numbers come out with and
without the cache.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

    Layers: TypeAlias = list[tuple[torch.Tensor, torch.Tensor]]
    """Keys and values of each layer, of shape (rows, heads, tokens, head size)."""


def block_ends(shared: int, total: int, block: int) -> list[int]:
    """Where blocks of at most `block` tokens end: one of them with the first `shared` tokens, which many prompts
    have in common (instructions and worked examples), the last with the prompt."""
    return [*range(block, shared, block), *([shared] * (shared > 0)), *range(shared + block, total, block), total]


class PrefixCache:
    """Blocks by the hash of all tokens up to their end and the tuned layer that read them; least recently used go
    first. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: OrderedDict[bytes, Layers] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, ids: Sequence[int], ends: Sequence[int], tuned_id: str | None = None) -> list[Layers]:
        """The kept blocks of `ids`, in order, up to the first that is not there."""
        found = []
        keys = _keys(ids, ends, tuned_id)
        with self._lock:
            for key in keys:
                if key not in self._blocks:
                    break
                found.append(self._blocks[key])
            # A block is of no use without those before it, so it has to be the first of them to go.
            for key in reversed(keys[: len(found)]):
                self._blocks.move_to_end(key)
        return found

    def keep(self, ids: Sequence[int], ends: Sequence[int], layers: Layers, tuned_id: str | None = None) -> None:
        """Keep the block that ends at the last of `ends`."""
        key, size = _keys(ids, ends, tuned_id)[-1], _bytes(layers)
        with self._lock:
            if key in self._blocks or size > self.max_bytes:
                return
            while self._bytes + size > self.max_bytes:
                _, gone = self._blocks.popitem(last=False)
                self._bytes -= _bytes(gone)
            self._blocks[key] = layers
            self._bytes += size

    def clear(self) -> None:
        with self._lock:
            self._blocks.clear()
            self._bytes = 0


def _keys(ids: Sequence[int], ends: Sequence[int], tuned_id: str | None) -> list[bytes]:
    """The blocks' ends are hashed too: a block's numbers differ in their last digits if it was cut elsewhere."""
    digest, keys = hashlib.sha256((tuned_id or "").encode()), []
    for start, end in zip([0, *ends], ends, strict=False):
        digest.update(array("q", [end, *ids[start:end]]).tobytes())
        keys.append(digest.digest())
    return keys


def _bytes(layers: Layers) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in layers)
