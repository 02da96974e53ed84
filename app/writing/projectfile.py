"""The project file, `.spatial`: a draft with its whole history in one zip, the same bytes for the same draft.

    manifest.json      {"app", "format", "files": {name: SHA-256}}
    draft.json         title, when it was begun
    paragraphs.jsonl   in order; a paragraph's id in the file is its line, from 1
    versions.jsonl     in order; a version's id in the file is its number
    generations.jsonl, sources.jsonl, goals.jsonl, cards.jsonl    oldest first; ids are lines

JSON is canonical: UTF-8, keys sorted, no spaces, times in UTC to the microsecond. Left out on purpose: the log of the
session and the steps of undo, which begin anew in an imported draft; sources and goals that were taken off; and
whatever names a person.

What comes from outside is trusted in nothing: sizes are counted as they are unpacked, every value has its type and
bound here, and every reference is followed before anything is stored.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.web.errors import Problem
from app.writing.goals import HIGHEST, LOWEST, NARROWEST
from app.writing.goals import MOST as MOST_GOALS
from app.writing.sources import MOST_CHARS, MOST_SOURCES

FORMAT = 1
APP = "spatialbalancing"
MOST_PACKED = 20_000_000
MOST_UPLOADED = MOST_PACKED + 10_000
"""With what a form puts around it."""
MOST_UNPACKED = 100_000_000
MOST_RECORD = 16_000_000
MOST_RECORDS = 10_000
"""Lines of one file, and no more of some: all of them are brought in while other writers wait."""
MOST_OF = {"sources": MOST_SOURCES, "goals": MOST_GOALS}
MOST_EARLIER = 100
"""Placements by earlier scorers, of one version."""
MOST_BRACKETS = 200_000
"""Of one record: each becomes an object some fifty times its size."""
DEEPEST = 50
CHUNK = 1 << 16
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold."""
MANIFEST, DRAFT = "manifest.json", "draft.json"

NOTHING = "Nothing was imported."


def _refusal(code: str, sentence: str) -> Problem:
    return Problem(422, code, f"{sentence} {NOTHING}")


def not_a_project() -> Problem:
    return _refusal("not-a-project", "This is not a project file of SpatialBalancing.")


def damaged(what: str) -> Problem:
    return _refusal("project-damaged", f"The project file is damaged or was changed by another program: {what}.")


def newer() -> Problem:
    return _refusal(
        "project-newer",
        f"This project file was made by a newer release (this one reads formats up to {FORMAT}). Update "
        "SpatialBalancing and bring it again.",
    )


def wrong(what: str) -> Problem:
    return _refusal("project-wrong", f"The project file contradicts itself: {what}.")


def too_large(what: str) -> Problem:
    return Problem(413, "project-too-large", f"The project file holds more than can be read here: {what}. {NOTHING}")


# ── its shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _sensible(moment: datetime) -> datetime:
    """Between years that both databases and every time zone can hold."""
    if not 2000 <= moment.year <= 2200:
        raise ValueError("a time out of all bounds")
    return moment.astimezone(UTC)


def _unsigned_zero(value: float) -> float:
    return value + 0.0  # SQLite keeps no sign of a zero


