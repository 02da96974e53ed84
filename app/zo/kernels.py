"""Signs made and added in one pass over a GPU's memory; torch alone takes some twenty, over 64-bit integers."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

_WORDS = 32
"""64-bit words of noise a program makes; each is 64 signs."""


def add_signs(tensor: Tensor, key: int, scale: float) -> None:
    """`tensor += scale * z(key)`: the same bits as app/zo/noise.py. `tensor` is contiguous and on a GPU."""
    count = tensor.numel()
    # As a signed word: what Triton takes for any key.
    word = key - 2**64 if key >= 2**63 else key
    _add_signs[(triton.cdiv(count, 64 * _WORDS),)](tensor, count, word, scale, _WORDS)


@triton.jit(do_not_specialize=["key"])  # type: ignore[untyped-decorator]
def _add_signs(pointer, count, key, scale, words: tl.constexpr):  # type: ignore[no-untyped-def]
    index = tl.program_id(0).to(tl.int64) * words + tl.arange(0, words)
    z = (index + 1).to(tl.uint64) * 0x9E3779B97F4A7C15 + key.to(tl.uint64)
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    z = z ^ (z >> 31)
    bit = tl.arange(0, 64)
    negative = (z[:, None] >> bit[None, :].to(tl.uint64)) & 1
    at = index[:, None] * 64 + bit[None, :]
    inside = at < count
    value = tl.load(pointer + at, mask=inside).to(tl.float32)
    moved = value + tl.where(negative == 1, -scale, scale)
    tl.store(pointer + at, moved.to(pointer.dtype.element_ty), mask=inside)
