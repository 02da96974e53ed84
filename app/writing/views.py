"""What the API says and takes: the shapes of its JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.text.merge import Piece
from app.writing.events import Clean, ClientEvent, Id, Name
from app.writing.models import Generation, Goal, MuseCard, Paragraph, SavedPrompt, Source, Step, Version

Title = Annotated[Clean, StringConstraints(max_length=200)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlacementView(BaseModel):
    """T-scores: 50 is the mean, 10 one standard deviation of the reference texts."""

    exposition: float
    engagement: float
    spread: float
    scorer_id: str


class VersionView(BaseModel):
    """`folded`: a stage of typing on the way to the next, not worth a node of its own."""

    id: str
    number: int
    paragraph_id: str
    parents: list[str]
    operation: str
    label: str | None
    strategy: str | None
    status: str
    text: str
    placement: PlacementView | None
    flags: list[str]
    archived: bool
    folded: bool
    model_id: str | None
    tuned_id: str | None
    seed: int | None
    generation_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, version: Version, parents: list[str], *, folded: bool = False, scored: bool = True) -> VersionView:
        """`scored`: with what the scorer says of it; without it where a study hides that."""
        placement = None
        if version.scorer_id is not None and scored:
            assert version.exposition is not None
            assert version.engagement is not None
            assert version.spread is not None
            placement = PlacementView(
                exposition=version.exposition,
                engagement=version.engagement,
                spread=version.spread,
                scorer_id=version.scorer_id,
            )
        same = (
            *("id", "number", "paragraph_id", "operation", "label", "strategy", "status", "text", "archived"),
            *("model_id", "tuned_id", "seed", "generation_id", "created_at"),
        )
        return cls(
            **{name: getattr(version, name) for name in same},
            flags=[flag for flag in version.flags if scored or flag != "wrong-way"],
            parents=parents,
            placement=placement,
            folded=folded,
        )


class ParagraphView(BaseModel):
    """`head` is the version that is its text in the draft."""

    id: str
    position: int
    on_canvas: bool
    removed: bool
    head: str | None

    @classmethod
    def of(cls, paragraph: Paragraph) -> ParagraphView:
        return cls(
            id=paragraph.id,
            position=paragraph.position,
            on_canvas=paragraph.on_canvas,
            removed=paragraph.removed,
            head=paragraph.head_version_id,
        )


class GenerationView(BaseModel):
    """`partial` holds what had been written of each candidate when it ended early."""

    id: str
    draft_id: str
    paragraph_id: str
    parent_version_id: str
    other_version_id: str | None
    mix: float | None
    label: str
    strategy: str | None
    prompt: str | None
    n: int
    slots: int
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    problem: dict[str, Any] | None
    partial: dict[str, str]
    ranking: list[str]
    moved: bool | None
    created_at: datetime

    @classmethod
    def of(cls, generation: Generation) -> GenerationView:
        names = (name for name in cls.model_fields if name != "slots")
        return cls(**{name: getattr(generation, name) for name in names}, slots=generation.n)


class Turn(GenerationView):
    """Something the writer asked in their own words; `versions` are the answers' ids by index."""

    versions: dict[int, str]


class Turns(BaseModel):
    turns: list[Turn]


class SourceView(BaseModel):
    """A source without its text, which is fetched when it is opened."""

    id: str
    title: str
    chars: int
    created_at: datetime

    @classmethod
    def of(cls, source: Source) -> SourceView:
        return cls(id=source.id, title=source.title, chars=len(source.text), created_at=source.created_at)


class SourceText(SourceView):
    """A source with its text."""

    text: str


class PromptView(BaseModel):
    """An instruction of the writer's own that was kept; a pinned one is a label of theirs."""

    id: str
    name: str
    text: str
    pinned: bool

    @classmethod
    def of(cls, prompt: SavedPrompt) -> PromptView:
        return cls(id=prompt.id, name=prompt.name, text=prompt.text, pinned=prompt.pinned)


