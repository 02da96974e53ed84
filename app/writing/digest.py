"""What a draft's history says, without a model: pure functions from what is stored to sentences that cite it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import hypot
from typing import Any, Literal

from app.text import facts
from app.writing import landing
from app.writing.landing import Point, Region
from app.writing.strategies import Label

STILL = 1.0
"""Points a text has to move on an axis before it is worth a word; words.js has the same."""
MOST_CITED = 6
MOST_COMPARED = 3
PATHS = 3
GROUPS = ("engagement", "exposition", "bridge")
AXES = {"engagement": "gripping", "exposition": "thorough"}

Kind = Literal["facts", "goal", "oscillation", "unreviewed", "unused", "untouched", "path", "used"]
Action = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A version; `point` is None while it is not measured."""

    id: str
    number: int
    paragraph_id: str
    parents: tuple[str, ...]
    operation: str
    label: str | None
    status: str
    text: str
    point: Point | None
    generation_id: str | None = None
    archived: bool = False


@dataclass(frozen=True)
class Aim:
    """The active goal."""

    id: str
    audience: str
    region: Region


@dataclass(frozen=True)
class History:
    """`heads` has the text of each paragraph in the draft, by paragraph, first to last; removed ones are not there."""

    heads: Mapping[str, str]
    versions: Mapping[str, Seen]
    labels: Sequence[Label]
    aim: Aim | None = None

    @cached_property
    def children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for version in self.versions.values():
            for parent in version.parents:
                found.setdefault(parent, []).append(version.id)
        return found

    def number(self, paragraph_id: str) -> int:
        """Its place in the draft, from 1."""
        return list(self.heads).index(paragraph_id) + 1

    def head(self, paragraph_id: str) -> Seen:
        return self.versions[self.heads[paragraph_id]]

    def of(self, paragraph_id: str) -> list[Seen]:
        """By number."""
        return self._by_paragraph.get(paragraph_id, [])

    @cached_property
    def _by_paragraph(self) -> dict[str, list[Seen]]:
        found: dict[str, list[Seen]] = {}
        for version in sorted(self.versions.values(), key=lambda v: v.number):
            found.setdefault(version.paragraph_id, []).append(version)
        return found

    def lineage(self, version: Seen) -> list[Seen]:
        """From the first ancestor (by first parents) to the version itself."""
        line = [version]
        while line[-1].parents and line[-1].parents[0] in self.versions:
            line.append(self.versions[line[-1].parents[0]])
        return line[::-1]

    def original(self, version: Seen) -> Seen:
        """The first text it comes from."""
        return next((v for v in self.lineage(version) if v.text), version)

    def place(self, version: Seen) -> Point | None:
        """Its own point, or its nearest measured ancestor's."""
        return next((v.point for v in reversed(self.lineage(version)) if v.point is not None), None)


@dataclass(frozen=True)
class Item:
    """A sentence about the history. `cites` are versions it rests on; `about` is the version a question may be about,
    `axis` and `sign` the push it would need."""

    topic: str
    kind: Kind
    text: str
    cites: tuple[str, ...]
    action: Action | None = None
    about: str | None = None
    needs: str = ""
    found: tuple[str, ...] = field(default=())
    """Words the sentence quotes."""


def digest(history: History) -> list[Item]:
    """What is worth saying, in a fixed order; empty for a draft without a text."""
    if not history.heads:
        return []
    parts = (_goal, _facts, _unreviewed, _oscillation, _used, _unused, _paths, _untouched)
    return [item for part in parts for item in part(history)]


# ── what was pressed ───────────────────────────────────────────────────────────────────────────────────────────────


def _pressed(history: History) -> dict[str, list[Seen]]:
    """Versions by label, in the order of the book; those without a label of the book are not there."""
    made: dict[str, list[Seen]] = {label.id: [] for label in history.labels}
    for version in history.versions.values():
        if version.label in made and version.paragraph_id in history.heads:
            made[version.label].append(version)
    return {label: sorted(versions, key=lambda v: v.number) for label, versions in made.items() if versions}


def _used(history: History) -> Iterator[Item]:
    made = _pressed(history)
    if not made:
        return
    names = {label.id: label.name for label in history.labels}
    order = sorted(made, key=lambda label: -len(made[label]))
    parts = [f"“{names[label]}” ({_count(len(made[label]), 'version')})" for label in order]
    cites = tuple(made[label][-1].id for label in order)[:MOST_CITED]
    yield Item("used:draft", "used", f"Labels used so far: {_listed(parts)}.", cites)


