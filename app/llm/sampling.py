"""One token for each row, each row by its own settings and from its own random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.llm.types import Sampling

if TYPE_CHECKING:
    import torch


def choose(
    logits: torch.Tensor,
    settings: Sequence[Sampling],
    written: Sequence[Sequence[int]],
    generators: Sequence[torch.Generator],
) -> tuple[list[int], list[float | None]]:
    """Tokens drawn, and their natural-log probabilities at temperature 1 where asked for.

    `logits` is (rows, vocabulary), float32. `written` holds each answer's tokens so far: the repetition
    penalty looks at these alone, since a revision is meant to repeat its parent's names and figures.
    """
    tokens: list[int] = []
    logprobs: list[float | None] = []
    for row, setting, ids, generator in zip(logits, settings, written, generators, strict=True):
        token = _choose_one(row, setting, ids, generator)
        tokens.append(token)
        logprobs.append(float(row[token] - row.logsumexp(-1)) if setting.logprobs else None)
    return tokens, logprobs


def _choose_one(row: torch.Tensor, setting: Sampling, written: Sequence[int], generator: torch.Generator) -> int:
    import torch

    if setting.repetition_penalty != 1.0 and written:
        # As in CTRL (arXiv 1909.05858) and transformers: what has been written becomes less likely.
        seen = torch.tensor(sorted(set(written)), device=row.device)
        score = row[seen]
        penalised = torch.where(score > 0, score / setting.repetition_penalty, score * setting.repetition_penalty)
        row = row.index_copy(0, seen, penalised)
    if setting.temperature <= 0:
        return int(row.argmax())
    row = row / setting.temperature
    # Gumbel-max: the same noise at nearly the same logits gives the same token, so that a draw mostly
    # survives the rounding differences between batches.
    noise = torch.empty_like(row).exponential_(generator=generator).log_().neg_()
    if setting.top_p < 1:
        row = _nucleus(row, setting.top_p)
    return int((row + noise).argmax())


def _nucleus(row: torch.Tensor, top_p: float) -> torch.Tensor:
    """Minus infinity outside the smallest set of likeliest tokens whose probability reaches `top_p`."""
    import torch

    probability = row.softmax(-1)
    ordered = probability.topk(min(1024, len(row))).values
    if ordered.sum() < top_p:
        ordered = probability.sort(descending=True).values
    count = int(torch.searchsorted(ordered.cumsum(-1), top_p)) + 1
    threshold = ordered[min(count, len(ordered)) - 1]
    return row.masked_fill(probability < threshold, float("-inf"))
