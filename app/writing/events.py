"""The typed log: what the browser notes and what the server notes, in one table.

The codebook of `session export` is made of these classes: their docstrings and their fields' descriptions.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from sqlalchemy.orm import Session

from app.writing import setting
from app.writing.models import LoggedEvent
from app.writing.setting import Stamp

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Id = Annotated[str, StringConstraints(pattern=UUID_PATTERN)]
Clean = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""PostgreSQL can't store the character NUL, so nothing takes it."""
Name = Annotated[Clean, StringConstraints(max_length=80)]
Range = Annotated[list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=4, max_length=4)]
MOST_TEXT = 200_000
MOST_KEPT = 4_000
"""Characters of model output kept in the log."""


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# ── what the browser notes ─────────────────────────────────────────────────────────────────────────────────────────


class _ClientEvent(_Event):
    seq: int = Field(ge=1, le=2**53, description="Number given by the recorder, from 1, without holes.")
    client_ms: int = Field(ge=0, le=2**53, description="Browser's clock, milliseconds since 1970, UTC.")
    draft_id: Id | None = Field(None, description="The draft that was open.")
    version_id: Id | None = Field(None, description="The version it was about.")


class TextEdit(_ClientEvent):
    """The writer changed a paragraph's text: at one place something went and something came."""

    type: Literal["text.edit"]
    paragraph_id: Id = Field(description="The paragraph.")
    at: int = Field(ge=0, le=10**7, description="Place of the change, UTF-16 code units from the paragraph's start.")
    removed: Clean = Field(max_length=MOST_TEXT, description="Text that went.")
    inserted: Clean = Field(max_length=MOST_TEXT, description="Text that came.")


class LabelPressed(_ClientEvent):
    """The writer pressed a label."""

    type: Literal["label.pressed"]
    label: Name = Field(description="Label's id.")
    strategy: Name | None = Field(None, description="Strategy's id, when one was chosen.")


class NodeOpened(_ClientEvent):
    """The writer opened a version."""

    type: Literal["node.opened"]


class NodeHovered(_ClientEvent):
    """The pointer or the focus rested on a version."""

    type: Literal["node.hovered"]
    ms: int = Field(ge=0, le=10**9, description="For how long, milliseconds.")


class CanvasPanned(_ClientEvent):
    """The writer moved the canvas."""

    type: Literal["canvas.panned"]
    range: Range = Field(description="Shown range: engagement from and to, exposition from and to, in points.")


class CanvasZoomed(_ClientEvent):
    """The writer zoomed the canvas, or fitted it to what is on it."""

    type: Literal["canvas.zoomed"]
    range: Range = Field(description="Shown range: engagement from and to, exposition from and to, in points.")


class Copied(_ClientEvent):
    """The writer copied text; the text itself is not noted."""

    type: Literal["copy"]
    chars: int = Field(ge=0, le=10**8, description="How many characters.")


class Pasted(_ClientEvent):
    """The writer pasted text; the text itself comes as a text.edit."""

    type: Literal["paste"]
    chars: int = Field(ge=0, le=10**8, description="How many characters.")


class FocusLost(_ClientEvent):
    """The page lost the focus to another window or tab."""

    type: Literal["focus.lost"]


class FocusGained(_ClientEvent):
    """The page got the focus back."""

    type: Literal["focus.gained"]


class PageHidden(_ClientEvent):
    """The page was hidden or closed."""

    type: Literal["page.hidden"]


class VersionsCompared(_ClientEvent):
    """The writer laid versions side by side."""

    type: Literal["versions.compared"]
    versions: list[Id] = Field(min_length=2, max_length=3, description="Ids of the versions, left to right.")


class MuseOpened(_ClientEvent):
    """The writer opened Muse."""

    type: Literal["muse.opened"]


class HistorySearched(_ClientEvent):
    """The writer searched the history; the words themselves are not noted."""

    type: Literal["history.searched"]
    chars: int = Field(ge=0, le=10**8, description="How many characters were looked for.")
    found: int = Field(ge=0, le=10**8, description="How many versions were found.")


class TourStepped(_ClientEvent):
    """The tour showed a step, ended or was skipped."""

    type: Literal["tour.step"]
    step: Name = Field(description="The step's id; end or skipped when it is over.")


