"""Whether an export is whole, unchanged and true to itself. It needs the zip alone, no database.

What is looked at: the manifest's sums and numbers of rows; each recorder's numbers without holes; the log told again
against the drafts as stored; the scores computed again from the answers; the statistics computed again, by SciPy and
pandas and not by stats.py, from the exported tables.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose, isnan
from pathlib import Path
from typing import Any

from app.study import events as _study_events  # noqa: F401  (its kinds of events are known)
from app.study import scoring
from app.study.export import FORMAT, MANIFEST
from app.study.flow import INTERVIEW
from app.study.protocol import Protocol
from app.study.scoring import Unscorable
from app.study.stats import DECIMALS
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.export import cell, event_type, plain
from app.writing.invariants import State

SHOWN = 20
"""Findings told of one check; a damaged file has thousands, and they say the same."""
COMPARED = ("title", "number", "deleted", "order", "heads", "on_canvas", "versions", "placements", "archived")
"""Of a draft's State."""
CHUNK = 1 << 16
_UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises for damaged, unknown and encrypted files."""
Progressed = Callable[[str], None]
"""Gets what is looked at now, in words."""


class _Damaged(ValueError):
    """A row that can't be read; the message names it."""


@dataclass
class Report:
    """`findings` are what is wrong, as sentences; `facts` what was found to be right."""

    findings: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def add(self, found: Iterator[str]) -> None:
        sentences = list(found)
        self.findings += sentences[:SHOWN]
        if len(sentences) > SHOWN:
            self.findings.append(f"… and {len(sentences) - SHOWN} more of this kind.")


def verify(path: Path, progress: Progressed | None = None) -> list[str]:
    """What is wrong with the export, as sentences that name file and row; empty when nothing is."""
    return report(path, progress).findings


def report(path: Path, progress: Progressed | None = None) -> Report:
    """What is wrong with the export and what was found right; a file that can't be read is a finding, not an error."""
    told = Report()
    say = progress or (lambda _: None)
    try:
        with zipfile.ZipFile(path) as archive:
            _Check(archive, told, say).all()
    except zipfile.BadZipFile as error:
        told.findings.append(f"{path.name} is cut off, or no zip at all: {error}. Export the study again.")
    except OSError as error:
        told.findings.append(f"{path.name} can't be read: {error.strerror or error}.")
    return told


