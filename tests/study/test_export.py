"""An export is whole, names every column, runs in no spreadsheet, and tells nothing that leads to a person."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from docx import Document
from sqlalchemy import select

from app.study import codebook, verify
from app.study.codebook import COLUMNS, FILES
from app.study.export import MANIFEST, UnknownStudy, WrongPath, export
from app.study.models import Participant
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.export import FORMULA, event_type
from app.writing.models import Writer
from tests.study.made import Made


@pytest.fixture(scope="module")
def packed(finished: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "study.zip"
    told: list[tuple[int, int]] = []
    counts = export(finished.app.state.db, finished.id, path, lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * counts["events.csv"], 2 * counts["events.csv"])
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    return path


def table(packed: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(packed) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))


def test_the_manifest_is_true(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        assert set(manifest["files"]) == set(archive.namelist()) - {MANIFEST}
        assert archive.namelist()[-1] == MANIFEST
        for name, entry in manifest["files"].items():
            data = archive.read(name)
            assert hashlib.sha256(data).hexdigest() == entry["sha256"]
            assert len(data) == entry["bytes"]
    assert (manifest["responses"], manifest["model_id"]) == ("live", "scripted")
    assert manifest["participants"] == {"simulated": 4}


def test_json_and_csv_hold_the_same_events(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        lines = [json.loads(line) for line in archive.read("events.jsonl").splitlines()]
    rows = table(packed, "events.csv")
    assert [line["id"] for line in lines] == [int(row["id"]) for row in rows]
    assert all(json.loads(row["payload"]) == line["payload"] for row, line in zip(rows, lines, strict=True))
    kinds = Counter(line["type"] for line in lines)
    assert kinds["participant.joined"] == kinds["participant.finished"] == 4
    assert kinds["step.entered"] == kinds["step.left"] == 4 * 16


def test_it_opens_in_pandas(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        frames = {name: pd.read_csv(archive.open(name)) for name in COLUMNS}
    for name, frame in frames.items():
        assert list(frame.columns) == list(COLUMNS[name])
    measures = frames["measures.csv"]
    assert measures.groupby(["participant", "period"]).ngroups == 8
    assert measures.value.dtype == float
    assert set(frames["scores.csv"].measure) >= {"sus.score", "csi.index", "nasa-tlx.score", "trust.trust"}
    answers = frames["answers.csv"]
    after = answers.groupby("instrument").condition.agg(set)
    assert (after["sus"], after["trust"]) == ({"spatial", "baseline"}, {"spatial"}), "a chat shows no scores"
    assert (
        answers[answers.counts]
        .groupby(["participant", "step", "period", "instrument", "item"], dropna=False)
        .size()
        .max()
        == 1
    )
    assert (~answers.counts).sum() > 0, "changed answers are there, and don't count"


def test_no_cell_is_a_formula(packed: Path) -> None:
    texts = [row["value"] for row in table(packed, "answers.csv")]
    assert any(text.startswith("'=HYPERLINK") for text in texts)
    for name in COLUMNS:
        for row in table(packed, name):
            numbers = {key for key, value in row.items() if _is_number(value)}
            assert not any(value.startswith(FORMULA) for key, value in row.items() if key not in numbers)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_the_codebook_names_every_column_measure_item_and_event(packed: Path, finished: Made) -> None:
    with zipfile.ZipFile(packed) as archive:
        book = archive.read("codebook.md").decode()
        names = set(archive.namelist())
    assert book == codebook.codebook(finished.protocol)
    for file, columns in COLUMNS.items():
        section = book.split(f"## Columns of {file}\n")[1].split("\n## ")[0]
        assert all(f"| `{column}` | " in section for column in columns)
    for event in (*CLIENT_EVENTS, *server_events()):
        section = book.split(f"### `{event_type(event)}`\n")[1].split("\n#")[0]
        assert len(section.strip()) > 10
    for row in table(packed, "measures.csv"):
        assert f"`{row['measure']}`" in book
    for row in table(packed, "answers.csv"):
        assert f"| `{row['item']}` |" in book
    for row in table(packed, "scores.csv"):
        assert f"| `{row['measure']}` |" in book
    assert {name.partition("/")[0] for name in names} == {name.strip("/") for name in FILES}


def test_the_texts_are_there_to_read(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        texts = [name for name in archive.namelist() if name.startswith("texts/")]
        assert len(texts) == 4 * 2 * 2
        for name in texts:
            data = archive.read(name)
            text = (
                data.decode()
                if name.endswith(".md")
                else "\n".join(p.text for p in Document(io.BytesIO(data)).paragraphs)
            )
            assert "=SUM(A1) is what I typed." in text


def test_nothing_leads_to_a_person_or_lets_anybody_in(packed: Path, finished: Made) -> None:
    with finished.app.state.db.read() as session:
        people = session.scalars(select(Participant)).all()
        secrets = {value for p in people for value in (p.link_hash, str(p.writer_id), str(p.completion_code), p.id)}
        secrets |= set(session.scalars(select(Writer.token_hash)))
    with zipfile.ZipFile(packed) as archive:
        everything = b"\n".join(archive.read(name) for name in archive.namelist())
    assert not [secret for secret in secrets if secret.encode() in everything]


def test_what_is_there_already_is_kept_and_what_is_not_is_told(finished: Made, tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    path.write_text("mine")
    with pytest.raises(WrongPath, match="already there"):
        export(finished.app.state.db, finished.id, path)
    assert path.read_text() == "mine"
    with pytest.raises(UnknownStudy, match="no study"):
        export(finished.app.state.db, "nowhere", tmp_path / "other.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["study.zip"], "nothing half-written is left"


def test_on_postgresql(finished_elsewhere: Made, tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    counts = export(finished_elsewhere.app.state.db, finished_elsewhere.protocol.name, path)
    assert counts["measures.csv"] > 0
    assert verify.verify(path) == []
