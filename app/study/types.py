"""Frozen values of a study."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

StepKind = Literal["consent", "form", "tutorial", "practice", "task", "break", "interview", "debrief"]
Policy = Literal["resume", "restart", "block"]
Kind = Literal["person", "dry-run", "simulated"]


@dataclass(frozen=True)
class Arm:
    """What a participant does in one period."""

    condition: str
    topic: str


@dataclass(frozen=True)
class Cell:
    """One order of conditions and topics; participants are spread evenly over the cells. `number` is from 1."""

    number: int
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Place:
    """One step on one participant's way. `number` is from 0; `period` from 1, None outside of the periods."""

    number: int
    step: str
    kind: StepKind
    period: int | None
    condition: str | None
    topic: str | None


@dataclass(frozen=True)
class Clock:
    """A step's time by the server's clock. `left` is in seconds, below 0 when the time is over; None without a timer.

    `warn` is whether the soft warning is due; `paused` is the reason while the time stands still.
    """

    entered_at: datetime
    spent: float
    left: float | None
    warn: bool
    hard_stop: bool
    paused: str | None


class Frozen(BaseModel):
    """What a study was run with; kept with it when it opens, and in every export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: dict[str, Any]
    """The checked protocol with all defaults filled in (protocol.Protocol as JSON), its instruments among them."""
    protocol_sha256: str
    """Of the YAML as it was given, UTF-8."""
    app_version: str
    model_id: str | None
    model_sha256: str | None
    backend: str | None
    """local or remote."""
    device: str | None
    dtype: str | None
    tuned_id: str | None
    strategies_sha256: str
    prompts_sha256: str
    scorer_id: str | None
    responses: Literal["live", "recorded"]
    opened_at: str
    """ISO 8601, UTC."""
