"""What is counted of a task from its log and its versions. Each measure says what it is; the codebook is made of that.

Points are T-scores on the canvas: 50 is the mean, 10 one standard deviation of the reference texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, log2

from sqlalchemy.orm import Session

from app.study import records
from app.study.values import Value
from app.writing import landing, provenance, store
from app.writing.landing import Happened, Point, Text
from app.writing.provenance import Stage

STILL = 1.0
"""Points a text has to move on an axis before it is a move; the digest of Muse has the same."""
LOOKED = 500
"""Milliseconds that the pointer or the focus has to rest on a version before it counts as looked at."""


@dataclass(frozen=True)
class Measure:
    """`definition` says how it is counted, and when it is empty."""

    id: str
    name: str
    unit: str
    definition: str


MEASURES = (
    Measure(
        "versions_made", "Versions made", "versions",
        "Versions that were asked for: by a label, a prompt or by combining two, and what was taken over from a "
        "comparison. Imported texts and what was typed straight into the draft don't count.",
    ),
    Measure(
        "versions_viewed", "Versions viewed", "versions",
        f"Different versions that were opened (node.opened), laid side by side (versions.compared), or rested on for "
        f"{LOOKED} ms at least (node.hovered). An answer that a chat shows in full counts when it is opened, too.",
    ),
    Measure(
        "versions_confirmed", "Versions confirmed", "versions",
        "Different versions that were confirmed (version.confirmed), also when that was undone later.",
    ),
    Measure(
        "label_entropy", "Label entropy", "bits",
        "Shannon entropy of the labels asked for (generation.created), -Σ p log₂ p; the writer's own prompt is one "
        "label, combining is none. 0 when it was always the same; empty when nothing was asked for.",
    ),
    Measure(
        "path_length", "Path length", "points",
        "Length of the whole draft's way on the canvas: the draft stands at the mean of its paragraphs' points, "
        "weighted by words, and moves when a paragraph's text changes to a measured one. Without a "
        "canvas only what the model wrote is measured. Empty when nothing is.",
    ),
    Measure(
        "hull_area", "Hull area", "square points",
        "Area of the convex hull of all measured versions of the draft. 0 for fewer than three, or for points on one "
        "line; empty when nothing was measured.",
    ),
    Measure(
        "direction_reversals", "Direction reversals", "times",
        f"How often the draft's way turned back on an axis, both axes added: a move of {STILL:g} point or more after "
        "one of that size the other way, smaller ones left out. Empty when nothing was measured.",
    ),
    Measure(
        "combines", "Combines", "times",
        "How often two versions were made into one, with or without the model; the versions of one request count once.",
    ),
    Measure(
        "revisits", "Revisits", "times",
        "Openings of a version (node.opened) that had been opened before, with another one opened in between.",
    ),
    Measure(
        "requests", "Requests", "times", "How often the model was asked for versions (generation.created).",
    ),
    Measure(
        "undos", "Undos", "times", "Steps taken back (step.undone).",
    ),
    Measure(
        "typed_chars", "Characters typed", "characters",
        "Characters that came in by typing, pasting or dropping (text.edit, inserted), also those deleted again.",
    ),
    Measure(
        "human_chars", "Characters by the writer", "characters",
        "Characters of the final text in sentences that first appear in a version of the writer's own; those of the "
        "draft that was given are not among them.",
    ),
    Measure(
        "model_chars", "Characters by the model", "characters",
        "Characters of the final text in sentences that first appear in a version the model wrote, unchanged.",
    ),
    Measure(
        "edited_chars", "Characters by the model, edited", "characters",
        f"Characters of the final text in sentences of the model's that the writer changed, {provenance.EDITED:.0%} of "
        "the words or more being left.",
    ),
    Measure(
        "given_chars", "Characters of the given draft", "characters",
        "Characters of the final text in sentences that stand so in the draft that was given.",
    ),
    Measure(
        "time_to_first_confirm", "Time to first confirm", "seconds",
        "From the beginning of the task to the first version.confirmed, pauses left out. Empty when there is none.",
    ),
    Measure(
        "task_time", "Time on task", "seconds",
        "From the beginning of the task to its end, pauses left out. Empty while it lasts.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Version:
    """As far as it matters here, by number."""

    id: str
    text: str
    operation: str
    typed: bool
    """Whether it is what was typed straight into the draft, no version that was asked for."""
    by_model: bool
    generation_id: str | None
    parents: tuple[str, ...]
    point: Point | None


@dataclass(frozen=True)
class Work:
    """All that was done in a task. Times are milliseconds since 1970; `ended` is None while it lasts."""

    noted: Sequence[Happened]
    """What the browser noted."""
    done: Sequence[Happened]
    """What the server noted."""
    versions: Sequence[Version]
    heads: Sequence[str]
    texts: Mapping[str, Text]
    began: int
    ended: int | None = None
    paused: Sequence[tuple[int, int | None]] = ()


def derive(work: Work) -> dict[str, float | None]:
    """Every measure, by id."""
    way = [stop.point for stop in landing.trajectory(work.done, work.texts)]
    chars = characters(work.versions, work.heads)
    confirmed = [event for event in work.done if event.kind == "version.confirmed"]
    asked = [event for event in work.done if event.kind == "generation.created"]
    found: dict[str, float | None] = {
        "versions_made": sum(not version.typed and version.operation != "import" for version in work.versions),
        "versions_viewed": len(viewed(work.noted)),
        "versions_confirmed": len({event.version_id for event in confirmed}),
        "label_entropy": entropy(Counter(e.payload["label"] for e in asked if e.payload["label"] != "combine")),
        "path_length": sum(hypot(b.engagement - a.engagement, b.exposition - a.exposition) for a, b in pairwise(way))
        if way
        else None,
        "hull_area": hull_area([version.point for version in work.versions if version.point is not None]),
        "direction_reversals": reversals(way) if way else None,
        "combines": len({v.generation_id or v.id for v in work.versions if v.operation == "combine"}),
        "revisits": revisits([str(e.version_id) for e in work.noted if e.kind == "node.opened" and e.version_id]),
        "requests": len(asked),
        "undos": sum(event.kind == "step.undone" for event in work.done),
        "typed_chars": sum(len(event.payload["inserted"]) for event in work.noted if event.kind == "text.edit"),
        **{f"{kind}_chars": chars[kind] for kind in ("human", "model", "edited", "given")},
        "time_to_first_confirm": spent(work, confirmed[0].at) if confirmed else None,
        "task_time": spent(work, work.ended) if work.ended is not None else None,
    }
    return {measure.id: None if found[measure.id] is None else float(found[measure.id] or 0) for measure in MEASURES}


def viewed(noted: Iterable[Happened]) -> set[str]:
    """Ids of the versions that were opened, compared, or rested on for LOOKED milliseconds."""
    found: set[str] = set()
    for event in noted:
        opened = event.kind == "node.opened" or (event.kind == "node.hovered" and event.payload["ms"] >= LOOKED)
        if opened and event.version_id:
            found.add(event.version_id)
        elif event.kind == "versions.compared":
            found.update(event.payload["versions"])
    return found


def entropy(counts: Mapping[str, int]) -> float | None:
    """In bits. Shannon, C. E. (1948). A mathematical theory of communication. Bell System Technical Journal, 27,
    379–423."""
    total = sum(counts.values())
    if not total:
        return None
    return abs(sum(-n / total * log2(n / total) for n in counts.values() if n))


def hull_area(points: Sequence[Point]) -> float | None:
    """Of the convex hull, in square points; None without a point."""
    from scipy.spatial import ConvexHull, QhullError

    if not points:
        return None
    try:
        # In the plane SciPy calls the area `volume`.
        return float(ConvexHull([(p.engagement, p.exposition) for p in points]).volume)
    except (QhullError, ValueError):  # fewer than three points, or all of them on a line
        return 0.0


def reversals(way: Sequence[Point]) -> int:
    """How often the way turns back on an axis, both added; moves of less than STILL points are passed over."""
    return sum(_turns([getattr(point, axis) for point in way]) for axis in ("engagement", "exposition"))


def _turns(values: Sequence[float]) -> int:
    signs = [1 if b > a else -1 for a, b in pairwise(values) if abs(b - a) >= STILL]
    return sum(a != b for a, b in pairwise(signs))


def revisits(opened: Sequence[str]) -> int:
    """How often, among ids in the order of their opening, one comes back after another."""
    seen: set[str] = set()
    last, count = "", 0
    for version in opened:
        count += version in seen and version != last
        seen.add(version)
        last = version
    return count


def characters(versions: Sequence[Version], heads: Sequence[str]) -> dict[str, int]:
    """Of the text that `heads` are, by whose sentences they are: human, model, edited and given."""
    stages = [Stage(version.id, version.text, version.parents, version.by_model) for version in versions]
    imported = {version.id for version in versions if version.operation == "import"}
    counts = dict.fromkeys(("human", "model", "edited", "given"), 0)
    traced = provenance.trace(stages, set(heads))
    for head in heads:
        for sentence in traced[head]:
            kind = "human" if sentence.origin.kind == "writer" else sentence.origin.kind
            counts["given" if sentence.origin.stage in imported else kind] += len(sentence.text)
    return counts


def spent(work: Work, until: int) -> float:
    """Seconds of the task up to a moment, pauses left out."""
    stood = sum(max(0, min(end if end is not None else until, until) - start) for start, end in work.paused)
    return max(0, until - work.began - stood) / 1000


# ── from the database ──────────────────────────────────────────────────────────────────────────────────────────────


def of_study(session: Session, study_id: str) -> Iterator[Value]:
    """Every measure of every task that was begun."""
    for task in records.tasks(session, study_id):
        for measure, value in derive(work_of(session, task)).items():
            yield Value(
                task.participant.code,
                task.participant.cell,
                task.progress.period,
                task.progress.condition,
                task.progress.topic,
                measure,
                value,
            )


def work_of(session: Session, task: records.Task) -> Work:
    draft_id = str(task.progress.draft_id)
    stored = records.versions(session, draft_id)
    scale = store.scale(session, draft_id, stored)
    log = [
        (row["recorder"], Happened(row["server_ms"], row["type"], row["payload"], row["version_id"]))
        for row in records.log(session, draft_id)
    ]
    done = [event for recorder, event in log if recorder is None]
    straight = {
        event.version_id for event in done
        if event.kind == "version.created" and event.payload["operation"] == "manual" and event.payload["head"]
    }  # fmt: skip
    parents = store.all_parents(session, draft_id)
    found = [
        Version(
            id=version.id,
            text=version.text,
            operation=version.operation,
            typed=version.id in straight,
            by_model=version.model_id is not None,
            generation_id=version.generation_id,
            parents=tuple(parents.get(version.id, ())),
            point=store.point(version, scale),
        )
        for version in stored
    ]
    heads = [str(p.head_version_id) for p in store.paragraphs(session, draft_id) if not p.removed and p.head_version_id]
    left = task.progress.left_at
    return Work(
        noted=[event for recorder, event in log if recorder is not None],
        done=done,
        versions=found,
        heads=heads,
        texts=store.standing(session, draft_id),
        began=int(task.progress.entered_at.timestamp() * 1000),
        ended=int(left.timestamp() * 1000) if left else None,
        paused=task.paused,
    )