ClientEvent = Annotated[
    TextEdit
    | LabelPressed
    | NodeOpened
    | NodeHovered
    | CanvasPanned
    | CanvasZoomed
    | Copied
    | Pasted
    | FocusLost
    | FocusGained
    | PageHidden
    | VersionsCompared
    | MuseOpened
    | HistorySearched
    | TourStepped,
    Field(discriminator="type"),
]


# ── what the server notes, in the transaction of the change itself ─────────────────────────────────────────────────


class ServerEvent(_Event):
    """Something that the server did. Another room adds kinds of its own by subclassing."""

    type: str


class DraftCreated(ServerEvent):
    """A draft was made."""

    type: Literal["draft.created"] = "draft.created"
    title: str = Field(description="Its title.")
    source: Literal["sample", "text", "empty", "project"] = Field(description="What it was made from.")


class DraftRenamed(ServerEvent):
    """A draft got another title."""

    type: Literal["draft.renamed"] = "draft.renamed"
    title: str = Field(description="The new title.")


class DraftDeleted(ServerEvent):
    """A draft was deleted; its rows are kept."""

    type: Literal["draft.deleted"] = "draft.deleted"


class DraftExported(ServerEvent):
    """A draft was exported."""

    type: Literal["draft.exported"] = "draft.exported"
    number: int = Field(description="The draft's number then.")
    format: Literal["md", "docx", "spatial"] = Field("md", description="As what: Markdown, Word or a project file.")
    provenance: bool = Field(False, description="Whether with the table of who wrote which sentence.")


class DraftOrdered(ServerEvent):
    """The draft's paragraphs stand in this order from now on."""

    type: Literal["draft.ordered"] = "draft.ordered"
    order: list[str] = Field(description="Ids of the paragraphs that are not removed, first to last.")


class ParagraphPlaced(ServerEvent):
    """A paragraph was put on the canvas."""

    type: Literal["paragraph.placed"] = "paragraph.placed"
    paragraph_id: str = Field(description="The paragraph.")


class ParagraphUnplaced(ServerEvent):
    """A paragraph was taken off the canvas."""

    type: Literal["paragraph.unplaced"] = "paragraph.unplaced"
    paragraph_id: str = Field(description="The paragraph.")


class VersionCreated(ServerEvent):
    """A version came to be; its text stands in versions.csv under the same id."""

    type: Literal["version.created"] = "version.created"
    paragraph_id: str = Field(description="Its paragraph.")
    number: int = Field(description="Its number in the draft, from 1, without holes.")
    parents: list[str] = Field(description="Ids of the versions it was made from.")
    operation: str = Field(description="import, label, prompt, combine, manual or move.")
    status: str = Field(
        description="written (the writer's own text in the draft) or proposed; out of a project file, any."
    )
    head: bool = Field(description="Whether it became the paragraph's text in the draft.")
    removed: bool = Field(description="Whether the paragraph was thereby removed from the draft.")
    text_sha256: str = Field(description="SHA-256 of its text in UTF-8.")


class VersionPlaced(ServerEvent):
    """A version was measured."""

    type: Literal["version.placed"] = "version.placed"
    exposition: float = Field(description="T-score: 50 is the mean, 10 one standard deviation of the reference texts.")
    engagement: float = Field(description="T-score, as exposition.")
    spread: float = Field(description="Standard deviation over the scorer's ensemble, in the same units.")
    scorer_id: str = Field(description="The scorer, with the hash of its weights.")


class VersionConfirmed(ServerEvent):
    """The writer confirmed a version: it became the paragraph's text in the draft."""

    type: Literal["version.confirmed"] = "version.confirmed"
    paragraph_id: str = Field(description="Its paragraph.")
    replaced: str | None = Field(description="The version that was the paragraph's text before.")


class VersionDiscarded(ServerEvent):
    """The writer discarded a version."""

    type: Literal["version.discarded"] = "version.discarded"
    was: str = Field(description="Its status before.")


class VersionRestored(ServerEvent):
    """The writer took a discarded version back."""

    type: Literal["version.restored"] = "version.restored"
    status: str = Field(description="Its status now.")