Moment = Annotated[AwareDatetime, AfterValidator(_sensible)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Points = Annotated[float, Field(ge=-1e6, le=1e6), AfterValidator(_unsigned_zero)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Side = Annotated[float, Field(ge=LOWEST, le=HIGHEST), AfterValidator(_unsigned_zero)]
Word = Annotated[str, StringConstraints(max_length=80)]
SOME = r"\S"
"""Pattern of a text that is not blank."""
Kept = dict[str, Any]
"""Kept as it is and only ever shown."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DraftPart(_Part):
    title: Annotated[str, StringConstraints(max_length=200)]
    created_at: Moment


class ParagraphPart(_Part):
    head: Number
    on_canvas: bool
    removed: bool


class PlacementPart(_Part):
    exposition: Points
    engagement: Points
    spread: Points
    scorer_id: Annotated[str, StringConstraints(max_length=120)]


class EarlierPart(PlacementPart):
    """What an earlier scorer measured, until then."""

    until: Moment


class HumanPart(_Part):
    """Where the writer put a version, on which scorer's map, and why."""

    exposition: Side
    engagement: Side
    note: Annotated[str, StringConstraints(max_length=300)]
    scorer_id: Annotated[str, StringConstraints(max_length=120)]


class VersionPart(_Part):
    """`was`: what a discarded version becomes when it is restored."""

    number: Number
    paragraph: Number
    parents: Annotated[list[Number], Field(max_length=2)]
    operation: Literal["import", "label", "prompt", "combine", "manual", "move"]
    label: Word | None
    strategy: Word | None
    prompt: Kept | None
    prompt_hash: Annotated[str, StringConstraints(max_length=64)] | None
    sampling: Kept | None
    model_id: str | None
    tuned_id: str | None
    seed: Seed | None
    text: str
    placement: PlacementPart | None
    human_placement: HumanPart | None
    earlier: Annotated[list[EarlierPart], Field(max_length=MOST_EARLIER)] = []
    status: Literal["written", "proposed", "confirmed", "discarded"]
    was: Literal["written", "proposed", "confirmed"] | None
    archived: bool
    flags: list[str]
    generation: Number | None
    created_at: Moment


class ProblemPart(_Part):
    """Why one failed, in words."""

    code: str
    detail: str
    mend: str


class GenerationPart(_Part):
    """One that had not ended is cancelled in the file."""

    paragraph: Number
    parent: Number
    other: Number | None
    mix: Annotated[float, Field(ge=0, le=1), AfterValidator(_unsigned_zero)] | None
    label: Word
    strategy: Word | None
    prompt: str | None
    seed: Seed
    n: Annotated[int, Field(ge=1, le=8)]
    status: Literal["done", "failed", "cancelled"]
    problem: ProblemPart | None
    partial: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}$")], str]
    ranking: list[Number]
    moved: bool | None
    created_at: Moment
    claimed_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None


class SourcePart(_Part):
    title: Annotated[str, StringConstraints(max_length=200, pattern=SOME)]
    text: Annotated[str, StringConstraints(max_length=MOST_CHARS, pattern=SOME)]
    created_at: Moment


class GoalPart(_Part):
    audience: Annotated[str, StringConstraints(max_length=80, pattern=SOME)]
    engagement_low: Side
    engagement_high: Side
    exposition_low: Side
    exposition_high: Side
    active: bool
    created_at: Moment


class Ref(_Part):
    """A version, where the draft has its id: {"$ref": "version/3"}."""

    to: Annotated[str, StringConstraints(pattern=r"^version/[1-9][0-9]{0,9}$")] = Field(alias="$ref")

    @property
    def number(self) -> int:
        return int(self.to.removeprefix("version/"))


class LabelAction(_Part):
    kind: Literal["label"]
    label: Word
    version_id: Ref


class OpenAction(_Part):
    kind: Literal["open"]
    version_id: Ref


class CompareAction(_Part):
    kind: Literal["compare"]
    versions: Annotated[list[Ref], Field(min_length=2, max_length=3)]


Action = Annotated[LabelAction | OpenAction | CompareAction, Field(discriminator="kind")]


class CardPart(_Part):
    """What was an id of this draft's is version/3 within `topic`."""

    topic: Annotated[str, StringConstraints(max_length=120)]
    observation: str
    question: str
    cites: list[Number]
    action: Action | None
    model_id: str | None
    tuned_id: str | None
    status: Literal["shown", "applied", "not-now", "never"]
    created_at: Moment
    changed_at: Moment


@dataclass(frozen=True)
class Project:
    """Ids are places: that of version 3 is `versions[2]`."""

    draft: DraftPart
    paragraphs: list[ParagraphPart]
    versions: list[VersionPart]
    generations: list[GenerationPart]
    sources: list[SourcePart]
    goals: list[GoalPart]
    cards: list[CardPart]


LISTS: dict[str, type[_Part]] = {
    "paragraphs": ParagraphPart,
    "versions": VersionPart,
    "generations": GenerationPart,
    "sources": SourcePart,
    "goals": GoalPart,
    "cards": CardPart,
}
NAMES = {DRAFT, *(f"{name}.jsonl" for name in LISTS)}


# ── out ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def pack(project: Project) -> bytes:
    """The file. Raises Problem 413 when nobody could read it back."""
    files = {DRAFT: canonical(project.draft)}
    for name in LISTS:
        parts: Sequence[_Part] = getattr(project, name)
        lines = [canonical(part) for part in parts]
        if len(lines) > MOST_OF.get(name, MOST_RECORDS) or any(len(line) > MOST_RECORD for line in lines):
            raise _no_room()
        files[f"{name}.jsonl"] = b"".join(lines)
    if sum(map(len, files.values())) > MOST_UNPACKED:
        raise _no_room()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files[MANIFEST] = _line({"app": APP, "format": FORMAT, "files": hashes})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    if out.tell() > MOST_PACKED:
        raise _no_room()
    return out.getvalue()


def _no_room() -> Problem:
    return Problem(
        413,
        "project-too-large",
        "This draft and its history are more than a project file can hold. Export the text as Markdown or Word, or ask "
        "whoever runs the server for a backup of the database.",
    )


def canonical(part: BaseModel) -> bytes:
    """One line of JSON, the same for the same content."""
    return _line(part.model_dump(by_alias=True))


def _line(content: Any) -> bytes:
    told = json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_moment
    )
    return f"{told}\n".encode()


