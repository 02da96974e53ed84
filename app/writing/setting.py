"""What a writer has at the desk. Outside of a study everything; in one, what the condition leaves.

`Writer.setting` is this as JSON, `Draft.stamp` is a Stamp; both are None outside of a study. The room that runs studies
sets them, in the transaction in which a participant goes on to the next step.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from app.writing.models import Draft, Writer


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stamp(_Frozen):
    """What stands beside every event of a participant."""

    participant_id: str
    condition: str | None = None
    topic: str | None = None
    step: str | None = None


class Switches(_Frozen):
    """Which parts of the desk there are. `scores`: whether numbers are told; `chat`: a linear chat in place of labels,
    canvas, Muse and scores."""

    canvas: bool = True
    labels: bool = True
    muse: bool = True
    scores: bool = True
    chat: bool = False


class Setting(_Frozen):
    """`draft_id` is the one draft that may be changed now, None while there is none; `until_ms` is when that ends by
    the server's clock (milliseconds since 1970, UTC). `page` is where the desk is."""

    stamp: Stamp
    switches: Switches = Switches()
    draft_id: str | None = None
    until_ms: int | None = None
    paused: bool = False
    page: str = "/study"


def of_writer(session: Session, writer_id: str) -> Setting | None:
    writer = session.get(Writer, writer_id)
    return Setting.model_validate(writer.setting) if writer is not None and writer.setting else None


def hides_scores(session: Session, draft_id: str) -> bool:
    """Where neither numbers nor canvas are part of the condition, no place of a text is told."""
    draft = session.get(Draft, draft_id)
    if draft is None or not draft.stamp:
        return False
    setting = of_writer(session, draft.writer_id)
    return setting is not None and not setting.switches.canvas and not setting.switches.scores


def closed(session: Session, writer_id: str, draft_id: str, now_ms: int) -> str | None:
    """Why this draft may not be changed now, as a sentence; None where it may."""
    setting = of_writer(session, writer_id)
    if setting is None:
        return None
    if setting.draft_id != draft_id:
        return "This step of the study is over, so its text stays as it is."
    if setting.paused:
        return "The study is paused. Your text is kept; it goes on when the person who runs it says so."
    if setting.until_ms is not None and now_ms > setting.until_ms:
        return "The time for this step is over, so its text stays as it is."
    return None


def stamp_of(session: Session, writer_id: str, draft_id: str | None) -> Stamp | None:
    """The draft's own, since an event may come when its step is over; else of the step the writer is at."""
    draft = session.get(Draft, draft_id) if draft_id else None
    if draft is not None and draft.stamp:
        return Stamp.model_validate(draft.stamp)
    setting = of_writer(session, writer_id)
    return setting.stamp if setting else None
