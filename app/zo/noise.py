"""Directions to probe along, made anew from a key instead of being stored.

Rademacher signs are the bits of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): 64 signs from each 64-bit output, in
integer arithmetic that is the same on every device. Gaussian directions, as MeZO publishes them, come from torch's
generator, whose stream differs between devices.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from app.zo.types import NoiseKind

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_MASK = 2**64 - 1
_SIGN_BIT = -(2**31)
_ONE = 0x3F800000
_HAS_TRITON = find_spec("triton") is not None
"""It comes with torch's builds for GPUs; without it torch's own operations do the same, some twenty times as slowly."""
_CHUNK = 2**22
"""Elements made at once, so that noise for a large layer takes no memory of its size. Part of Gaussian's version."""


class Noise(Protocol):
    """`version` goes into the log: the same version and key give the same direction."""

    version: str

    def add_(self, tensor: Tensor, key: int, scale: float) -> None:
        """`tensor += scale * z(key)`, in place; `tensor` is contiguous, z has its shape and unit variance."""
        ...


def make(kind: NoiseKind, device: torch.device) -> Noise:
    return Rademacher() if kind == "rademacher" else Gaussian(device)


def by_version(version: str, device: torch.device) -> Noise | None:
    """The noise that wrote a log, if this program and device can make it again."""
    return next((noise for noise in (Rademacher(), Gaussian(device)) if noise.version == version), None)


def mix(*words: int) -> int:
    """One 64-bit key from several numbers, order counted: SplitMix64's finaliser, chained."""
    state = 0
    for word in words:
        state = _finalise(((state ^ (word & _MASK)) + _GOLDEN) & _MASK)
    return state


def _finalise(z: int) -> int:
    z = ((z ^ (z >> 30)) * _FIRST) & _MASK
    z = ((z ^ (z >> 27)) * _SECOND) & _MASK
    return z ^ (z >> 31)


def splitmix64(key: int, start: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Outputs `start` to `start + count` of SplitMix64 seeded with `key`, as (count,) int64 bit patterns."""
    counters = torch.arange(start + 1, start + count + 1, dtype=torch.int64, device=device)
    z = counters.mul_(_signed(_GOLDEN)).add_(_signed(key))
    z = (z ^ _shifted(z, 30)).mul_(_signed(_FIRST))
    z = (z ^ _shifted(z, 27)).mul_(_signed(_SECOND))
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, by: int) -> Tensor:
    # torch's shift copies the sign bit in; the reference shifts zeros in.
    return (z >> by).bitwise_and_(2 ** (64 - by) - 1)


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


class Rademacher:
    """Every entry +1 or -1 with equal chance."""

    version = "rademacher-splitmix64-1"

    def signs(self, key: int, start: int, count: int, device: torch.device) -> Tensor:
        """Entries `start` (a multiple of 64) to `start + count` of z(key): (count,) float32 of +1 and -1.

        Entry 64 i + j is -1 where bit j, the lowest being 0, of SplitMix64's output i is set.
        """
        halves = splitmix64(key, start // 64, -(-count // 64), device).view(torch.int32)
        # Each bit in turn becomes the sign bit of the float 1.0: no arithmetic on floats, so nothing to differ.
        z = halves[:, None] << torch.arange(31, -1, -1, dtype=torch.int32, device=device)
        z.bitwise_and_(_SIGN_BIT).bitwise_or_(_ONE)
        return z.view(torch.float32).view(-1)[:count]

    def add_(self, tensor: Tensor, key: int, scale: float) -> None:
        if tensor.is_cuda and _HAS_TRITON:
            from app.zo.kernels import add_signs

            add_signs(tensor, _signed(key), scale)
            return
        flat = tensor.view(-1)
        for start in range(0, flat.numel(), _CHUNK):
            piece = flat[start : start + _CHUNK]
            piece.add_(self.signs(key, start, piece.numel(), piece.device), alpha=scale)


class Gaussian:
    """Standard normal entries from torch's generator of one kind of device."""

    def __init__(self, device: torch.device) -> None:
        self.version = f"gaussian-torch-{device.type}-1"
        self._generator = torch.Generator(device)

    def add_(self, tensor: Tensor, key: int, scale: float) -> None:
        self._generator.manual_seed(key & (2**63 - 1))
        flat = tensor.view(-1)
        for start in range(0, flat.numel(), _CHUNK):
            piece = flat[start : start + _CHUNK]
            z = torch.randn(piece.numel(), generator=self._generator, device=piece.device)
            piece.add_(z, alpha=scale)
