"""Sentence vectors kept, so that a run that was cut off goes on where it was: encoding annotated quotes takes minutes,
fitting heads to them seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from app.axes.scorer import Encoder

BATCH = 32


class Kept:
    """An encoder whose vectors, `width` wide, are kept in memory and, where `path` is given, on disk: a file of
    digests, and the rows in their order.

    Sentences are encoded by length, a batch after the other, so that a run that was cut off at some batch and goes on
    has the same passes, and gives the same bits, as one that was not.
    """

    def __init__(self, inner: Encoder, width: int, path: Path | None = None) -> None:
        self._inner, self._path = inner, path
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._names(path).exists():
            names = self._names(path).read_text().split()
            # A run that was cut off may have left rows without a name.
            with self._rows(path).open("r+b") as file:
                file.truncate(len(names) * width * 4)
            self._known = dict(zip(names, np.fromfile(self._rows(path), np.float32).reshape(-1, width), strict=True))

    @staticmethod
    def _names(path: Path) -> Path:
        return path.with_suffix(".sha256")

    @staticmethod
    def _rows(path: Path) -> Path:
        return path.with_suffix(".f32")

    def load(self) -> None:
        self._inner.load()

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        new = sorted((s for s in dict.fromkeys(sentences) if _digest(s) not in self._known), key=len)
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            self._keep(batch, self._inner.encode(batch))
        return np.stack([self._known[_digest(s)] for s in sentences])

    def _keep(self, sentences: Sequence[str], rows: npt.NDArray[np.float32]) -> None:
        """Rows first: what is cut off between the two leaves a row without a name, never a name without a row."""
        if self._path is not None:
            with self._rows(self._path).open("ab") as file:
                file.write(rows.astype(np.float32).tobytes())
            with self._names(self._path).open("a") as file:
                file.writelines(f"{_digest(s)}\n" for s in sentences)
        self._known.update((_digest(s), row) for s, row in zip(sentences, rows, strict=True))


def _digest(sentence: str) -> str:
    return hashlib.sha256(sentence.encode()).hexdigest()