class PromptList(BaseModel):
    """`recent` are the texts of the draft's own prompts, latest first."""

    prompts: list[PromptView]
    recent: list[str]


class GoalView(BaseModel):
    """A rectangle of the canvas, in points; `engagement` and `exposition` are [low, high]."""

    id: str
    audience: str
    engagement: tuple[float, float]
    exposition: tuple[float, float]
    active: bool

    @classmethod
    def of(cls, goal: Goal) -> GoalView:
        return cls(
            id=goal.id,
            audience=goal.audience,
            engagement=(goal.engagement_low, goal.engagement_high),
            exposition=(goal.exposition_low, goal.exposition_high),
            active=goal.active,
        )


class NewGoal(_In):
    """A rectangle of the canvas, each side [low, high] in points, and for whom it is."""

    audience: Name
    engagement: tuple[float, float]
    exposition: tuple[float, float]


class GoalList(BaseModel):
    """The draft's goals, oldest first."""

    goals: list[GoalView]


class WaypointView(BaseModel):
    """Where the whole draft stood, in points. `why`: imported, typed, removed, confirmed, undone or redone."""

    at: datetime
    engagement: float
    exposition: float
    why: str


class Trajectory(BaseModel):
    """Oldest first; the last is where the draft stands now."""

    points: list[WaypointView]


class DigestItem(BaseModel):
    """A sentence about the history. `cites` are versions; `action` is {kind: label, label, version_id},
    {kind: open, version_id}, {kind: compare, versions} or null."""

    topic: str
    kind: str
    text: str
    cites: list[str]
    action: dict[str, Any] | None


class DigestView(BaseModel):
    items: list[DigestItem]


class CardView(BaseModel):
    """Something Muse said. `status`: shown, applied, not-now or never."""

    id: str
    topic: str
    observation: str
    question: str
    cites: list[str]
    action: dict[str, Any] | None
    status: str

    @classmethod
    def of(cls, card: MuseCard) -> CardView:
        return cls(**{name: getattr(card, name) for name in cls.model_fields})


class StepView(BaseModel):
    """Something that can be undone or redone. `versions` is how many it made or decided about, `version_id` the first
    of them."""

    id: str
    kind: str
    paragraph_id: str | None
    version_id: str | None
    versions: int

    @classmethod
    def of(cls, step: Step) -> StepView:
        about = dict.fromkeys(change["id"] for change in step.changes if change["what"] in ("status", "archived"))
        return cls(
            id=step.id,
            kind=step.kind,
            paragraph_id=step.paragraph_id,
            version_id=next(iter(about), None),
            versions=len(about),
        )


class StepsView(BaseModel):
    undo: StepView | None
    redo: StepView | None


class DraftView(BaseModel):
    id: str
    title: str
    number: int
    updated_at: datetime
    paragraphs: list[ParagraphView]
    versions: list[VersionView]
    generations: list[GenerationView]
    sources: list[SourceView]
    goals: list[GoalView]
    steps: StepsView


class DraftEntry(BaseModel):
    id: str
    title: str
    updated_at: datetime
    words: int


class DraftList(BaseModel):
    drafts: list[DraftEntry]


class NewSource(_In):
    """A blank title becomes the text's first words."""

    title: Title = ""
    text: Clean


OwnPrompt = Annotated[Clean, StringConstraints(max_length=2_000)]


class NewPrompt(_In):
    name: Name
    text: OwnPrompt
    pinned: bool = False


class PromptChange(_In):
    """What is left out stays as it is."""

    name: Name | None = None
    text: OwnPrompt | None = None
    pinned: bool | None = None


class NewDraft(_In):
    title: Title | None = None
    text: Clean | None = None
    sample: bool = False


class Renamed(_In):
    title: Title


class Edit(_In):
    """`base` is the version that was typed over, null for a new paragraph. `after` places or moves the paragraph:
    behind the named one, or first with null; left out, it stays (a new one goes last, a removed one back to its place).
    Blank text removes."""

    paragraph_id: Id
    base: Id | None
    text: Clean
    after: Id | None = None


