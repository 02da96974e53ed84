"""A whole study as one zip: log, texts, questionnaires, measures, analysis, codebook and the frozen protocol.

Rows are streamed from the database into the zip, so that memory does not grow with the log. The manifest comes last: a
zip without it was cut, and verify.py says so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy.orm import Session

from app import __version__
from app.db.engine import Database
from app.study import analysis, codebook, figures, measures, records, values
from app.study.models import Participant, Progress, Study
from app.study.service import protocol_of
from app.study.values import Value
from app.writing import manuscript, store
from app.writing.export import ExportError, WrongPath, cell, earlier_placements
from app.writing.models import Draft

__all__ = ["ExportError", "UnknownStudy", "WrongPath", "export", "write"]

FORMAT = "spatialbalancing-study-export/1"
MANIFEST = "manifest.json"
TOLD_EVERY = 500

Row = dict[str, Any]
Progressed = Callable[[int, int], None]
"""Gets how many events are written, of how many; each event is written twice, as JSON and as CSV."""


class UnknownStudy(ExportError):
    """There is no study of that id or name."""


def export(db: Database, study_id: str, path: Path, progress: Progressed | None = None) -> dict[str, int]:
    """Write the zip; what comes to stand at `path` is whole. Gives the number of rows by file. Raises ExportError."""
    if path.exists():
        raise WrongPath(f"{path} is already there. Name a file that isn't.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".export-", suffix=".zip", delete=False) as file:
            scratch = Path(file.name)
            try:
                counts = write(db, study_id, file, progress)  # type: ignore[arg-type]
                file.flush()
                scratch.rename(path)
            finally:
                scratch.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"The export can't be written to {path}: {error.strerror or error}.") from error
    return counts


def write(db: Database, study_id: str, file: BinaryIO, progress: Progressed | None = None) -> dict[str, int]:
    """The zip into an open file, which need not be seekable. Raises UnknownStudy."""
    with db.read() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        study = records.study(session, study_id)
        if study is None:
            raise UnknownStudy(f"There is no study “{study_id}”. `spatialbalancing study list` names those there are.")
        return _Writer(session, study, archive, progress).write()


class _Writer:
    def __init__(self, session: Session, study: Study, archive: zipfile.ZipFile, progress: Progressed | None) -> None:
        self.session, self.study, self.archive = session, study, archive
        self.protocol = protocol_of(study)
        self.people = {p.id: p for p in records.participants(session, study.id)}
        self.files: dict[str, dict[str, Any]] = {}
        self.progress = progress
        self.total = 2 * records.count_events(session, study.id) if progress else 0
        self.done = 0

    def write(self) -> dict[str, int]:
        study = self.study
        self._jsonl("events.jsonl", self._events())
        self._csv("events.csv", self._events())
        self._csv("participants.csv", map(_participant, self.people.values()))
        self._csv("steps.csv", (_step(*row) for row in records.progress(self.session, study.id)))
        self._csv("pauses.csv", self._pauses())
        self._csv("consents.csv", self._consents())
        self._csv("notes.csv", self._notes())
        self._csv("drafts.csv", self._drafts())
        self._csv("paragraphs.csv", self._paragraphs())
        self._csv("versions.csv", self._versions())
        self._texts()
        self._csv("answers.csv", self._answers())
        scores = list(values.scores(self.session, study.id, self.protocol))
        derived = list(measures.of_study(self.session, study.id))
        self._csv("scores.csv", map(asdict, scores))
        self._csv("measures.csv", map(asdict, derived))
        self._analysis([*scores, *derived])
        self._text("protocol.yaml", study.protocol)
        self._text("frozen.json", _json(study.frozen or {"frozen": False, "why": "the study was never opened"}))
        self._text("codebook.md", codebook.codebook(self.protocol))
        self._manifest()
        return {name: entry["rows"] for name, entry in self.files.items() if "rows" in entry}

    # ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _events(self) -> Iterator[Row]:
        wanted = ["participant_id" if name == "participant" else name for name in codebook.COLUMNS["events.csv"]]
        for event in records.events(self.session, self.study.id, wanted):
            yield {"participant": self.people[event.pop("participant_id")].code, **event}
            self.done += 1
            if self.progress and self.done % TOLD_EVERY == 0:
                self.progress(self.done, self.total)
        if self.progress:
            self.progress(self.done, self.total)

    def _pauses(self) -> Iterator[Row]:
        for person, stay, pause in records.pauses(self.session, self.study.id):
            yield {
                "participant": person.code, "step": stay.step, "period": stay.period, "reason": pause.reason,
                "by": pause.by, "started_at": _when(pause.started_at), "ended_at": _when(pause.ended_at),
            }  # fmt: skip

    def _consents(self) -> Iterator[Row]:
        for person, consent in records.consents(self.session, self.study.id):
            yield {
                "participant": person.code, "version": consent.version, "agreed": consent.agreed,
                "text": consent.text, "created_at": _when(consent.created_at),
            }  # fmt: skip

    def _notes(self) -> Iterator[Row]:
        for code, note in records.notes(self.session, self.study.id):
            yield {"participant": code, "step": note.step, "text": note.text, "created_at": _when(note.created_at)}

    def _drafts(self) -> Iterator[Row]:
        for person, draft in records.drafts(self.session, self.study.id):
            stamp = draft.stamp or {}
            yield {
                "id": draft.id, "participant": person.code,
                **{name: stamp.get(name) for name in ("condition", "topic", "step")},
                "title": draft.title, "number": draft.number, "deleted": draft.deleted_at is not None,
            }  # fmt: skip

    def _paragraphs(self) -> Iterator[Row]:
        for _, draft in records.drafts(self.session, self.study.id):
            for paragraph in store.paragraphs(self.session, draft.id):
                yield _columns(paragraph, "paragraphs.csv")
            self.session.expire_all()

    def _versions(self) -> Iterator[Row]:
        for person, draft in records.drafts(self.session, self.study.id):
            parents = store.all_parents(self.session, draft.id)
            versions = records.versions(self.session, draft.id)
            earlier = earlier_placements(self.session, versions)
            for version in versions:
                row = _columns(version, "versions.csv", "parents", "earlier_placements")
                row |= {"parents": parents.get(version.id, []), "earlier_placements": earlier.get(version.id, [])}
                yield {**row, "participant": person.code}
                self.session.expunge(version)

    def _texts(self) -> None:
        """The draft of each task as it stood at the end, for reading and for raters."""
        for task in records.tasks(self.session, self.study.id):
            stay = task.progress
            draft = self.session.get_one(Draft, str(stay.draft_id))
            if draft.deleted_at is not None:
                continue
            read = manuscript.read(self.session, draft.writer_id, draft.id)
            name = f"texts/{_file_name(task.participant)}-{stay.period}-{stay.condition}-{stay.topic}"
            self._text(f"{name}.md", manuscript.markdown(read))
            self._bytes(f"{name}.docx", manuscript.docx(read))

    def _answers(self) -> Iterator[Row]:
        latest: dict[tuple[str, str, str], int] = {}
        rows = records.answers(self.session, self.study.id)
        for _, stay, answer in rows:
            key = (stay.id, answer.instrument, answer.item)
            latest[key] = max(answer.revision, latest.get(key, 0))
        attempts: dict[tuple[str, int], int] = {}
        for person, stay in records.progress(self.session, self.study.id):
            attempts[person.id, stay.number] = max(stay.attempt, attempts.get((person.id, stay.number), 0))
        for person, stay, answer in records.answers(self.session, self.study.id):
            final = answer.revision == latest[stay.id, answer.instrument, answer.item]
            yield {
                "participant": person.code, "cell": person.cell, "step": stay.step, "attempt": stay.attempt,
                "period": stay.period, "condition": stay.condition, "topic": stay.topic,
                "instrument": answer.instrument, "version": answer.instrument_version, "item": answer.item,
                "value": answer.value, "revision": answer.revision,
                "counts": final and stay.attempt == attempts[person.id, stay.number],
                "created_at": _when(answer.created_at),
            }  # fmt: skip

    def _analysis(self, found: list[Value]) -> None:
        counted, left_out = analysis.who_counts(self.people.values())
        named, wanted = analysis.conditions(self.protocol), analysis.outcomes(self.protocol)
        result = analysis.analyse(found, counted, left_out, named, wanted)
        self._csv("analysis.csv", result.rows())
        self._text("analysis.json", _json(result.as_json()))
        self._text("analysis.html", figures.document(result, f"{self.study.title}: analysis"))

    def _manifest(self) -> None:
        frozen = self.study.frozen or {}
        kinds: dict[str, int] = {}
        for person in self.people.values():
            kinds[person.kind] = kinds.get(person.kind, 0) + 1
        manifest = {
            "format": FORMAT,
            "study": self.study.name,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "app_version": __version__,
            "protocol_sha256": hashlib.sha256(self.study.protocol.encode()).hexdigest(),
            "responses": frozen.get("responses"),
            "model_id": frozen.get("model_id"),
            "tuned_id": frozen.get("tuned_id"),
            "scorer_id": frozen.get("scorer_id"),
            "participants": kinds,
            "files": self.files,
        }
        self.archive.writestr(MANIFEST, _json(manifest))

    # ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _csv(self, name: str, rows: Iterable[Row]) -> None:
        columns = codebook.COLUMNS[name]
        count = 0
        with self._open(name) as file:
            # newline: the csv module ends rows itself.
            text = io.TextIOWrapper(cast("BinaryIO", file), encoding="utf-8", newline="", write_through=True)
            writer = csv.writer(text)
            writer.writerow(columns)
            for count, row in enumerate(rows, start=1):  # noqa: B007
                writer.writerow([cell(row[column]) for column in columns])
            text.flush()
            text.detach()
        self.files[name]["rows"] = count

    def _jsonl(self, name: str, rows: Iterable[Row]) -> None:
        count = 0
        with self._open(name) as file:
            for count, row in enumerate(rows, start=1):  # noqa: B007
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self.files[name]["rows"] = count

    def _text(self, name: str, text: str) -> None:
        self._bytes(name, text.encode())

    def _bytes(self, name: str, data: bytes) -> None:
        with self._open(name) as file:
            file.write(data)

    @contextmanager
    def _open(self, name: str) -> Iterator[_Hashed]:
        with self.archive.open(name, "w", force_zip64=True) as raw:
            file = _Hashed(raw)
            yield file
            file.flush()
        self.files[name] = {"sha256": file.digest.hexdigest(), "bytes": file.size}


class _Hashed(io.BufferedIOBase):
    """Writes on in large pieces, and knows what went through."""

    LARGE = 1 << 16

    def __init__(self, file: Any) -> None:
        self._file, self._held = file, bytearray()
        self.digest, self.size = hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        if len(self._held) >= self.LARGE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._held:
            data = bytes(self._held)
            self.digest.update(data)
            self.size += len(data)
            self._file.write(data)
            self._held.clear()


def _participant(person: Participant) -> Row:
    return {"participant": person.code, **_columns(person, "participants.csv")}


def _step(person: Participant, stay: Progress) -> Row:
    return {"participant": person.code, "cell": person.cell, **_columns(stay, "steps.csv", "cell")}


def _columns(row: Any, file: str, *others: str) -> Row:
    """The file's columns out of a row of the database, but for `others` and the participant's code."""
    names = [name for name in codebook.COLUMNS[file] if name not in ("participant", *others)]
    found = {name: getattr(row, name) for name in names}
    return {name: _when(value) if isinstance(value, datetime) else value for name, value in found.items()}


def _file_name(person: Participant) -> str:
    """The code, which a facilitator may have given; no path can be made of it."""
    plain = re.sub(r"[^\w-]", "_", person.code)
    return plain if plain == person.code else f"{plain}-{person.id[:8]}"


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