def _moment(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat(timespec="microseconds")


# ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def unpack(file: IO[bytes]) -> Project:
    """What the file holds, every reference followed. Raises Problem 413 and 422."""
    try:
        project = _unpacked(file)
    # What the damage happens to lead to inside zipfile and zlib.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, KeyError, OSError) as error:
        raise damaged("it can't be unpacked") from error
    except (ValueError, OverflowError) as error:
        raise damaged("it can't be read") from error
    _check(project)
    return project


def _unpacked(file: IO[bytes]) -> Project:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, OSError) as error:
        file.seek(0)
        raise (damaged("a part of it is missing") if file.read(2) == b"PK" else not_a_project()) from error
    with archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if MANIFEST not in names:
            raise not_a_project()
        if len(entries) > 100 or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
            raise too_large("it unpacks to more than 100 MB")
        if any(
            entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            for entry in entries
        ):
            raise damaged("it is packed in a way that is not its own")
        hashes = _manifest(archive)
        if sorted(names) != sorted({*NAMES, MANIFEST}) or set(hashes) != NAMES:
            missing = sorted(NAMES - set(names))
            raise damaged(f"{missing[0]} is missing" if missing else "it holds files that don't belong in it")
        drafts = list(_records(archive, DRAFT, hashes, DraftPart))
        lists: dict[str, Any] = {
            name: list(_records(archive, f"{name}.jsonl", hashes, kind)) for name, kind in LISTS.items()
        }
    if len(drafts) != 1:
        raise damaged(f"{DRAFT} is not as expected")
    return Project(draft=drafts[0], **lists)


def _manifest(archive: zipfile.ZipFile) -> dict[str, str]:
    """SHA-256 by name. The format's number comes first: a newer file may have changed in all else."""
    told = _json(b"".join(_lines(archive, MANIFEST)), MANIFEST)
    if not isinstance(told, dict) or told.get("app") != APP:
        raise not_a_project()
    number, hashes = told.get("format"), told.get("files")
    if _above(number):
        raise newer()
    if type(number) is not int or number != FORMAT or not isinstance(hashes, dict):
        raise damaged(f"{MANIFEST} is not as expected")
    return hashes


def _above(number: Any) -> bool:
    """However a later release writes its number: 2, 2.5 or "2"."""
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            return False
    return isinstance(number, int | float) and not isinstance(number, bool) and number > FORMAT


Part = TypeVar("Part", bound=_Part)


