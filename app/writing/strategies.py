"""Labels and strategies, read from a YAML file at start: what each asks the model for is data, not code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

DEFAULT = Path(__file__).with_name("strategies.yaml")

Plan = Literal["insert-opening", "insert-after", "insert-ending", "rewrite-sentence", "rewrite-all"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(_Frozen):
    """A text that worked examples are about, with its key term."""

    term: str
    text: str


class Strategy(_Frozen):
    """One way to carry out a label; `answers` has one worked answer per example text, or none."""

    id: str
    name: str
    plan: Plan
    ask: str
    prefills: tuple[str, ...]
    answers: tuple[str, ...]
    full: str
    small: bool = True
    """Whether a small model can do it; if not, it is offered to larger ones only."""
    source: bool = False
    """Whether it needs a source: it is offered where the draft has one, and takes its facts only from there."""
    seek: str = ""
    """Words that mark the sentences of a source it is after, looked for with those of the paragraph."""
    notes: tuple[str, ...] = ()
    """For one that needs a source: what the source says about each example text."""

    @property
    def takes_prompt(self) -> bool:
        """Whether it carries out what the writer types."""
        return "{prompt}" in self.ask + self.full


class Label(_Frozen):
    """A button; `push` is the expected movement, (engagement, exposition), each from -1 to 2."""

    id: str
    name: str
    group: Literal["exposition", "bridge", "engagement", "any"]
    push: tuple[int, int]
    hint: str
    strategies: tuple[Strategy, ...]

    def usable(self, wanted: str | None, *, full: bool, sourced: bool = True) -> list[Strategy]:
        """Those a model can carry out, `full` if it may rewrite a paragraph, `sourced` if there is a source; or the one
        that is `wanted`, by id or by name in any case. Raises KeyError with those there are."""
        usable = [s for s in self.strategies if (full or s.small) and (sourced or not s.source)]
        if wanted is None:
            return usable
        named = [s for s in usable if wanted.casefold() in (s.id, s.name.casefold())]
        if not named:
            known = ", ".join(f"“{s.name}”" for s in usable)
            raise KeyError(f"“{self.name}” has no strategy “{wanted}” for this model. It has {known}.")
        return named


class Link(_Frozen):
    """A worked example: the words that lead from the first sentence to the second."""

    first: str
    second: str
    link: str


class Combine(_Frozen):
    """How two versions are made into one; `full` is for larger models, {mix} in it is the mix in words."""

    system: str
    links: tuple[str, ...]
    """The only words that a small model may lead over with: they claim nothing."""
    examples: tuple[Link, ...]
    full: str


class Book(_Frozen):
    """The whole file."""

    system: str
    full_system: str
    sentence_system: str
    examples: tuple[Example, ...]
    combine: Combine
    labels: tuple[Label, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Book:
        ids = [label.id for label in self.labels]
        if len(set(ids)) < len(ids):
            raise ValueError("two labels have the same id")
        for label in self.labels:
            if not label.strategies:
                raise ValueError(f"label {label.id} has no strategy")
            for strategy in label.strategies:
                if strategy.small and strategy.plan == "rewrite-sentence":
                    raise ValueError(f"strategy {strategy.id}: rewrite-sentence is for larger models (small: false)")
                if strategy.small and not strategy.prefills:
                    raise ValueError(f"strategy {strategy.id} needs a prefill; an empty one will do")
                if len(strategy.notes) != (len(strategy.answers) if strategy.source else 0):
                    raise ValueError(f"strategy {strategy.id} needs a note to each answer if it has a source")
                if strategy.answers and len(strategy.answers) != len(self.examples):
                    raise ValueError(f"strategy {strategy.id} needs {len(self.examples)} answers, one an example")
        return self

    @property
    def combining(self) -> Label:
        """What combining is called where a label is asked for; it is no button and has no strategies to choose from."""
        return Label(id="combine", name="Combine", group="any", push=(0, 0), hint="", strategies=())

    def label(self, name: str) -> Label:
        """By id or by name, in any case; raises KeyError with the known names."""
        for label in self.labels:
            if name.casefold() in (label.id, label.name.casefold()):
                return label
        known = ", ".join(f"“{label.name}”" for label in self.labels)
        raise KeyError(f"There is no label “{name}”. Known are {known}.")


@cache
def load_book(path: Path = DEFAULT) -> Book:
    """Raises pydantic.ValidationError or yaml.YAMLError, each naming the place."""
    return Book.model_validate(yaml.safe_load(path.read_text("utf-8")))
