"""Scores of questionnaires: one pure function a formula, each with the formula's source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from app.study.questionnaires import Instrument, Item, checked

TLX = {
    "mental": "Mental demand",
    "physical": "Physical demand",
    "temporal": "Temporal demand",
    "performance": "Performance",
    "effort": "Effort",
    "frustration": "Frustration",
}
CSI = {
    "collaboration": "Collaboration",
    "enjoyment": "Enjoyment",
    "exploration": "Exploration",
    "expressiveness": "Expressiveness",
    "immersion": "Immersion",
    "results": "Results worth effort",
}
SUS_ITEMS = 10

Scores = dict[str, float]
"""By scale."""


class Unscorable(ValueError):
    """An answer is missing or can't be; the message is a sentence that names the item."""


@dataclass(frozen=True)
class Formula:
    """`score` takes numbers by item, already turned round where an item is reversed; `wants` tells what an instrument
    lacks for it, or None; `scales` names what it gives; `whole` is the one score that the others are parts of."""

    score: Callable[[Instrument, Mapping[str, Any]], Scores]
    wants: Callable[[Instrument], str | None]
    scales: Callable[[Instrument], dict[str, str]]
    whole: str | None = None


def score(instrument: Instrument, answers: Mapping[str, Any]) -> Scores:
    """The instrument's scores by scale, from one filling in; empty for one that is not scored.

    Raises Unscorable for a missing answer, and for one that the item does not allow.
    """
    formula = FORMULAS[instrument.scoring]
    used = _scored(instrument)
    values: dict[str, Any] = {}
    for item in used:
        if answers.get(item.id) is None:
            raise Unscorable(f"{instrument.name}: there is no answer to “{item.id}”.")
        try:
            value = checked(item, answers[item.id])
        except ValueError as error:
            raise Unscorable(f"{instrument.name}: the answer to “{item.id}” can't be. {error}") from error
        values[item.id] = item.low + item.high - value if item.reversed and isinstance(value, int | float) else value
    return formula.score(instrument, values)


def scales(instrument: Instrument) -> dict[str, str]:
    """What `score` gives: the names of the scales by id."""
    return FORMULAS[instrument.scoring].scales(instrument)


def is_part(instrument: Instrument, scale: str) -> bool:
    """Whether a scale is a part of the instrument's one score, and so no outcome of its own to be tested."""
    whole = FORMULAS[instrument.scoring].whole
    return whole is not None and scale != whole


def misfit(instrument: Instrument) -> str | None:
    """Why the instrument's items can't be scored by the formula it names, as a sentence that says what to write; None
    when they can."""
    if instrument.scoring not in FORMULAS:
        known = ", ".join(FORMULAS)
        return f"There is no scoring “{instrument.scoring}” for instrument “{instrument.id}”. Write one of {known}."
    return FORMULAS[instrument.scoring].wants(instrument)


def _scored(instrument: Instrument) -> list[Item]:
    """The items that the formula needs."""
    if instrument.scoring == "none":
        return []
    if instrument.scoring == "means":
        wanted = {item for scale in instrument.scales for item in scale.items}
        return [item for item in instrument.items if item.id in wanted]
    return list(instrument.items)


# ── NASA-TLX ───────────────────────────────────────────────────────────────────────────────────────────────────────


def raw_tlx(_instrument: Instrument, values: Mapping[str, Any]) -> Scores:
    """The mean of the six ratings, 0 to 100, and each by itself; higher is more load (*performance*: 0 is perfect).

    Hart, S. G. (2006). NASA-Task Load Index (NASA-TLX); 20 years later. Proceedings of the Human Factors and Ergonomics
    Society, 50, 904–908: "Raw TLX", the six scales averaged without weights.
    """
    ratings = {name: float(values[name]) for name in TLX}
    return {"score": sum(ratings.values()) / len(TLX), **ratings}


def _tlx_wants(instrument: Instrument) -> str | None:
    items = {item.id: item for item in instrument.items}
    if set(items) != set(TLX) or any((i.low, i.high, i.reversed) != (0, 100, False) for i in items.values()):
        return f"nasa-tlx-raw scores the items {', '.join(TLX)}, each from 0 to 100. Write these, and none reversed."
    return None


