"""A cut, edited or incomplete export is refused, by name and row, also when the sums were made to fit again."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.study import verify
from app.study.export import MANIFEST, export
from tests.study.made import Made


@pytest.fixture(scope="module")
def packed(finished: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "study.zip"
    export(finished.app.state.db, finished.id, path)
    return path


def changed(packed: Path, out: Path, edits: dict[str, Callable[[str], str | None]], *, fit: bool = True) -> Path:
    """The zip with some files changed, or left out (None); `fit` puts the new sums and sizes into the manifest."""
    with zipfile.ZipFile(packed) as archive, zipfile.ZipFile(out, "w") as made:
        manifest = json.loads(archive.read(MANIFEST))
        for name in archive.namelist():
            data = archive.read(name)
            if name in edits:
                text = edits[name](data.decode())
                if text is None:
                    continue
                assert text.encode() != data, "nothing was changed"
                data = text.encode()
                if fit:
                    manifest["files"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            if name == MANIFEST:
                data = json.dumps(manifest).encode()
            made.writestr(name, data)
    return out


def rows(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        return "".join(change(text.splitlines(keepends=True)))

    return edit


def without(kind: str) -> Callable[[str], str]:
    """Take the first line that holds the words out."""

    def drop(lines: list[str]) -> list[str]:
        at = next(i for i, line in enumerate(lines) if kind in line)
        return lines[:at] + lines[at + 1 :]

    return rows(drop)


def first(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def test_an_untouched_one_is_clean(packed: Path) -> None:
    report = verify.report(packed)
    assert report.findings == []
    assert "Cells: 1/1/1/1." in report.facts
    assert len(report.facts) == 6


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_cut_one_is_refused(packed: Path, tmp_path: Path, share: float) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(packed.read_bytes()[: int(share * packed.stat().st_size)])
    assert "cut off" in verify.verify(cut)[0]


def test_one_without_its_manifest_or_a_file_is_refused(packed: Path, tmp_path: Path) -> None:
    bare = changed(packed, tmp_path / "bare.zip", {MANIFEST: lambda _: None})
    assert "manifest.json is missing" in verify.verify(bare)[0]
    less = changed(packed, tmp_path / "less.zip", {"answers.csv": lambda _: None})
    assert verify.verify(less) == ["answers.csv is missing."]
    assert "can't be read" in verify.verify(tmp_path / "nowhere.zip")[0]


def test_an_edited_file_is_named_by_its_sum(packed: Path, tmp_path: Path) -> None:
    edited = changed(packed, tmp_path / "e.zip", {"notes.csv": first("loud", "quiet")}, fit=False)
    assert "notes.csv was changed after the export" in verify.verify(edited)[0]


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ({"events.csv": without("node.opened")}, "events.csv has"),
        ({"events.jsonl": first('"inserted": " =SUM', '"inserted": " =MIN')}, "events.csv, row "),
        ({"events.jsonl": lambda text: text[:-30]}, "is cut or no JSON"),
        ({name: without("node.opened") for name in ("events.jsonl", "events.csv")}, "events are missing: "),
        ({name: without("version.confirmed") for name in ("events.jsonl", "events.csv")}, "its heads as stored"),
        ({"versions.csv": first("is what I typed", "is what I wrote")}, "versions.csv, row "),
        ({"versions.csv": first(",confirmed,", ",proposed,")}, "its versions as stored"),
        ({"paragraphs.csv": first(",True,False", ",False,False")}, "its on_canvas as stored"),
        ({"participants.csv": first("finished,1,", "finished,2,")}, "participants.csv, row "),
        ({"scores.csv": rows(lambda lines: [lines[0], *(_raised(line) for line in lines[1:])])}, "scores.csv, row 1: "),
        ({"analysis.csv": first(",0.", ",0.9")}, "analysis.csv, row "),
        ({"answers.csv": without("demographics")}, "answers.csv has"),
    ],
)  # fmt: skip
def test_one_that_was_made_to_fit_is_found_by_what_it_says(
    packed: Path, tmp_path: Path, edits: dict[str, Callable[[str], str | None]], told: str
) -> None:
    findings = verify.verify(changed(packed, tmp_path / "forged.zip", edits))
    assert any(told in finding for finding in findings), findings
    assert all(finding.endswith(".") for finding in findings)


def _raised(line: str) -> str:
    """A score that is one point more."""
    parts = line.rsplit(",", 2)
    return ",".join([parts[0], str(float(parts[1]) + 1), parts[2]])


def _again(packed: Path, out: Path, name: str, data: bytes) -> Path:
    """With one file's bytes in place of its own, and the manifest made to fit."""
    with zipfile.ZipFile(packed) as archive, zipfile.ZipFile(out, "w") as made:
        manifest = json.loads(archive.read(MANIFEST))
        for one in archive.namelist():
            held = data if one == name else archive.read(one)
            if one == MANIFEST and name != MANIFEST:
                manifest["files"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                held = json.dumps(manifest).encode()
            made.writestr(one, held)
    return out


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("participants.csv", lambda data: data[: len(data) // 2]),
        ("versions.csv", lambda data: data[: len(data) // 2]),
        ("drafts.csv", lambda data: data[: len(data) // 2]),
        ("frozen.json", lambda _: b"[" * 100_000),
        ("analysis.json", lambda _: b"[" * 100_000),
        (MANIFEST, lambda _: b"[" * 100_000),
        (MANIFEST, lambda data: data.replace(b'"events.jsonl": {', b'"events.jsonl": 5, "x": {')),
        ("participants.csv", lambda data: data.replace(b",{},", b",[],").replace(b',"{', b',"[')),
        ("events.csv", lambda _: bytes(range(256))),
    ],
)
def test_a_damaged_file_is_a_finding_and_no_fault(
    packed: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    with zipfile.ZipFile(packed) as archive:
        data = archive.read(name)
    assert change(data) != data
    assert verify.verify(_again(packed, tmp_path / "x.zip", name, change(data)))


def test_no_flipped_bit_is_a_fault(packed: Path, tmp_path: Path) -> None:
    """Most are within a compressed file; wherever it is, it is found or was in what nobody reads."""
    whole, rng, found = packed.read_bytes(), random.Random(5), 0
    broken = tmp_path / "flipped.zip"
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("events.jsonl")
    for _ in range(5):
        data = bytearray(whole)
        data[start.header_offset + rng.randrange(100, start.compress_size)] ^= 1 << rng.randrange(8)
        broken.write_bytes(data)
        found += bool(verify.verify(broken))
    assert found == 5