class GenerationCreated(ServerEvent):
    """New versions were asked for."""

    type: Literal["generation.created"] = "generation.created"
    generation_id: str = Field(description="The generation.")
    label: str = Field(description="Label's id.")
    strategy: str | None = Field(description="Strategy's id, when one was chosen.")
    prompt: str | None = Field(description="The writer's own instruction, for labels that take one.")
    n: int = Field(description="How many versions.")
    other_version_id: str | None = Field(None, description="The second version, when two are combined.")
    mix: float | None = Field(None, description="The share of the second version, 0 to 1, when two are combined.")
    seed: int = Field(description="Seed from which all draws come.")


class GenerationStarted(ServerEvent):
    """The generation got its turn."""

    type: Literal["generation.started"] = "generation.started"
    generation_id: str = Field(description="The generation.")
    waited_ms: int = Field(description="Since it was asked for, milliseconds.")


class GenerationFirstToken(ServerEvent):
    """The first words came."""

    type: Literal["generation.first_token"] = "generation.first_token"
    generation_id: str = Field(description="The generation.")
    ms: int = Field(description="Since it got its turn, milliseconds.")


class GenerationEnded(ServerEvent):
    """All versions are there."""

    type: Literal["generation.ended"] = "generation.ended"
    generation_id: str = Field(description="The generation.")
    ms: int = Field(description="Since it got its turn, milliseconds.")
    ranking: list[str] = Field(description="Ids of its versions, best first.")
    moved: bool = Field(description="Whether the best moved the way the label aims.")


class GenerationFailed(ServerEvent):
    """The generation ended with an error; what had come is kept with it."""

    type: Literal["generation.failed"] = "generation.failed"
    generation_id: str = Field(description="The generation.")
    ms: int | None = Field(description="Since it got its turn, milliseconds.")
    code: str = Field(description="What went wrong.")


class GenerationCancelled(ServerEvent):
    """The writer stopped the generation, or left."""

    type: Literal["generation.cancelled"] = "generation.cancelled"
    generation_id: str = Field(description="The generation.")
    ms: int | None = Field(description="Since it got its turn, milliseconds.")
    by: Literal["stop", "disconnect", "never-started"] = Field(description="How.")


class CandidateDropped(ServerEvent):
    """An answer of the model was unusable and is shown to nobody."""

    type: Literal["candidate.dropped"] = "candidate.dropped"
    generation_id: str = Field(description="The generation.")
    index: int = Field(description="Its place among the generation's candidates, from 0.")
    reason: str = Field(description="Why, as one word.")
    again: bool = Field(description="Whether another was drawn for its place.")
    text: str = Field(description=f"What the model wrote, the first {MOST_KEPT} characters.")


class VersionArchived(ServerEvent):
    """A version was put away: it stays in the history and off the canvas."""

    type: Literal["version.archived"] = "version.archived"


class VersionUnarchived(ServerEvent):
    """A version was taken back from the archive."""

    type: Literal["version.unarchived"] = "version.unarchived"


class Change(_Event):
    """One value that a step set, taken back or set again."""

    what: Literal[
        "title", "head", "on_canvas", "order", "status", "archived", "goal.active", "goal.removed", "source.removed"
    ] = Field(description="Which value.")
    id: str = Field(description="Of the draft, paragraph, version, goal or source.")
    value: Any = Field(description="What it is from now on.")


class StepUndone(ServerEvent):
    """The writer took a step back; what it had changed is as before."""

    type: Literal["step.undone"] = "step.undone"
    step_id: str = Field(description="The step.")
    kind: str = Field(description="What kind of step it was.")
    changes: list[Change] = Field(description="The values as they are now.")


class StepRedone(ServerEvent):
    """The writer did an undone step again."""

    type: Literal["step.redone"] = "step.redone"
    step_id: str = Field(description="The step.")
    kind: str = Field(description="What kind of step it is.")
    changes: list[Change] = Field(description="The values as they are now.")


class SourceAdded(ServerEvent):
    """A source was attached to the draft."""

    type: Literal["source.added"] = "source.added"
    source_id: str = Field(description="The source.")
    title: str = Field(description="Its title.")
    chars: int = Field(description="Its length in characters.")
    text_sha256: str = Field(description="SHA-256 of its text in UTF-8.")