def _unused(history: History) -> Iterator[Item]:
    """A group of labels with nothing made by it, once there is something by another."""
    made = _pressed(history)
    if not made:
        return
    used = {label.group for label in history.labels if label.id in made}
    for group in GROUPS:
        offered = [label for label in history.labels if label.group == group]
        if group in used or not offered:
            continue
        axis = "exposition" if group == "exposition" else "engagement"
        head = min(
            (history.head(p) for p in history.heads),
            key=lambda v: (history.place(v) is None, _value(history.place(v), axis), v.number),
        )
        number = history.number(head.paragraph_id)
        low = (
            f" Paragraph {number} is the least {AXES[axis]}." if history.place(head) and len(history.heads) > 1 else ""
        )
        yield Item(
            f"unused:{group}",
            "unused",
            f"No version comes from the labels for {_GROUP_WORDS[group]} yet.{low}",
            (head.id,),
            _press(offered[0], head),
            about=head.id,
            needs=group,
        )


_GROUP_WORDS = {"engagement": "engagement", "exposition": "exposition", "bridge": "bridges (analogy, why it matters)"}


def _value(point: Point | None, axis: str) -> float:
    return 0.0 if point is None else float(getattr(point, axis))


# ── where it went ──────────────────────────────────────────────────────────────────────────────────────────────────


def _measured(history: History, paragraph_id: str) -> list[Seen]:
    """The measured versions on the way to the paragraph's text."""
    return [v for v in history.lineage(history.head(paragraph_id)) if v.point is not None]


def _paths(history: History) -> Iterator[Item]:
    """The paragraphs that went farthest."""
    found = []
    for paragraph_id in history.heads:
        way = _measured(history, paragraph_id)
        if len(way) < 2:
            continue
        a, b = _point(way[0]), _point(way[-1])
        found.append((hypot(b.engagement - a.engagement, b.exposition - a.exposition), paragraph_id, way))
    for _, paragraph_id, way in sorted(found, key=lambda f: (-f[0], history.number(f[1])))[:PATHS]:
        start, end = place_words(_point(way[0])), place_words(_point(way[-1]))
        moved = move_words(_point(way[0]), _point(way[-1]))
        steps = _count(len(way) - 1, "step")
        if moved is None:
            text = f"Paragraph {history.number(paragraph_id)} hardly moved in {steps}: it is still {end}."
        elif start == end:
            text = f"Paragraph {history.number(paragraph_id)} became {moved} in {steps}, and is still {end}."
        else:
            text = f"Paragraph {history.number(paragraph_id)} went from {start} to {end} in {steps}: {moved}."
        cites = (way[0].id, way[-1].id)
        yield Item(f"path:{paragraph_id}", "path", text, cites, _compare(cites), about=way[-1].id)


def _oscillation(history: History) -> Iterator[Item]:
    for paragraph_id in history.heads:
        way = _measured(history, paragraph_id)
        for axis, word in AXES.items():
            turns = _turns([float(getattr(_point(v), axis)) for v in way])
            if not turns:
                continue
            stages = [way[i] for i in turns]
            numbers = _listed([str(v.number) for v in stages])
            cites = tuple(v.id for v in stages)[-MOST_CITED:]
            yield Item(
                f"oscillation:{paragraph_id}",
                "oscillation",
                f"Paragraph {history.number(paragraph_id)} went back and forth between more and less {word}: versions "
                f"{numbers}.",
                cites,
                _compare(cites[-MOST_COMPARED:]),
                about=way[-1].id,
                needs=axis,
            )
            break


def _turns(values: Sequence[float]) -> list[int]:
    """Indices of the stages between which a value went one way and came back by half of it or more, from the first
    to the last; empty where it did not. Moves under `STILL` are none."""
    stages = [0] if values else []
    for i in range(1, len(values)):
        step = values[i] - values[stages[-1]]
        if abs(step) < STILL:
            continue
        if len(stages) > 1 and (values[stages[-1]] - values[stages[-2]]) * step > 0:
            stages[-1] = i
        else:
            stages.append(i)
    moves = [values[b] - values[a] for a, b in pairwise(stages)]
    back = any(a * b < 0 and abs(b) >= abs(a) / 2 for a, b in pairwise(moves))
    return stages if back else []


def place_words(point: Point) -> str:
    """Where a text stands; words.js says the same."""

    def word(value: float, low: str, high: str) -> str:
        if value >= 60:
            return f"very {high}"
        if value >= 53:
            return high
        if value > 47:
            return f"between {low} and {high}"
        return low if value > 40 else f"very {low}"

    return f"{word(point.exposition, 'thin', 'thorough')}, {word(point.engagement, 'plain', 'gripping')}"


def move_words(start: Point, end: Point) -> str | None:
    """What changed on the way, or None where nothing much did."""
    parts = [
        f"{'more' if moved > 0 else 'less'} {AXES[axis]}"
        for axis in ("exposition", "engagement")
        if abs(moved := getattr(end, axis) - getattr(start, axis)) >= STILL
    ]
    return " and ".join(parts) or None


# ── what waits, what is lost, what was left alone ──────────────────────────────────────────────────────────────────


