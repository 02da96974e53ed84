"""Which block to tune: the first whose output holds massive activations, found by inference only.

A massive activation (Sun et al., arXiv 2402.17762) is larger than 100 and at least 1000 times the median magnitude of
its hidden state. Texts are tokenised as the tokenizer does by itself, with BOS where the model has one; every
place counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor, nn

from app.zo.master import Master, tuned_parameters
from app.zo.model import Decoder, Tree
from app.zo.noise import Rademacher
from app.zo.objective import Row
from app.zo.types import Config, ZOError

LARGE = 100.0
RATIO = 1000.0
MIN_TEXTS = 10
_JUMP = 8.0
"""A jump in the largest magnitude from one block to the next that is taken for an outlier's birth."""
_LONGEST = 256
"""Tokens of a text that are looked at; outliers stand at its beginning."""

Rule = Literal["massive-activation", "largest-jump", "sensitivity", "override"]


CALIBRATION = (
    "Glaciers move because ice under its own weight flows like a very thick liquid.",
    "The committee met on Tuesday and put off the vote until the new figures were in.",
    "A cell copies its genome before it divides, and repairs most of the errors it makes.",
    "She opened the window, heard the rain on the tin roof, and decided to stay at home.",
    "To boil an egg at high altitude takes longer, since water boils there at a lower temperature.",
    "In 1847 Ignaz Semmelweis asked doctors to wash their hands, and fewer mothers died.",
    "The function returns a list of pairs, sorted by name, or nothing if the file is empty.",
    "Prices rose by 3.2 percent in March, more slowly than most economists had expected.",
    "What would happen to the tides if the Moon were twice as far away from the Earth?",
    "The film is long, loud and surprisingly tender, and its ending stays with you for days.",
    "Bats find moths in the dark by listening to the echoes of their own calls.",
    "Turn left at the bakery, cross the bridge, and the museum is the grey house on the hill.",
)
"""Texts of several kinds, for whoever has none at hand: where outliers are born hardly depends on what is read."""


@dataclass(frozen=True)
class BlockProfile:
    """One block's output. Medians over the texts; `position` and `channel` are where the largest entry mostly is."""

    block: int
    largest: float
    median: float
    ratio: float
    share: float
    """Of the texts in which it meets both bounds."""
    position: int
    channel: int
    sensitivity: float | None = None
    """Mean squared projected gradient, an estimate of the squared norm of the block's gradient; where it was asked."""


@dataclass(frozen=True)
class LayerProfile:
    layer: int
    rule: Rule
    explanation: str
    blocks: tuple[BlockProfile, ...]
    texts: int

    def as_json(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "rule": self.rule,
            "explanation": self.explanation,
            "texts": self.texts,
            "profile": [asdict(block) for block in self.blocks],
        }


