"""Sentence vectors kept on disk: encoding the annotated quotes takes minutes, fitting heads to them seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.axes.scorer import Encoder

BATCH = 32


class Kept:
    """An encoder whose vectors, `width` wide, are kept under `path`: a file of digests, and the rows in their order."""

    def __init__(self, inner: Encoder, path: Path, width: int) -> None:
        self._inner = inner
        self._names, self._rows = path.with_suffix(".sha256"), path.with_suffix(".f32")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        if self._names.exists():
            names = self._names.read_text().split()
            # A run that was cut off may have left rows without a name.
            with self._rows.open("r+b") as file:
                file.truncate(len(names) * width * 4)
            self._known = dict(zip(names, np.fromfile(self._rows, np.float32).reshape(-1, width), strict=True))

    def load(self) -> None:
        self._inner.load()

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        new = sorted({s for s in sentences if _digest(s) not in self._known}, key=len)
        for start in range(0, len(new), BATCH):
            self.keep(new[start : start + BATCH], self._inner.encode(new[start : start + BATCH]))
        return np.stack([self._known[_digest(s)] for s in sentences])

    def keep(self, sentences: Sequence[str], rows: npt.NDArray[np.float32]) -> None:
        """Rows first: what is cut off between the two leaves a row without a name, never a name without a row."""
        with self._rows.open("ab") as file:
            file.write(rows.astype(np.float32).tobytes())
        with self._names.open("a") as file:
            file.writelines(f"{_digest(s)}\n" for s in sentences)
        self._known.update((_digest(s), row) for s, row in zip(sentences, rows, strict=True))


def _digest(sentence: str) -> str:
    return hashlib.sha256(sentence.encode()).hexdigest()