def _unreviewed(history: History) -> Iterator[Item]:
    """Proposed versions of presses of which the writer confirmed, discarded and continued none."""
    decided = {
        v.generation_id
        for v in history.versions.values()
        if v.generation_id and (v.status in ("confirmed", "discarded") or v.archived or v.id in history.children)
    }
    for paragraph_id in history.heads:
        waiting = [
            v
            for v in history.of(paragraph_id)
            if v.status == "proposed" and v.generation_id is not None and v.generation_id not in decided
        ]
        if not waiting:
            continue
        cites = tuple(v.id for v in waiting)[-MOST_CITED:]
        newest = cites[-MOST_COMPARED:]
        number = history.number(paragraph_id)
        yield Item(
            f"unreviewed:{paragraph_id}",
            "unreviewed",
            f"Paragraph {number} has {_count(len(waiting), 'new version')} that you neither confirmed nor discarded.",
            cites,
            _compare(newest) if len(newest) > 1 else _open(newest[0]),
            about=newest[0],
        )


def _facts(history: History) -> Iterator[Item]:
    for paragraph_id in history.heads:
        head = history.head(paragraph_id)
        original = history.original(head)
        if original.id == head.id:
            continue
        lost = facts.compare(original.text, head.text).lost
        found = tuple(dict.fromkeys((*lost.units, *lost.numbers, *lost.names, *lost.citations)))
        found = tuple(f for f in found if not any(f != other and f in other for other in found))
        if not found:
            continue
        named = _listed([f"“{fact}”" for fact in found[:4]])
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        cites = (original.id, head.id)
        yield Item(
            f"facts:{paragraph_id}",
            "facts",
            f"Paragraph {history.number(paragraph_id)} no longer has {named}{more}, which its original had.",
            cites,
            _compare(cites),
            about=original.id,
            found=found,
        )


def _untouched(history: History) -> Iterator[Item]:
    """Where something was done, the paragraphs at which nothing was."""
    alone = [p for p in history.heads if len(history.of(p)) == 1]
    if not alone or len(alone) == len(history.versions):
        return
    numbers = _listed([str(history.number(p)) for p in alone[:8]]) + (" and others" if len(alone) > 8 else "")
    text = (
        f"Paragraph {numbers} is as it came: no version was tried."
        if len(alone) == 1
        else f"Paragraphs {numbers} are as they came: no version was tried."
    )
    heads = tuple(history.heads[p] for p in alone)
    yield Item("untouched:draft", "untouched", text, heads[:MOST_CITED], _open(heads[0]), about=heads[0])


def _goal(history: History) -> Iterator[Item]:
    if history.aim is None:
        return
    region, audience = history.aim.region, history.aim.audience
    placed = [(head, point) for p in history.heads if (point := history.place(head := history.head(p))) is not None]
    whole = landing.whole((len(head.text.split()), point) for head, point in placed)
    if whole is None:
        return
    far, point = max(placed, key=lambda hp: (landing.distance(hp[1], region), -hp[0].number))
    away = landing.how_far(whole, region)
    text = f"The draft as a whole is {away} the goal “{audience}”"
    text += "." if away == "inside" else f": it needs {landing.needs(whole, region)}."
    if landing.distance(point, region) == 0:
        yield Item(f"goal:{history.aim.id}", "goal", text, (far.id,), None)
        return
    number = history.number(far.paragraph_id)
    if away == "inside":
        text += f" Paragraph {number} lies outside and needs {landing.needs(point, region)}."
    elif len(placed) > 1:
        text += f" Paragraph {number} is farthest from it and needs {landing.needs(point, region)}."
    lacks = landing.gap(point, region)
    label = _towards(history.labels, lacks)
    action = _press(label, far) if label else _open(far.id)
    wants = "engagement" if abs(lacks.engagement) > abs(lacks.exposition) else "exposition"
    less = getattr(lacks, wants) < 0
    needs = f"less-{wants}" if less else wants
    yield Item(f"goal:{history.aim.id}", "goal", text, (far.id,), action, about=far.id, needs=needs)


def _towards(labels: Iterable[Label], lacks: Point) -> Label | None:
    """The label that pushes most nearly the way that is lacking; None where each pushes elsewhere."""

    def fit(label: Label) -> float:
        x, y = label.push
        return (x * lacks.engagement + y * lacks.exposition) / (hypot(x, y) or 1)

    best = max(labels, key=fit, default=None)
    return best if best is not None and fit(best) > 0 else None


# ── small things ───────────────────────────────────────────────────────────────────────────────────────────────────


def _point(version: Seen) -> Point:
    assert version.point is not None
    return version.point


def _press(label: Label, version: Seen) -> Action:
    return {"kind": "label", "label": label.id, "version_id": version.id}


def _open(version_id: str) -> Action:
    return {"kind": "open", "version_id": version_id}


def _compare(version_ids: Sequence[str]) -> Action:
    return {"kind": "compare", "versions": list(version_ids)}


def _count(n: int, one: str) -> str:
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
