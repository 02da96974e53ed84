"""Each measure is what its definition says, on a task short enough to count by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.study import measures, records
from app.study.measures import MEASURES, Version, Work, derive
from app.writing.landing import Happened, Point, Text
from tests.study.made import Made


def event(ms: int, kind: str, version: str | None = None, /, **payload: Any) -> Happened:
    return Happened(ms, kind, payload, version)


def created(at: int, version: str, operation: str, *, head: bool, paragraph: str = "p") -> Happened:
    return event(at, "version.created", version, paragraph_id=paragraph, operation=operation, head=head, removed=False)


GIVEN, LIVELY, DENSE = "The cell divides in two.", "Picture a cell that splits.", "Mitosis yields two daughter nuclei."
POINTS = {"given": Point(40, 40), "a": Point(50, 40), "b": Point(50, 60), "c": Point(40, 60), "typed": Point(40, 60)}
TEXTS = {
    "given": GIVEN, "a": f"{GIVEN} {LIVELY}", "b": f"{GIVEN} {DENSE}", "c": f"{LIVELY} {DENSE}",
    "typed": f"{LIVELY} {DENSE} I added this myself.",
}  # fmt: skip
PARENTS = {"given": (), "a": ("given",), "b": ("given",), "c": ("a", "b"), "typed": ("c",)}


def worked() -> Work:
    """Given, two labels and an own prompt, a combination confirmed, a sentence typed."""
    kinds = {"given": "import", "a": "label", "b": "prompt", "c": "combine", "typed": "manual"}
    versions = [
        Version(
            name, text, kinds[name], name == "typed", name in ("a", "b", "c"), f"g-{name}", PARENTS[name], POINTS[name]
        )
        for name, text in TEXTS.items()
    ]
    done = [
        created(0, "given", "import", head=True),
        event(1_000, "generation.created", label="tell-story"),
        created(2_000, "a", "label", head=False),
        event(3_000, "generation.created", label="own-prompt"),
        created(4_000, "b", "prompt", head=False),
        event(20_000, "version.confirmed", "a", paragraph_id="p", replaced="given"),
        event(30_000, "step.undone", changes=[{"what": "head", "id": "p", "value": "given"}]),
        event(40_000, "generation.created", label="combine"),
        created(41_000, "c", "combine", head=False),
        event(50_000, "version.confirmed", "c", paragraph_id="p", replaced="given"),
        created(55_000, "typed", "manual", head=True),
    ]
    noted = [
        event(5_000, "node.opened", "a"), event(6_000, "node.opened", "a"), event(7_000, "node.opened", "b"),
        event(8_000, "node.opened", "a"), event(9_000, "node.hovered", "c", ms=measures.LOOKED - 1),
        event(9_500, "versions.compared", versions=["a", "given"]),
        event(54_000, "text.edit", paragraph_id="p", inserted="I added this myself. xx", removed="", at=0),
        event(54_500, "text.edit", paragraph_id="p", inserted="", removed=" xx", at=20),
    ]  # fmt: skip
    texts = {
        name: Text(len(text.split()), POINTS[name], next(iter(PARENTS[name]), None)) for name, text in TEXTS.items()
    }
    return Work(
        noted, done, versions, ["typed"], texts, began=0, ended=60_000, paused=[(10_000, 15_000), (58_000, None)]
    )


def test_by_hand() -> None:
    found = derive(worked())
    assert found["versions_made"] == 3
    assert found["versions_viewed"] == 3, "a, b and given; c was looked at too briefly"
    assert found["versions_confirmed"] == 2
    assert found["label_entropy"] == 1, "two labels, once each: one bit; combining is none"
    # From (40, 40) to (50, 40), back by undoing, to (40, 60); typing moved nothing.
    assert found["path_length"] == 10 + 10 + 20
    assert found["hull_area"] == 10 * 20
    assert found["direction_reversals"] == 1
    assert found["combines"] == 1
    assert found["revisits"] == 1, "the second opening in a row is none"
    assert found["requests"] == 3
    assert found["undos"] == 1
    assert found["typed_chars"] == len("I added this myself. xx")
    assert found["human_chars"] == len("I added this myself.")
    assert found["model_chars"] == len(LIVELY) + len(DENSE)
    assert found["given_chars"] == found["edited_chars"] == 0
    assert found["time_to_first_confirm"] == 15, "20 seconds, 5 of them paused"
    assert found["task_time"] == 53


def test_every_measure_is_counted_and_defined() -> None:
    assert list(derive(worked())) == [measure.id for measure in MEASURES]
    assert all(measure.definition.endswith(".") and measure.unit for measure in MEASURES)


def test_nothing_done_is_empty_or_nothing_never_a_fault() -> None:
    found = derive(Work([], [], [], [], {}, began=0))
    empty = {"label_entropy", "path_length", "hull_area", "direction_reversals", "time_to_first_confirm", "task_time"}
    assert {name for name, value in found.items() if value is None} == empty
    assert {value for value in found.values() if value is not None} == {0}


@pytest.mark.parametrize(
    ("counts", "bits"),
    [({"a": 1}, 0), ({"a": 2, "b": 2, "c": 2, "d": 2}, 2), ({"a": 1, "b": 3}, 0.25 * 2 + 0.75 * math.log2(4 / 3))],
)
def test_entropy(counts: dict[str, int], bits: float) -> None:
    assert measures.entropy(counts) == pytest.approx(bits)


def test_hulls_of_few_points_and_of_a_line() -> None:
    line = [Point(i, 2 * i) for i in range(5)]
    assert measures.hull_area([]) is None
    assert measures.hull_area(line[:1]) == measures.hull_area(line[:2]) == measures.hull_area(line) == 0
    square = [Point(0, 0), Point(4, 0), Point(4, 4), Point(0, 4), Point(2, 2)]
    assert measures.hull_area(square) == 16


def test_reversals_leave_small_moves_out() -> None:
    way = [Point(50, 50), Point(55, 50), Point(54.5, 50), Point(58, 50), Point(50, 50)]
    assert measures.reversals(way) == 1


def test_of_a_whole_study(finished: Made) -> None:
    with finished.app.state.db.read() as session:
        found = list(measures.of_study(session, finished.id))
        tasks = list(records.tasks(session, finished.id))
    assert len(tasks) == 8
    assert len(found) == 8 * len(MEASURES)
    by = {(v.participant, v.condition, v.measure): v.value for v in found}
    for person in ("S01", "S02", "S03", "S04"):
        assert by[person, "baseline", "label_entropy"] == 0
        assert by[person, "baseline", "requests"] == 1
        for condition in ("spatial", "baseline"):
            assert by[person, condition, "versions_confirmed"] == 1
            assert by[person, condition, "versions_viewed"] == 2
            assert by[person, condition, "revisits"] == 1
            assert by[person, condition, "typed_chars"] == len(" =SUM(A1) is what I typed.")
            assert (by[person, condition, "human_chars"] or 0) >= len("=SUM(A1) is what I typed.")
            assert (by[person, condition, "model_chars"] or 0) > 0
            assert (by[person, condition, "given_chars"] or 0) > 500