class _Check:
    def __init__(self, archive: zipfile.ZipFile, told: Report, say: Progressed) -> None:
        self.archive, self.told, self.say = archive, told, say
        self.manifest: dict[str, Any] = {}
        self.texts: dict[str, tuple[int, str]] = {}
        """Row in versions.csv and SHA-256 of the text, by version."""
        self.states: dict[str, State] = {}

    def all(self) -> None:
        self.say("manifest")
        if not self._manifest():
            return
        self.say("files")
        self.told.add(self._files())
        if any(name not in self.archive.namelist() for name in self.manifest["files"]):
            return
        for name, check in (
            ("tables", self._tables), ("events", self._events), ("replay", self._replay), ("cells", self._cells),
            ("scores", self._scores), ("statistics", self._statistics),
        ):  # fmt: skip
            self.say(name)
            try:
                self.told.add(check())
            except _Damaged as error:
                self.told.findings.append(f"{error}.")
            except Exception as error:  # whatever reads a damaged file may fall over it in any way
                self.told.findings.append(f"The {name} can't be checked, since a file is damaged: {error!r:.200}.")

    # ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _manifest(self) -> bool:
        if MANIFEST not in self.archive.namelist():
            self.told.findings.append(
                f"{MANIFEST} is missing: the export ended before its end. Export the study again."
            )
            return False
        try:
            self.manifest = json.loads(self.archive.read(MANIFEST))
            files = self.manifest["files"]
            known = self.manifest["format"] == FORMAT and all(
                {"sha256", "bytes"} <= one.keys() for one in files.values()
            )
        except Exception as error:
            self.told.findings.append(f"{MANIFEST} can't be read: {error}.")
            return False
        if not known:
            self.told.findings.append(f"{MANIFEST} is not of an export as this release writes it ({FORMAT}).")
        return known

    def _files(self) -> Iterator[str]:
        names = Counter(self.archive.namelist())
        for name, count in names.items():
            if count > 1:
                yield f"{name} is there {count} times."
            if name != MANIFEST and name not in self.manifest["files"]:
                yield f"{name} is not of this export: the manifest doesn't name it."
        for name, wanted in self.manifest["files"].items():
            if name not in names:
                yield f"{name} is missing."
                continue
            try:
                digest, size = self._digest(name)
            except _UNPACKING as error:
                yield f"{name} is damaged: {error}."
                continue
            if digest != wanted["sha256"]:
                yield (
                    f"{name} was changed after the export: its SHA-256 is not the manifest's "
                    f"({size} bytes, {wanted['bytes']} then)."
                )
        self.told.facts.append(f"{len(self.manifest['files'])} files are as the manifest has them.")

    def _digest(self, name: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self.archive.open(name) as file:
            while data := file.read(CHUNK):
                digest.update(data)
                size += len(data)
        return digest.hexdigest(), size

    def _tables(self) -> Iterator[str]:
        """Rows are counted from 1, the heading being none."""
        for name, wanted in self.manifest["files"].items():
            if "rows" not in wanted:
                continue
            count = 0
            rows = self._rows(name) if name.endswith(".csv") else self._lines(name)
            for count, row in enumerate(rows, start=1):
                if None in row or None in row.values():
                    yield f"{name}, row {count}: it has more or fewer cells than the heading."
            if count != wanted["rows"]:
                yield f"{name} has {count} rows, not {wanted['rows']}: it was cut, or rows were taken out."

    def _rows(self, name: str) -> Iterator[dict[Any, Any]]:
        limit = csv.field_size_limit(2**31 - 1)
        try:
            with self.archive.open(name) as raw:
                yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        finally:
            csv.field_size_limit(limit)

    def _lines(self, name: str) -> Iterator[dict[Any, Any]]:
        with self.archive.open(name) as raw:
            for number, line in enumerate(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"), start=1):
                try:
                    # A line without its end was cut, though it may still be JSON.
                    found = json.loads(line) if line.endswith("\n") else None
                except ValueError:
                    found = None
                if not isinstance(found, dict):
                    raise _Damaged(f"{name}, row {number}, is cut or no JSON")
                yield {name: "" if value is None else value for name, value in found.items()}

    # ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _events(self) -> Iterator[str]:
        known = {event_type(kind) for kind in (*CLIENT_EVENTS, *server_events())}
        people = {row["participant"]: row for row in self._rows("participants.csv")}
        numbers: dict[tuple[str, str], list[int]] = {}
        before, count = 0, 0
        table = self._rows("events.csv")
        for count, event in enumerate(self._lines("events.jsonl"), start=1):
            row = next(table, None)
            if row is None or not _same(event, row):
                yield f"events.csv, row {count}: it is not what events.jsonl has in the same row."
                if row is None or row["id"] != str(event["id"]):
                    return
            if event["id"] <= before:
                yield f"events.jsonl, row {count}: event {event['id']} does not come after the one before it."
            before = event["id"]
            if event["type"] not in known:
                yield f"events.jsonl, row {count}: there is no event of type {event['type']}."
            if event["participant"] not in people:
                yield f"events.jsonl, row {count}: participant {event['participant']} is not in participants.csv."
            if event["recorder"]:
                numbers.setdefault((event["participant"], event["recorder"]), []).append(event["seq"])
            elif event["draft_id"]:
                yield from self._take(event, count)
        yield from _holes(numbers, people)
        own = sum(map(len, numbers.values()))
        self.told.facts.append(
            f"{count} events are accounted for: {own} of {len(numbers)} recorders, numbered without holes, and "
            f"{count - own} of the server's."
        )

    def _take(self, event: Mapping[str, Any], row: int) -> Iterator[str]:
        state = self.states.setdefault(event["draft_id"], State())
        try:
            state.take(event["type"], event["payload"], event["version_id"] or None)
        except (KeyError, TypeError, AttributeError):
            yield f"events.jsonl, row {row}: the payload is not that of a {event['type']}."

    def _replay(self) -> Iterator[str]:
        """The drafts as their events tell them, against the drafts as they were stored."""
        stored: dict[str, State] = {}
        for row in self._rows("drafts.csv"):
            stored[row["id"]] = State(plain(row["title"]), int(row["number"]), row["deleted"] == "True")
        places: dict[str, list[tuple[int, str]]] = {}
        for row in self._rows("paragraphs.csv"):
            state = stored[row["draft_id"]]
            state.heads[row["id"]] = row["head_version_id"]
            if row["on_canvas"] == "True":
                state.on_canvas.add(row["id"])
            if row["removed"] != "True":
                places.setdefault(row["draft_id"], []).append((int(row["position"]), row["id"]))
        for draft, paragraphs in places.items():
            stored[draft].order = [paragraph for _, paragraph in sorted(paragraphs)]
        for number, row in enumerate(self._rows("versions.csv"), start=1):
            yield from self._stored_version(stored[row["draft_id"]], row, number)
        for draft, state in stored.items():
            told = self.states.get(draft, State())
            for name in COMPARED:
                if getattr(told, name) != getattr(state, name):
                    which = _which(told, state, name)
                    yield f"Draft {draft}: its {name} as stored is not what events.jsonl tells. {which}"
        for draft in self.states.keys() - stored.keys():
            yield f"drafts.csv lacks the draft {draft}, of which events.jsonl tells."
        self.told.facts.append(f"{len(stored)} drafts, told again from their events, end as they were stored.")

    def _stored_version(self, state: State, row: Mapping[str, str], number: int) -> Iterator[str]:
        told = self.states.get(row["draft_id"], State()).versions.get(row["id"], ("", ""))[1]
        if told != hashlib.sha256(plain(row["text"]).encode()).hexdigest():
            yield f"versions.csv, row {number}: its text is not the one that was logged."
        state.versions[row["id"]] = (row["status"], told)
        if row["scorer_id"]:
            measured = (float(row["exposition"]), float(row["engagement"]), float(row["spread"]))
            state.placements[row["id"]] = (*measured, row["scorer_id"])
        if row["archived"] == "True":
            state.archived.add(row["id"])

    # ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _protocol(self) -> Protocol | None:
        frozen = json.loads(self.archive.read("frozen.json"))
        return Protocol.model_validate(frozen["protocol"]) if "protocol" in frozen else None

    def _cells(self) -> Iterator[str]:
        protocol = self._protocol()
        if protocol is None:
            return
        cells = {
            cell.number: [{"condition": a.condition, "topic": a.topic} for a in cell.arms] for cell in protocol.cells
        }
        counts = dict.fromkeys(cells, 0)
        for number, row in enumerate(self._rows("participants.csv"), start=1):
            if not row["cell"]:
                continue
            cell = int(row["cell"])
            if cells.get(cell) != json.loads(row["arms"]):
                yield f"participants.csv, row {number}: the arms are not those of cell {cell}."
            elif row["excluded"] != "True" and row["kind"] != "dry-run" and row["state"] != "withdrawn":
                counts[cell] += 1
        self.told.facts.append(f"Cells: {'/'.join(map(str, counts.values()))}.")

    def _scores(self) -> Iterator[str]:
        protocol = self._protocol()
        if protocol is None:
            return
        given: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in self._rows("answers.csv"):
            if row["counts"] == "True" and row["instrument"] != INTERVIEW.id:
                item = protocol.instrument(row["instrument"]).item(row["item"])
                number = item is not None and item.kind in ("scale", "likert", "number") and row["value"] != ""
                key = (row["participant"], row["period"], row["instrument"])
                given.setdefault(key, {})[row["item"]] = float(row["value"]) if number else plain(row["value"])
        count = 0
        for count, row in enumerate(self._rows("scores.csv"), start=1):
            instrument_id, _, scale = row["measure"].partition(".")
            answers = given.get((row["participant"], row["period"], instrument_id), {})
            try:
                wanted = scoring.score(protocol.instrument(instrument_id), answers).get(scale)
            except Unscorable:
                wanted = None
            if not _close(_number(row["value"]), wanted):
                yield f"scores.csv, row {count}: {row['measure']} is {row['value']}, and {wanted} by the answers."
        self.told.facts.append(f"{count} scores are what answers.csv gives.")

    # ── statistics ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _statistics(self) -> Iterator[str]:
        """By pandas and SciPy, from the tables alone."""
        import pandas as pd
        from scipy import stats as scipy_stats
        from statsmodels.stats.multitest import multipletests

        about = json.loads(self.archive.read("analysis.json"))
        named, counted = list(about["conditions"]), set(about["counted"])
        # A code like 01 is no number, and a condition called NA not missing.
        plain = {
            "dtype": {"participant": str, "condition": str},
            "keep_default_na": False,
            "na_values": {"value": [""]},
        }
        files = (io.BytesIO(self.archive.read(name)) for name in ("scores.csv", "measures.csv"))
        frames = [pd.read_csv(file, **plain) for file in files]
        frames = [frame[["participant", "condition", "measure", "value"]] for frame in frames if len(frame)]
        table = pd.concat(frames) if frames else pd.DataFrame(columns=["participant", "condition", "measure", "value"])
        table = table[table.participant.isin(counted)].dropna()
        result = pd.read_csv(io.BytesIO(self.archive.read("analysis.csv")))
        primary: dict[str, tuple[str, float | None]] = {}
        for number, row in enumerate(result.to_dict("records"), start=1):
            own = table[table.measure == row["measure"]]
            wide = own.pivot_table(index="participant", columns="condition", values="value", aggfunc="last")
            wide = wide.reindex(columns=named).dropna()
            difference = (wide[row["first"]] - wide[row["second"]]).round(DECIMALS)
            wanted: dict[str, float | None] = {"n": len(wide), "n_differ": int((difference != 0).sum())}
            if len(wide):
                wanted["mean_difference"] = difference.mean()
            if (difference != 0).any():
                signed = scipy_stats.wilcoxon(difference)
                wanted |= {"w": signed.statistic, "wilcoxon_p": signed.pvalue}
            if len(wide) > 1 and difference.nunique() > 1:
                t = scipy_stats.ttest_rel(wide[row["first"]], wide[row["second"]])
                wanted |= {"t": t.statistic, "t_p": t.pvalue, "df": t.df, "d_z": difference.mean() / difference.std()}
            if len(named) > 2 and len(wide) > 1 and (wide.nunique(axis=1) > 1).any():
                over = scipy_stats.friedmanchisquare(*(wide[name].round(DECIMALS) for name in named))
                wanted |= {"friedman_chi2": over.statistic, "friedman_p": over.pvalue}
            for name, value in wanted.items():
                if not _close(row[name], value):
                    yield (
                        f"analysis.csv, row {number}: {name} of {row['measure']} is {row[name]}, and {value} by SciPy."
                    )
            p = row["friedman_p"] if len(named) > 2 else row["wilcoxon_p"]
            primary[row["measure"]] = (row["family"], None if isnan(p) or row["part"] else p)
        for family in sorted({family for family, _ in primary.values()}):
            ps = {name: p for name, (own_family, p) in primary.items() if own_family == family and p is not None}
            held = dict(zip(ps, multipletests(list(ps.values()), method="holm")[1], strict=True)) if ps else {}
            for number, row in enumerate(result.to_dict("records"), start=1):
                if row["family"] == family and not _close(row["p_holm"], held.get(row["measure"])):
                    yield f"analysis.csv, row {number}: p_holm of {row['measure']} is {row['p_holm']}."
        self.told.facts.append(f"{len(result)} comparisons are what SciPy gives on scores.csv and measures.csv.")


# ── comparing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _holes(numbers: Mapping[tuple[str, str], list[int]], people: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Numbers of a recorder that are missing or doubled, and recorders that numbered more than is there."""
    for (person, recorder), found in numbers.items():
        missing = sorted(set(range(1, max(found) + 1)) - set(found))
        if missing:
            some = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
            yield f"events.jsonl: of {person}'s recorder {recorder}, {len(missing)} events are missing: {some}."
        if len(found) > len(set(found)):
            yield f"events.jsonl: of {person}'s recorder {recorder}, a number is there twice."
    for person, row in people.items():
        for recorder, last in json.loads(plain(row["recorders"]) or "{}").items():
            there = max(numbers.get((person, recorder), [0]))
            if there < last:
                yield f"events.jsonl: {person}'s recorder {recorder} numbered {last} events, and {there} are there."


def _same(event: Mapping[str, Any], row: Mapping[str, str]) -> bool:
    return all(_text(value) == row.get(name) for name, value in event.items())


def _text(value: Any) -> str:
    """A value as it stands in a cell."""
    return str(cell(value))


def _which(told: State, stored: State, name: str) -> str:
    """The first thing that differs, where it can be named."""
    one, other = getattr(told, name), getattr(stored, name)
    if isinstance(one, dict):
        return next((f"{key} is one of them." for key in {**one, **other} if one.get(key) != other.get(key)), "")
    return f"{len(one)} against {len(other)}." if isinstance(one, list | set) else f"{one} against {other}."


def _number(text: str) -> float | None:
    return float(text) if text else None


def _close(found: float | None, wanted: float | None) -> bool:
    missing = [value is None or isnan(value) for value in (found, wanted)]
    if any(missing):
        return all(missing)
    assert found is not None
    assert wanted is not None
    return isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)
