"""What comes in and what goes out over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints


class ConsentChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    given: bool


class ConsentView(BaseModel):
    consent: bool


class Served(BaseModel):
    choice: str
    in_service: str | None


class Choice(BaseModel):
    """`default`: what the settings say; `off`: the untuned model; or a layer's id."""

    model_config = ConfigDict(extra="forbid")

    choice: Annotated[str, StringConstraints(pattern=r"^(default|off|[0-9a-f]{12})$")]


class Verdict(BaseModel):
    """What a scorecard comes to; `words` is for a person."""

    kind: Literal["better", "worse", "unclear"]
    words: str


class LayerView(BaseModel):
    tuned_id: str
    made_at: str
    pairs: int
    started_from: str | None
    block: int
    steps: int
    fits: bool
    """Whether it was tuned on the model that writes here."""
    scorecard: dict[str, Any]
    verdict: Verdict


class LearnView(BaseModel):
    consent: bool
    mine: int
    """Discarded versions beside a confirmed one, of this writer, whether or not they consent."""
    shared: int
    """Of all writers who consent."""
    lack: str | None
    """Why nothing can be tuned yet."""
    fixed: str | None
    """Why nothing can be put in service here."""
    choice: str
    in_service: str | None
    """The layer that writes now."""
    ships: bool
    """Whether a layer comes with the model, which writes where nobody has chosen."""
    ready: bool
    """Whether the model is loaded."""
    problem: str | None
    """Why the chosen layer does not write."""
    layers: list[LayerView]
    names: dict[str, str]
    """Strategies by id."""
