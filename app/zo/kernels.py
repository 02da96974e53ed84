"""Signs made and added in one pass over a GPU's memory; torch alone takes some twenty, over 64-bit integers."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_WORDS = 32
"""64-bit words of noise that a program makes; each is 64 signs."""


def add_signs(tensor: Tensor, key: int, scale: float) -> None:
    """`tensor += scale * z(key)`, in place: what `Rademacher.add_` in app/zo/noise.py does, bit for bit.

    `tensor` is contiguous, on a GPU, and float32, bfloat16 or float16 (the sum is taken in float32); `key` is the word
    as a signed number of 64 bits. Triton compiles at the first call, and raises RuntimeError without a C compiler.
    """
    count = tensor.numel()
    with torch.cuda.device(tensor.device):  # Triton launches on the current one
        _add_signs[(triton.cdiv(count, 64 * _WORDS),)](tensor, count, key, scale, _WORDS)


# The words are _GOLDEN, _FIRST and _SECOND of app/zo/noise.py: a kernel sees no globals of another module.
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