class SourceRemoved(ServerEvent):
    """A source was taken off the draft."""

    type: Literal["source.removed"] = "source.removed"
    source_id: str = Field(description="The source.")


class PromptSaved(ServerEvent):
    """The writer kept an instruction of their own, or changed its name or pin."""

    type: Literal["prompt.saved"] = "prompt.saved"
    prompt_id: str = Field(description="The kept prompt.")
    name: str = Field(description="Its name.")
    pinned: bool = Field(description="Whether it is a label of the writer's.")


class PromptRemoved(ServerEvent):
    """The writer threw a kept instruction away."""

    type: Literal["prompt.removed"] = "prompt.removed"
    prompt_id: str = Field(description="The kept prompt.")


class GoalSet(ServerEvent):
    """The draft got a goal, or an earlier one became the active one again."""

    type: Literal["goal.set"] = "goal.set"
    goal_id: str = Field(description="The goal.")
    audience: str = Field(description="For whom.")
    range: list[float] = Field(description="Engagement from and to, exposition from and to, in points.")


class GoalCleared(ServerEvent):
    """The draft has no active goal any more."""

    type: Literal["goal.cleared"] = "goal.cleared"
    goal_id: str = Field(description="The goal that was active.")


class GoalRemoved(ServerEvent):
    """A goal is no longer offered; its row is kept."""

    type: Literal["goal.removed"] = "goal.removed"
    goal_id: str = Field(description="The goal.")


class MuseShown(ServerEvent):
    """Muse showed its digest, and cards where the model had something to say."""

    type: Literal["muse.shown"] = "muse.shown"
    cards: list[str] = Field(description="Ids of the cards.")
    topics: list[str] = Field(description="What each is about.")
    dropped: int = Field(description="Answers of the model that could not be used.")


class MuseAnswered(ServerEvent):
    """The writer answered a card."""

    type: Literal["muse.answered"] = "muse.answered"
    card_id: str = Field(description="The card.")
    topic: str = Field(description="What it is about.")
    answer: Literal["applied", "not-now", "never"] = Field(description="Which button.")


class DraftImported(ServerEvent):
    """The draft came out of a project file."""

    type: Literal["draft.imported"] = "draft.imported"
    sha256: str = Field(description="SHA-256 of the file.")


CLIENT_EVENTS: tuple[type[_ClientEvent], ...] = tuple(_ClientEvent.__subclasses__())
client_events: TypeAdapter[Any] = TypeAdapter(ClientEvent)


def server_events() -> tuple[type[ServerEvent], ...]:
    """All kinds, those of the rooms that are loaded among them."""
    return tuple(ServerEvent.__subclasses__())


_COLUMNS = {"seq", "client_ms", "draft_id", "version_id", "type"}


def note(
    session: Session, writer_id: str, draft_id: str | None, event: ServerEvent, version_id: str | None = None
) -> None:
    """Add to the log, in the caller's transaction."""
    stamp = setting.stamp_of(session, writer_id, draft_id)
    session.add(LoggedEvent(**server_row(writer_id, draft_id, event, version_id), **stamped(stamp)))


def stamped(stamp: Stamp | None) -> dict[str, str | None]:
    """The columns that tell of whom, in which condition, on which topic and at which step of a study."""
    return stamp.model_dump() if stamp else dict.fromkeys(Stamp.model_fields)


def server_row(
    writer_id: str, draft_id: str | None, event: ServerEvent, version_id: str | None = None
) -> dict[str, Any]:
    """The server's own event as the table's columns."""
    return {
        "writer_id": writer_id,
        "draft_id": draft_id,
        "version_id": version_id,
        "server_ms": now_ms(),
        "type": event.type,
        "payload": event.model_dump(exclude={"type"}),
    }


def row(writer_id: str, recorder: str, event: Any) -> dict[str, Any]:
    """A client's event as the table's columns."""
    return {
        "writer_id": writer_id,
        "draft_id": event.draft_id,
        "version_id": event.version_id,
        "recorder": recorder,
        "seq": event.seq,
        "client_ms": event.client_ms,
        "server_ms": now_ms(),
        "type": event.type,
        "payload": event.model_dump(exclude=_COLUMNS),
    }


def now_ms() -> int:
    return time.time_ns() // 1_000_000