# ── SUS ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sus(instrument: Instrument, values: Mapping[str, Any]) -> Scores:
    """0 to 100: each of ten ratings from 1 to 5 contributes its distance from the unfavourable end, 0 to 4 (the rating
    less 1 for items 1, 3, 5, 7, 9; 5 less the rating for the others); their sum times 2.5.

    Brooke, J. (1996). SUS: A "quick and dirty" usability scale. In Usability Evaluation in Industry, pp. 189–194.
    """
    return {"score": 2.5 * sum(float(values[item.id]) - item.low for item in instrument.items)}


def _sus_wants(instrument: Instrument) -> str | None:
    turned = [item.reversed for item in instrument.items]
    if turned != [False, True] * (SUS_ITEMS // 2) or any(
        (i.low, i.high, i.step) != (1, 5, 1) for i in instrument.items
    ):
        return "sus scores ten items from 1 to 5, every second one `reversed: true`. Write them in the published order."
    return None


# ── CSI ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def csi(_instrument: Instrument, values: Mapping[str, Any]) -> Scores:
    """The index, 0 to 100, the six factors' scores (0 to 20, the sum of a factor's two ratings) and how often each was
    chosen (0 to 5): the index is Σ factor score · factor count / 3.

    Cherry, E., & Latulipe, C. (2014). Quantifying the creativity support of digital tools through the Creativity
    Support Index. ACM Transactions on Computer-Human Interaction, 21(4), Article 21.
    """
    counts = Counter(str(values[pair]) for pair in _pairs())
    sums = {name: float(values[f"{name}-1"]) + float(values[f"{name}-2"]) for name in CSI}
    index = sum(sums[name] * counts[name] for name in CSI) / 3
    return {"index": index, **sums, **{f"{name}-count": float(counts[name]) for name in CSI}}


def _pairs() -> list[str]:
    return [f"{one}-or-{other}" for one, other in combinations(CSI, 2)]


def _csi_wants(instrument: Instrument) -> str | None:
    ratings = [f"{name}-{n}" for name in CSI for n in (1, 2)]
    items = {item.id: item for item in instrument.items}
    if set(items) != {*ratings, *_pairs()} or any((items[i].low, items[i].high) != (0, 10) for i in ratings):
        return (
            f"csi scores two ratings from 0 to 10 for each of {', '.join(CSI)} (`enjoyment-1` …) and one "
            "choice for each pair (`collaboration-or-enjoyment` …). Begin with the file that comes with the app."
        )
    for pair in _pairs():
        if {option.value for option in items[pair].options} != set(pair.split("-or-")):
            return f"csi: the options of “{pair}” are {' and '.join(pair.split('-or-'))}. Write these as `value`."
    return None


# ── Likert sets ────────────────────────────────────────────────────────────────────────────────────────────────────


def means(instrument: Instrument, values: Mapping[str, Any]) -> Scores:
    """The mean of each scale's items, reversed ones turned round, in the units of the items: Likert's summated rating,
    divided by the number of items.

    Likert, R. (1932). A technique for the measurement of attitudes. Archives of Psychology, 22(140).
    """
    return {s.id: sum(float(values[item]) for item in s.items) / len(s.items) for s in instrument.scales}


def _means_wants(instrument: Instrument) -> str | None:
    if not instrument.scales:
        return f"means needs `scales` in instrument “{instrument.id}”. Write each with its id, name and items."
    items = {item.id: item for item in instrument.items}
    for scale in instrument.scales:
        members = [items[item] for item in scale.items]
        if not members:
            return f"Scale “{scale.id}” has no items. Write which are scored together."
        if any(item.kind not in ("likert", "scale", "number") for item in members):
            return f"Scale “{scale.id}” takes likert, scale and number items only. Leave the others out of `items`."
        if len({(item.low, item.high) for item in members}) > 1:
            return f"The items of scale “{scale.id}” don't all have the same `low` and `high`. Write the same."
        if not all(item.required for item in members):
            return f"Scale “{scale.id}” has an item that is not required, so it can't always be scored. Require it."
    return None


FORMULAS = {
    "nasa-tlx-raw": Formula(raw_tlx, _tlx_wants, lambda _: {"score": "Raw TLX", **TLX}, "score"),
    "sus": Formula(sus, _sus_wants, lambda _: {"score": "SUS"}, "score"),
    "csi": Formula(
        csi,
        _csi_wants,
        lambda _: {"index": "CSI", **CSI, **{f"{name}-count": f"{words}, times chosen" for name, words in CSI.items()}},
        "index",
    ),
    "means": Formula(means, _means_wants, lambda i: {scale.id: scale.name for scale in i.scales}),
    "none": Formula(lambda _i, _v: {}, lambda _i: None, lambda _i: {}),
}