class Save(_In):
    edits: list[Edit] = Field(max_length=5_000)


class Changed(BaseModel):
    number: int
    versions: list[VersionView]
    paragraphs: list[ParagraphView]


class WantedStep(_In):
    """`step` is the one that the writer saw as the next to undo or redo."""

    step: Id


class Stepped(Changed):
    """After undoing or redoing `step`. `order` has the paragraphs that are not removed, first to last."""

    step: StepView
    steps: StepsView
    order: list[str]
    title: str
    sources: list[SourceView]
    goals: list[GoalView]


class Archive(_In):
    version_ids: list[Id] = Field(min_length=1, max_length=5_000)


class Place(_In):
    paragraph_ids: list[Id] = Field(min_length=1, max_length=5_000)
    remove: bool = False


class Unplaced(BaseModel):
    paragraph_id: str
    code: str
    detail: str


class Placed(Changed):
    problems: list[Unplaced] = []


class Imported(BaseModel):
    title: str
    paragraphs: list[str]


class Ask(_In):
    version_id: Id
    label: Name
    strategy: Name | None = None
    prompt: Clean | None = None
    n: int | None = Field(None, ge=1, le=8)


class Combine(_In):
    """`mix` is the share of the other version, 0 to 1."""

    version_id: Id
    other_version_id: Id
    mix: float = Field(0.5, ge=0, le=1)


class Merge(_In):
    """`mix` is the share of version `b`, 0 to 1."""

    a: Id
    b: Id
    mix: float = Field(0.5, ge=0, le=1)


class PieceView(BaseModel):
    """A sentence and the parent it is from."""

    text: str
    origin: Literal["a", "b", "both", "new"]

    @classmethod
    def of(cls, piece: Piece) -> PieceView:
        return cls(text=piece.text, origin=piece.origin)


class MergeView(BaseModel):
    """What a sentence merge gives from this mix on. `placement` is null while nothing can be measured."""

    mix: float
    text: str
    sentences: list[PieceView]
    placement: PlacementView | None


class MergesView(BaseModel):
    """All sentence merges of two versions, by mix from 0 on."""

    a: str
    b: str
    merges: list[MergeView]


class HunkView(BaseModel):
    """A place where two texts differ; `before` stands in both."""

    index: int
    before: str
    removed: str
    added: str


class PairView(BaseModel):
    """What leads from `base` to `other`. `move` is [engagement, exposition] in points, null where one is unmeasured."""

    base: str
    other: str
    hunks: list[HunkView]
    rest: str
    move: tuple[float, float] | None
    facts: dict[str, Any]
    acceptable: bool


class ComparisonView(BaseModel):
    """Two or three versions, and every ordered pair of them."""

    versions: list[VersionView]
    pairs: list[PairView]


class Accept(_In):
    """`accepted` are indices of the hunks that lead from `base` to `other`."""

    base: Id
    other: Id
    accepted: list[int] = Field(max_length=20_000)


class Base(_In):
    base: Id


class HandEdit(_In):
    text: Clean


class Confirmed(BaseModel):
    version: VersionView
    paragraph: ParagraphView
    number: int


class ChangeView(BaseModel):
    kind: Literal["same", "added", "removed"]
    text: str


class ParentDiff(BaseModel):
    parent_id: str
    changes: list[ChangeView]


class ClaimView(BaseModel):
    """A sentence that neither a parent nor a source supports: characters `start` to `end` of the version's text."""

    start: int
    end: int
    text: str
    reason: str


class Detail(BaseModel):
    version: VersionView
    prompt: dict[str, Any] | None
    sampling: dict[str, Any] | None
    diff: list[ParentDiff]
    facts: dict[str, Any]
    origins: list[PieceView] = []
    """Of a version with two parents: where each sentence is from."""
    claims: list[ClaimView]


class Batch(_In):
    recorder: Id
    events: list[ClientEvent] = Field(max_length=1_000)


class Acked(BaseModel):
    acked: int
