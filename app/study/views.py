"""What a participant's pages send and get."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StringConstraints

from app.writing.events import Clean, Id


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


Recorders = Annotated[dict[Id, Annotated[int, Field(ge=0, le=2**53)]], Field(max_length=200)]
"""How many events each recorder of this browser has numbered."""


class Begin(_In):
    """`token` is the end of the link, `tab` the browser tab that will act."""

    token: Annotated[Clean, StringConstraints(min_length=1, max_length=200)]
    tab: Id


class Page(_In):
    """Who asks: `tab` names the browser tab, `load` the document in it; `number` is the step that it shows."""

    tab: Id
    load: Id
    number: int = Field(ge=0, le=10_000)


class Here(Page):
    """A document was opened. `take`: act from here even if another tab does."""

    take: bool = False


class Told(Page):
    """How things stand is asked for; what was numbered so far is told on the way."""

    recorders: Recorders = {}


class ConsentIn(Page):
    version: Annotated[Clean, StringConstraints(max_length=40)]
    agreed: bool


class AnswerIn(_In):
    """`value` is a number, a text or a list of texts, by the item's kind; null takes an answer back."""

    instrument: Annotated[Clean, StringConstraints(max_length=40)]
    item: Annotated[Clean, StringConstraints(max_length=40)]
    value: StrictFloat | StrictInt | Clean | list[Clean] | None = None


class AnswersIn(Page):
    answers: list[AnswerIn] = Field(min_length=1, max_length=200)


class Advance(Told):
    """On to the next step. `time_up`: because the time is over."""

    time_up: bool = False


class Withdraw(_In):
    """`keep`: what was kept so far may be used; else it is erased."""

    keep: bool


class ClockView(BaseModel):
    """Seconds. `left` is null without a timer, below 0 when the time is over; `paused` is the reason."""

    spent: float
    left: float | None
    warn: bool
    hard_stop: bool
    paused: str | None


class StateView(BaseModel):
    """Where a participant is. `of` is how many steps there are; `number` is from 0. `elsewhere`: another tab acts.
    `place` changes whenever the page shown is no longer the right one."""

    state: str
    number: int
    of: int
    place: str
    step: str
    kind: str
    period: int | None
    periods: int
    clock: ClockView | None
    blocked: bool
    elsewhere: bool
    study_open: bool


class Stored(BaseModel):
    """Answers that are on disk now, by instrument and item."""

    stored: list[AnswerIn]


class Finished(BaseModel):
    code: str


class ReceiptView(BaseModel):
    code: str
    kind: str
    counts: dict[str, Any]
