"""A batch's loss for the model as it stands, three ways: the fast path, the whole model, or a function of one's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from app.zo.model import Decoder, Plan, Tree
from app.zo.objective import CallableObjective, Example, Objective, Row
from app.zo.types import Config, ZOError

_FILL_TOKENS = 512
"""Tokens run through the prefix at once while a cache is filled: about a batch, so that memory has no peak there."""
_PAD_TO = 8
"""MeZO's collator pads to a multiple of this."""


@dataclass(frozen=True)
class Outcome:
    """Summed over a batch: losses, examples answered right (None where nothing is chosen), and how many there are."""

    loss: float
    right: int | None
    count: int


class Whole:
    """The model's own forward on padded rows. `read_only` spares logits where nothing is read."""

    def __init__(self, decoder: Decoder, objective: Objective, examples: Sequence[Example], read_only: bool) -> None:
        self._decoder, self._objective, self._examples = decoder, objective, examples
        self._read_only = read_only

    def prepare(self, chosen: Sequence[int]) -> Sequence[int]:
        return chosen

    def outcome(self, chosen: Sequence[int]) -> Outcome:
        rows = [row for index in chosen for row in self._examples[index].rows]
        # As MeZO feeds them: the answer's last token goes in too.
        ids = [(*row.ids, *row.targets[-1:]) for row in rows]
        longest = -(-max(map(len, ids)) // _PAD_TO) * _PAD_TO
        device = self._decoder.device
        padded: Any = torch.tensor([(*row, *[0] * (longest - len(row))) for row in ids], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=device)
        model: Any = self._decoder.model
        if self._read_only:
            hidden = model.model(padded, attention_mask=mask, use_cache=False).last_hidden_state
            logits = [model.lm_head(hidden[i, list(row.reads)]) for i, row in enumerate(rows)]
        else:
            everywhere = model(padded, attention_mask=mask, use_cache=False).logits
            logits = [everywhere[i, list(row.reads)] for i, row in enumerate(rows)]
        scores = [_scores(row, values.float()) for row, values in zip(rows, logits, strict=True)]
        return summed(self._objective, [self._examples[i] for i in chosen], scores)[0]


class Packed:
    """Packed rows through the blocks one by one, beginning where the tuned blocks do if the prefix is cached."""

    def __init__(
        self,
        decoder: Decoder,
        objective: Objective,
        examples: Sequence[Example],
        config: Config,
        first: int,
        twins: Mapping[int, nn.Module] | None,
    ) -> None:
        """`first` is the lowest tuned block; what is before it is frozen (its attention too, for the MLP alone)."""
        self._decoder, self._objective, self._examples, self._config = decoder, objective, examples, config
        self._first, self._half, self._twins = first, config.part in ("mlp", "up") and first > 0, twins
        rows = [row for example in examples for row in example.rows]
        starts = [0]
        for example in examples:
            starts.append(starts[-1] + len(example.rows))
        self._rows_of = [range(a, b) for a, b in pairwise(starts)]
        self.tree = Tree(rows, config.share_prompts)
        self.cache: Tensor | None = None
        bytes_needed = self.tree.size * decoder.hidden * decoder.dtype.itemsize
        self.cache_bytes = bytes_needed if config.cache_prefix == "dataset" and self._frozen else 0
        self.cached = bool(self.cache_bytes) and (bytes_needed <= config.cache_bytes or config.cache_file is not None)

    @property
    def _frozen(self) -> bool:
        return self._first > 0 and self._config.cache_prefix != "off"

    @torch.no_grad()
    def fill(self) -> None:
        """Compute the prefix of the whole data set."""
        if not self.cached or self.cache is not None:
            return
        decoder = self._decoder
        self.cache = _storage((self.tree.size, decoder.hidden), decoder.dtype, decoder.device, self._config.cache_file)
        for rows in self._pieces():
            plan = decoder.plan(self.tree, rows)
            self.cache[plan.nodes.to(self.cache.device)] = self._prefix(plan)[0].to(self.cache.device)

    def prepare(self, chosen: Sequence[int]) -> tuple[Sequence[int], Plan, Tensor]:
        """What both signs have in common: the batch laid out, and its hidden states where the tuned blocks begin."""
        plan = self._decoder.plan(self.tree, [row for index in chosen for row in self._rows_of[index]])
        if self.cache is not None:
            hidden = self.cache[plan.nodes.to(self.cache.device)].to(self._decoder.device)[None]
        elif self._frozen:
            hidden = self._prefix(plan)
        else:
            hidden = self._decoder.embed(plan)
        return chosen, plan, hidden

    def outcome(self, prepared: tuple[Sequence[int], Plan, Tensor]) -> Outcome:
        """The model as it stands, in one copy."""
        return self._outcomes(prepared, None)[0]

    def both(self, prepared: tuple[Sequence[int], Plan, Tensor]) -> tuple[Outcome, Outcome]:
        """The model as it stands, and with the twins in place of their blocks."""
        first, second = self._outcomes(prepared, self._twins)
        return first, second

    def mean_loss(self, prepared: tuple[Sequence[int], Plan, Tensor]) -> Tensor:
        """Through which a gradient can be taken."""
        chosen, plan, hidden = prepared
        scores = self._scores(plan, hidden, None)[0]
        return torch.stack(_losses(self._objective, [self._examples[i] for i in chosen], scores)).mean()

    def _outcomes(
        self, prepared: tuple[Sequence[int], Plan, Tensor], twins: Mapping[int, nn.Module] | None
    ) -> list[Outcome]:
        chosen, plan, hidden = prepared
        examples = [self._examples[i] for i in chosen]
        return [summed(self._objective, examples, scores)[0] for scores in self._scores(plan, hidden, twins)]

    def _scores(self, plan: Plan, hidden: Tensor, twins: Mapping[int, nn.Module] | None) -> list[list[Tensor]]:
        start, half = (self._first, self._half) if self._frozen else (0, False)
        return self._decoder.read(self._decoder.run(hidden, plan, start, twins=twins, half=half), plan)

    def _prefix(self, plan: Plan) -> Tensor:
        hidden = self._decoder.run(self._decoder.embed(plan), plan, 0, self._first, whole=True)
        return self._decoder.attend(self._first, hidden, plan) if self._half else hidden

    def _pieces(self) -> Iterator[list[int]]:
        """All rows, like beginnings together, in pieces of a bounded number of tokens."""
        piece: list[int] = []
        tokens = 0
        before = torch.empty(0, dtype=torch.long)
        for row in sorted(range(len(self.tree.rows)), key=self.tree.rank.__getitem__):
            piece.append(row)
            path = self.tree.paths[row]
            common = min(len(before), len(path))
            # Counted as they are run: rows with one beginning stay together, which is then run once.
            tokens += len(path) - int((before[:common] == path[:common]).sum())
            before = path
            if tokens >= _FILL_TOKENS:
                yield piece
                piece, tokens, before = [], 0, torch.empty(0, dtype=torch.long)
        if piece:
            yield piece


class Called:
    """A function of one's own."""

    def __init__(self, model: nn.Module, objective: CallableObjective, raws: Sequence[Mapping[str, Any]]) -> None:
        self._model, self._objective, self._raws = model, objective, raws

    def prepare(self, chosen: Sequence[int]) -> Sequence[int]:
        return chosen

    def outcome(self, chosen: Sequence[int]) -> Outcome:
        loss = float(self._objective.evaluate(self._model, [self._raws[i] for i in chosen]))
        return Outcome(loss * len(chosen), None, len(chosen))


def summed(
    objective: Objective, examples: Sequence[Example], scores: Sequence[Tensor]
) -> tuple[Outcome, list[list[Tensor]]]:
    by_example = _by_example(examples, scores)
    losses = [float(objective.loss(e, s)) for e, s in zip(examples, by_example, strict=True)]
    right = [objective.right(e, s) for e, s in zip(examples, by_example, strict=True)]
    answered = None if any(r is None for r in right) else sum(map(bool, right))
    return Outcome(sum(losses), answered, len(examples)), by_example


@contextmanager
def memory_errors() -> Iterator[None]:
    """Out of memory, told in words: by how much, and which switch helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and "can't allocate memory" not in text:
            raise
        asked = re.search(r"allocate (\d+) bytes|allocate ([\d.]+ [KMGT]iB)", text)
        more = "" if asked is None else f": {asked[2] or f'{int(asked[1]) / 2**20:,.0f} MiB'} more were asked for"
        raise ZOError(
            f"There is not enough memory{more}. What helps, in this order: --cache-prefix batch, a smaller "
            "--batch-size with more --accumulate, --no-both-signs, --part mlp. "
            "--dry-run tells beforehand what a run takes."
        ) from error


def _losses(objective: Objective, examples: Sequence[Example], scores: Sequence[Tensor]) -> list[Tensor]:
    return [objective.loss(e, s) for e, s in zip(examples, _by_example(examples, scores), strict=True)]


def _by_example(examples: Sequence[Example], scores: Sequence[Tensor]) -> list[list[Tensor]]:
    rest = iter(scores)
    return [[next(rest) for _ in example.rows] for example in examples]


def _scores(row: Row, logits: Tensor) -> Tensor:
    """(reads, vocabulary) to what the row wants, on the CPU."""
    if row.options:
        return logits[0, list(row.options)].cpu()
    return logits.log_softmax(-1)[torch.arange(len(row.targets)), list(row.targets)].cpu()


def _storage(shape: tuple[int, int], dtype: torch.dtype, device: torch.device, file: str | None) -> Tensor:
    if file is None:
        return torch.empty(shape, dtype=dtype, device=device)
    size = shape[0] * shape[1]
    try:
        with open(file, "wb") as handle:
            os.truncate(handle.fileno(), size * dtype.itemsize)
        return torch.from_file(file, shared=True, size=size, dtype=dtype).view(shape)
    except OSError as error:
        raise ZOError(f"{file} can't hold the prefix cache: {error.strerror or error}.") from error
