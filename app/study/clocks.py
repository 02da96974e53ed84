"""The time of a step, by the server's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from app.db.base import now
from app.study import store
from app.study.models import Participant, Progress
from app.study.protocol import Step
from app.study.types import Clock
from app.writing.models import Writer
from app.writing.setting import Setting

GRACE = 15.0
"""Seconds after a hard stop in which the desk still takes what was typed before it."""


class Timed(Protocol):
    """A stay (models.Progress), as far as its clock is concerned."""

    @property
    def seconds(self) -> int | None: ...
    @property
    def entered_at(self) -> datetime: ...
    @property
    def left_at(self) -> datetime | None: ...


class Stood(Protocol):
    """A pause (models.Pause), likewise."""

    @property
    def reason(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...


def spent(stay: Timed, pauses: Sequence[Stood], at: datetime | None = None) -> float:
    """Seconds at the step, without its pauses."""
    end = stay.left_at or at or now()
    stood = sum(((min(pause.ended_at or end, end)) - pause.started_at).total_seconds() for pause in pauses)
    return max(0.0, (end - stay.entered_at).total_seconds() - stood)


def read(stay: Timed, pauses: Sequence[Stood], step: Step, at: datetime | None = None) -> Clock:
    used = spent(stay, pauses, at)
    left = stay.seconds - used if stay.seconds is not None else None
    paused = next((pause.reason for pause in pauses if pause.ended_at is None), None)
    return Clock(
        entered_at=stay.entered_at,
        spent=used,
        left=left,
        warn=left is not None and left <= step.warn * 60,
        hard_stop=step.hard_stop,
        paused=paused,
    )


def tell_desk(session: Session, participant: Participant, stay: Progress, *, hard_stop: bool | None = None) -> None:
    """Bring the desk's setting up to the clock: whether it stands still, and until when it takes text. `hard_stop` is
    left out where it is what it was."""
    writer = session.get_one(Writer, participant.writer_id)
    setting = Setting.model_validate(writer.setting)
    pauses = store.pauses(session, stay.id)
    stops = setting.until_ms is not None if hard_stop is None else hard_stop
    until = None
    if stops and stay.seconds is not None:
        until = int((now().timestamp() + stay.seconds - spent(stay, pauses) + GRACE) * 1000)
    paused = any(pause.ended_at is None for pause in pauses)
    writer.setting = setting.model_copy(update={"until_ms": until, "paused": paused}).model_dump()
    session.flush()
