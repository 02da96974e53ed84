"""Instruments as data: a YAML file each. Here are their shape, the order of their items and the check of an answer;
scores are in scoring.py."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FOLDER = Path(__file__).with_name("instruments")
MOST_TEXT = 5_000
"""Characters of a written answer."""
ROUNDING = 1e-6
"""Steps by which a value may miss one: 0.3 is no whole number of steps of 0.1 in binary."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
"""Small letters, digits and hyphens."""

Value = int | float | str | list[str]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Option(_Frozen):
    """One of an item's choices; `value` is what is stored."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    label: str


class Item(_Frozen):
    """One question.

    scale: a slider from `low` to `high` in steps of `step`, words at both ends (`ends`).
    likert: `low` to `high`, one button each, words at both ends. choice: one of `options`; choices: any of them.
    condition: one of the conditions the participant worked in. number: from `low` to `high`. text: in own words.
    """

    id: Slug
    text: str
    hint: str = ""
    kind: Literal["scale", "likert", "choice", "choices", "condition", "number", "text"]
    required: bool = True
    reversed: bool = False
    low: float = 0
    high: float = 100
    step: float = Field(1, gt=0)
    ends: tuple[str, str] = ("", "")
    options: tuple[Option, ...] = ()
    lines: int = Field(1, ge=1, le=20)

    @model_validator(mode="after")
    def _consistent(self) -> Item:
        if (self.kind in ("choice", "choices")) != bool(self.options):
            raise ValueError(f"item “{self.id}”: choice and choices need options, other kinds take none")
        if len({o.value for o in self.options}) < len(self.options):
            raise ValueError(f"item “{self.id}” has the same option twice")
        if self.low >= self.high:
            raise ValueError(f"item “{self.id}”: low has to be below high")
        if self.kind == "likert" and (self.high - self.low > 20 or self.low % 1 or self.high % 1):
            raise ValueError(
                f"item “{self.id}”: a likert item goes from one whole number to another, 21 points at most"
            )
        return self


class Scale(_Frozen):
    """Items that are scored together."""

    id: Slug
    name: str
    items: tuple[Slug, ...]


class Instrument(_Frozen):
    """A questionnaire. `order`: seeded draws the items' order for each participant and each filling in.
    `scoring` names the formula (scoring.py), none for what is not scored; `source` is where the instrument is from.
    `needs` are parts of the editor that it asks about: after a condition without them it is left out."""

    id: Slug
    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    name: str
    title: str = ""
    """What a participant reads above it; the name where it is empty."""
    instructions: str = ""
    source: str = ""
    order: Literal["fixed", "seeded"] = "fixed"
    items: tuple[Item, ...] = Field(min_length=1)
    scoring: str = "none"
    scales: tuple[Scale, ...] = ()
    needs: tuple[Literal["canvas", "labels", "muse", "scores"], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Instrument:
        ids = [item.id for item in self.items]
        if len(set(ids)) < len(ids):
            raise ValueError(f"instrument “{self.id}” has two items with the same id")
        unknown = {i for scale in self.scales for i in scale.items} - set(ids)
        if unknown:
            raise ValueError(f"instrument “{self.id}” has a scale over unknown items: {', '.join(sorted(unknown))}")
        return self

    def item(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)

    def ordered(self, seed: int, *parts: object) -> tuple[Item, ...]:
        """The items as one participant sees them: the same seed and parts give the same order, anywhere."""
        if self.order == "fixed":
            return self.items
        shuffled = list(self.items)
        random.Random(":".join(map(str, (seed, self.id, *parts)))).shuffle(shuffled)  # noqa: S311
        return tuple(shuffled)


@cache
def built_in() -> dict[str, Instrument]:
    """By id. Raises pydantic.ValidationError or yaml.YAMLError, each naming the place."""
    found = [
        Instrument.model_validate(yaml.safe_load(path.read_text("utf-8"))) for path in sorted(FOLDER.glob("*.yaml"))
    ]
    return {instrument.id: instrument for instrument in found}


def checked(item: Item, value: Any, conditions: tuple[str, ...] = ()) -> Value:
    """The value as it is stored. Raises ValueError with a sentence for the person who answers."""
    if item.kind in ("scale", "likert", "number"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not item.low <= value <= item.high:
            raise ValueError(f"Choose a number from {item.low:g} to {item.high:g}.")
        steps = (value - item.low) / item.step
        if item.kind != "number" and abs(steps - round(steps)) > ROUNDING:
            raise ValueError(f"Choose a number from {item.low:g} to {item.high:g} in steps of {item.step:g}.")
        return value
    if item.kind == "choices":
        known = {option.value for option in item.options}
        if not isinstance(value, list) or any(not isinstance(v, str) or v not in known for v in value):
            raise ValueError("Choose among the options shown.")
        return [option.value for option in item.options if option.value in value]
    if not isinstance(value, str):
        raise ValueError("Choose one of the options." if item.kind != "text" else "Write your answer.")  # noqa: TRY004
    if item.kind == "text":
        if len(value) > MOST_TEXT:
            raise ValueError(f"The answer is too long: at most {MOST_TEXT:,} characters are taken. Shorten it.")
        return value
    known = set(conditions) if item.kind == "condition" else {option.value for option in item.options}
    if value not in known:
        raise ValueError("Choose one of the options.")
    return value


def is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())