@torch.no_grad()
def find_dominant_layer(
    model: nn.Module, tokenizer: Any, texts: Sequence[str], layer: int | None = None
) -> LayerProfile:
    """At least 10 texts. `layer` overrides what is found; the profile is measured all the same.

    Raises ZOError for too few texts or a block that isn't there, UnknownModel.
    """
    decoder = Decoder(model)
    if layer is not None and not 0 <= layer < len(decoder.layers):
        raise ZOError(f"There is no block {layer}: this model's go from 0 to {len(decoder.layers) - 1}.")
    encoded = [ids for ids in (tokenizer(text).input_ids[:_LONGEST] for text in texts) if len(ids) >= 2]
    if len(encoded) < MIN_TEXTS:
        raise ZOError(f"{len(encoded)} texts of two tokens or more are too few; {MIN_TEXTS} are needed.")
    seen = [_outputs(decoder, ids) for ids in encoded]
    blocks = tuple(_profile(index, [text[index] for text in seen]) for index in range(len(decoder.layers)))
    if layer is not None:
        return LayerProfile(layer, "override", f"Block {layer} was asked for.", blocks, len(encoded))
    first = next((block for block in blocks if block.share > 0.5), None)
    if first:
        why = (
            f"Block {first.block} is the first whose output holds massive activations in most texts: "
            f"{first.largest:.0f} at position {first.position}, channel {first.channel}, "
            f"{first.ratio:.0f} times the median magnitude."
        )
        return LayerProfile(first.block, "massive-activation", why, blocks, len(encoded))
    jumps = {now.block: now.largest / max(before.largest, 1e-9) for before, now in pairwise(blocks)}
    sharpest = max(jumps, key=jumps.__getitem__) if jumps else 0
    none = f"No block's output exceeds {LARGE:.0f} and {RATIO:.0f} times its median in most texts. "
    if jumps and jumps[sharpest] >= _JUMP:
        why = f"{none}Block {sharpest} has the largest jump: {jumps[sharpest]:.1f} times the block before it."
        return LayerProfile(sharpest, "largest-jump", why, blocks, len(encoded))
    measured = sensitivity(decoder, [Row(tuple(i[:-1]), tuple(range(len(i) - 1)), tuple(i[1:])) for i in encoded])
    blocks = tuple(replace(block, sensitivity=value) for block, value in zip(blocks, measured, strict=True))
    steepest = max(range(len(blocks)), key=measured.__getitem__)
    why = (
        f"{none}No jump from one block to the next reaches {_JUMP:.0f} times. Of the squared gradient, as "
        f"probes see it, block {steepest} holds {measured[steepest] / (sum(measured) or 1):.0%}, the most of all."
    )
    return LayerProfile(steepest, "sensitivity", why, blocks, len(encoded))


@torch.no_grad()
def sensitivity(decoder: Decoder, rows: Sequence[Row], probes: int = 4, epsilon: float = 1e-3) -> list[float]:
    """For each block the mean square of the projected gradient of the rows' loss along Rademacher directions.

    Its expectation is the squared norm of the gradient, up to terms of the order of epsilon squared.
    """
    plan = decoder.plan(Tree(rows), range(len(rows)))
    hidden = decoder.embed(plan)
    found = []
    for index in range(len(decoder.layers)):
        own = tuned_parameters(decoder.model, [index], "all")
        master = Master(own, Config(layer=index), Rademacher())
        squares = []
        for probe in range(probes):
            losses = []
            for sign in (1, -1):
                master.probe(own, probe, 0, sign * epsilon)
                scores = decoder.read(decoder.run(hidden, plan, index), plan)[0]
                losses.append(-float(torch.stack([row.mean() for row in scores]).mean()))
            squares.append(((losses[0] - losses[1]) / (2 * epsilon)) ** 2)
        master.restore(own)
        found.append(sum(squares) / probes)
        hidden = decoder.run(hidden, plan, index, index + 1, whole=True)
    return found


def _outputs(decoder: Decoder, ids: Sequence[int]) -> list[tuple[float, float, int, int]]:
    """For each block's output: the largest magnitude, the median magnitude, the largest's position and channel."""
    plan = decoder.plan(Tree([Row(tuple(ids), (0,), (0,))]), [0])
    hidden: Tensor = decoder.embed(plan)
    found = []
    for index in range(len(decoder.layers)):
        hidden = decoder.run(hidden, plan, index, index + 1, whole=True)
        magnitudes = hidden[0].float().abs()
        place = int(magnitudes.argmax())
        channels = magnitudes.shape[1]
        found.append((float(magnitudes.max()), float(magnitudes.median()), place // channels, place % channels))
    return found


def _profile(block: int, outputs: Sequence[tuple[float, float, int, int]]) -> BlockProfile:
    ratios = [largest / max(middle, 1e-12) for largest, middle, _, _ in outputs]
    meeting = [out[0] > LARGE and ratio >= RATIO for out, ratio in zip(outputs, ratios, strict=True)]
    (position, channel), _ = Counter((out[2], out[3]) for out in outputs).most_common(1)[0]
    return BlockProfile(
        block, median(out[0] for out in outputs), median(out[1] for out in outputs), median(ratios),
        sum(meeting) / len(meeting), position, channel,
    )  # fmt: skip