def _records(archive: zipfile.ZipFile, name: str, hashes: dict[str, str], kind: type[Part]) -> Iterator[Part]:
    """A file's lines. Its hash is compared before its end, so before anything is made of it."""
    digest = hashlib.sha256()
    most = MOST_OF.get(name.removesuffix(".jsonl"), MOST_RECORDS)
    for i, line in enumerate(_lines(archive, name), start=1):
        digest.update(line)
        if i > most:
            raise too_large(f"{name} has more than {most:,} lines")
        try:
            yield kind.model_validate(_json(line, name))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            at = ".".join(map(str, first["loc"]))
            raise damaged(f"line {i} of {name} is not as expected{f' at {at}'[:80] if at else ''}") from error
    if digest.hexdigest() != hashes[name]:
        raise damaged(f"{name} is not what its check sum says")


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Unpacked piece by piece; zipfile gives no more of a file than its header declares, and that was looked at."""
    with archive.open(name) as packed, io.BufferedReader(packed, CHUNK) as unpacked:  # type: ignore[type-var]
        while line := unpacked.readline(MOST_RECORD + 1):
            if len(line) > MOST_RECORD:
                raise too_large(f"a line of {name} is longer than {MOST_RECORD // 1_000_000} MB")
            yield line


def _json(line: bytes, name: str) -> Any:
    if line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
        raise too_large(f"{name} is nested beyond measure")
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=_no_number, parse_float=_float)
        _look_through(found)
    except (ValueError, RecursionError) as error:
        raise damaged(f"{name} is not as expected") from error
    return found


def _no_number(word: str) -> float:
    raise ValueError(word)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return value


def _look_through(value: Any, depth: int = 0) -> None:
    """Raises ValueError for what no database holds: the character NUL, halves of surrogate pairs, endless depth."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("the character NUL")
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _look_through(key, depth + 1)
            _look_through(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _look_through(inner, depth + 1)


# ── what must hold inside it ───────────────────────────────────────────────────────────────────────────────────────


def _check(project: Project) -> None:
    """The same rules as `spatialbalancing db check`. Raises Problem 422."""
    versions, paragraphs = project.versions, project.paragraphs
    if [x.number for x in versions] != list(range(1, len(versions) + 1)):
        raise wrong("its versions are not numbered from 1 without holes")
    for x in versions:
        if x.paragraph > len(paragraphs):
            raise wrong(f"version {x.number} belongs to a paragraph that is not there")
        if any(parent >= x.number for parent in x.parents) or len(set(x.parents)) < len(x.parents):
            raise wrong(f"version {x.number} has a parent that does not come before it")
        if x.generation is not None and x.generation > len(project.generations):
            raise wrong(f"version {x.number} comes from a request that is not there")
        if x.was is not None and x.status != "discarded":
            raise wrong(f"version {x.number} is marked as discarded and as not discarded")
    for i, paragraph in enumerate(paragraphs, start=1):
        if paragraph.head > len(versions) or versions[paragraph.head - 1].paragraph != i:
            raise wrong(f"the text of paragraph {i} is not one of its own versions")
        head = versions[paragraph.head - 1]
        if paragraph.removed != (head.text == "" or head.archived):
            raise wrong(f"paragraph {i} is marked as removed but has text, or the other way round")
    _check_generations(project)
    _check_goals(project.goals)
    if any(number > len(versions) for card in project.cards for number in (*card.cites, *_acts_on(card))):
        raise wrong("Muse speaks of a version that is not there")


def _check_goals(goals: Sequence[GoalPart]) -> None:
    if sum(goal.active for goal in goals) > 1:
        raise wrong("it has more than one active goal")
    for i, goal in enumerate(goals, start=1):
        sides = (goal.engagement_high - goal.engagement_low, goal.exposition_high - goal.exposition_low)
        if min(sides) < NARROWEST:
            raise wrong(f"goal {i} does not go from a lower to a higher number, {NARROWEST:g} points apart")


def _acts_on(card: CardPart) -> list[int]:
    match card.action:
        case CompareAction(versions=refs):
            return [ref.number for ref in refs]
        case LabelAction(version_id=ref) | OpenAction(version_id=ref):
            return [ref.number]
    return []


def _check_generations(project: Project) -> None:
    made: dict[int, set[int]] = {}
    for x in project.versions:
        if x.generation is not None:
            made.setdefault(x.generation, set()).add(x.number)
    for i, generation in enumerate(project.generations, start=1):
        named = [generation.parent, *generation.ranking, *([generation.other] if generation.other else [])]
        if generation.paragraph > len(project.paragraphs) or max(named) > len(project.versions):
            raise wrong(f"request {i} speaks of a version or paragraph that is not there")
        for given in (generation.parent, generation.other or generation.parent):
            if project.versions[given - 1].paragraph != generation.paragraph:
                raise wrong(f"request {i} was made of another paragraph’s version")
        if generation.status == "done" and set(generation.ranking) != made.get(i, set()):
            raise wrong(f"request {i} ranks versions that are not its own, or not all of them")
