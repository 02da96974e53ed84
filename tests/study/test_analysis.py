"""Conditions compared over hand-made values, and over a whole study: who counts, which way a difference goes, and that
what is said is what was computed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
from scipy import stats as scipy_stats

from app.study import analysis, figures, protocol, stats
from app.study.analysis import Outcome, analyse, who_counts
from app.study.models import Participant
from app.study.values import Value
from tests.study.made import Made

TWO = {"spatial": "Spatial", "baseline": "Baseline"}
ORDERS = [("spatial", "baseline"), ("spatial", "baseline"), ("baseline", "spatial"), ("baseline", "spatial")]
TOPICS = [("x", "y"), ("y", "x"), ("x", "y"), ("y", "x")]
OUTCOMES = [Outcome("a", "A", "points", "questionnaires"), Outcome("b", "B", "times", "log")]


@dataclass
class Effects:
    """What is put into made-up values: what a condition, the second period and a topic add."""

    condition: float = 0
    period: float = 0
    topic: float = 0


def drawn(people: int, effects: Effects, seed: int = 1) -> tuple[list[Value], dict[str, int | None]]:
    rng = random.Random(seed)
    found, counted = [], {}
    for i in range(people):
        counted[f"P{i:02}"] = i % 4 + 1
        level = rng.gauss(50, 10)
        for period, (condition, topic) in enumerate(zip(ORDERS[i % 4], TOPICS[i % 4], strict=True), start=1):
            value = level + rng.gauss(0, 2) + effects.condition * (condition == "spatial")
            value += effects.period * (period == 2) + effects.topic * (topic == "x")
            found += [Value(f"P{i:02}", i % 4 + 1, period, condition, topic, name, value) for name in ("a", "b")]
    return found, counted


@pytest.mark.parametrize(("people", "few"), [(1, True), (5, True), (6, False)])
def test_no_p_is_told_where_too_few_took_part(people: int, few: bool) -> None:
    finding = analyse(*drawn(people, Effects(condition=8)), {}, TWO, OUTCOMES).finding("a")
    assert finding.sentence.endswith(": too few for a test.") is few
    assert ("p = " in finding.sentence) is not few
    assert finding.p is not None, "the export has it all the same"


def test_the_difference_is_what_the_tool_adds() -> None:
    found, counted = drawn(16, Effects(condition=8))
    finding = analyse(found, counted, {}, TWO, OUTCOMES).finding("a")
    pair = finding.comparisons[0].paired
    assert (finding.n, finding.missing) == (16, 0)
    assert pair.mean_difference == pytest.approx(8, abs=2)
    columns = [[v.value for v in found if v.measure == "a" and v.condition == name] for name in TWO]
    by_person = [[v.participant for v in found if v.measure == "a" and v.condition == name] for name in TWO]
    assert by_person[0] == by_person[1]
    assert pair.wilcoxon_p == scipy_stats.wilcoxon(*columns).pvalue
    assert pair.t_p == pytest.approx(scipy_stats.ttest_rel(*columns).pvalue)
    assert finding.adjusted is not None
    assert finding.adjusted.estimate == pytest.approx(pair.mean_difference), "balanced: order and topic cancel out"
    assert "Spatial M = " in finding.sentence
    assert "p < .001" in finding.sentence


@pytest.mark.parametrize(
    ("effects", "check", "quiet"),
    [(Effects(period=8), "order", "topic"), (Effects(topic=8), "topic", "order")],
)
def test_an_effect_of_order_or_topic_is_found_by_its_own_check(effects: Effects, check: str, quiet: str) -> None:
    found, counted = drawn(16, effects)
    finding = analyse(found, counted, {}, TWO, OUTCOMES).finding("a")
    loud, still = getattr(finding, check), getattr(finding, quiet)
    assert loud.mann_whitney_p < 0.01
    assert loud.t_p < 0.01
    assert abs(loud.difference) == pytest.approx(16, abs=4), "the effect comes in twice, once with each sign"
    assert still.t_p > 0.05
    assert (finding.comparisons[0].paired.wilcoxon_p or 0) > 0.05, "a balanced design keeps it out of the comparison"


def test_incomplete_pairs_are_counted_as_missing() -> None:
    found, counted = drawn(8, Effects())
    found = [v for v in found if (v.participant, v.condition) != ("P03", "baseline")]
    found = [Value(**{**vars(v), "value": None}) if v.participant == "P05" else v for v in found]
    finding = analyse(found, counted, {}, TWO, OUTCOMES).finding("a")
    assert (finding.n, finding.missing) == (6, 2)
    assert "P03" not in dict(finding.lines)


def test_nobody_yet_is_told_and_no_fault() -> None:
    finding = analyse([], {}, {}, TWO, OUTCOMES).finding("a")
    assert finding.n == 0
    assert finding.sentence == "Nobody has a value in every condition yet."
    assert figures.slopes(finding, TWO)["data"] == []


def test_holm_is_within_the_family() -> None:
    found, counted = drawn(12, Effects(condition=1))
    more = [Outcome("b", "B", "times", "log"), Outcome("a", "A", "points", "log")]
    result = analyse(found, counted, {}, TWO, [Outcome("a", "A", "points", "questionnaires"), more[0]])
    assert [f.p_holm for f in result.findings] == [f.p for f in result.findings], "each is alone in its family"
    together = analyse(found, counted, {}, TWO, more)
    assert [f.p_holm for f in together.findings] == stats.holm([f.p for f in together.findings])


def test_three_conditions() -> None:
    three = {"full": "Full", "no-muse": "No Muse", "baseline": "Baseline"}
    rng = random.Random(3)
    found = [
        Value(f"P{i}", 1, period, name, f"t{period}", "a", rng.gauss(5, 1) + 3 * (name == "full"))
        for i in range(12)
        for period, name in enumerate(three, start=1)
    ]
    result = analyse(found, {f"P{i}": 1 for i in range(12)}, {}, three, OUTCOMES[:1])
    finding = result.finding("a")
    assert finding.friedman is not None
    assert finding.p == finding.friedman.p
    pairs = [(c.first, c.second) for c in finding.comparisons]
    assert pairs == [("full", "no-muse"), ("full", "baseline"), ("no-muse", "baseline")]
    assert [c.p_pairs for c in finding.comparisons] == stats.holm([c.paired.wilcoxon_p for c in finding.comparisons])
    assert finding.adjusted is finding.order is finding.topic is None
    assert "Friedman" in finding.sentence
    assert len(list(result.rows())) == 3


def person(code: str, **more: object) -> Participant:
    return Participant(**{"code": code, "kind": "person", "cell": 1, "excluded": False, **more})


def test_who_counts() -> None:
    people = [
        person("P01"), person("P02", excluded=True, excluded_why="slept"), person("P03", cell=None),
        person("D01", kind="dry-run"), person("S01", kind="simulated"),
    ]  # fmt: skip
    counted, left_out = who_counts(people)
    assert counted == {"P01": 1}
    assert left_out["P02"] == "excluded: slept"
    assert set(left_out) == {"P02", "P03", "D01", "S01"}
    assert who_counts([people[-1], people[-2]])[0] == {"S01": 1}, "a simulated study is analysed by itself"


def test_the_baseline_is_second_wherever_the_protocol_has_it() -> None:
    plan = protocol.parse(protocol.templates()["two-conditions"])
    turned = plan.model_copy(update={"conditions": plan.conditions[::-1]})
    assert list(analysis.conditions(plan))[-1] == list(analysis.conditions(turned))[-1] == "baseline"


def test_the_slope_plot_names_tokens_and_escapes() -> None:
    found, counted = drawn(4, Effects())
    named = {"spatial": "<b>Spatial</b>", "baseline": "Baseline"}
    figure = analyse(found, counted, {}, named, OUTCOMES).figure("a")
    assert len(figure["data"]) == 4 + 1
    assert figure["layout"]["xaxis"]["ticktext"][0] == "&lt;b&gt;Spatial&lt;/b&gt;"
    painted = json.dumps(figures.painted(figure))
    assert "token:" in json.dumps(figure)
    assert "token:" not in painted
    assert figures.light_tokens()["accent"] in painted
    with pytest.raises(KeyError, match="no measure"):
        analyse(found, counted, {}, named, OUTCOMES).figure("c")


def test_of_a_whole_study(finished: Made) -> None:
    with finished.app.state.db.read() as session:
        result = analysis.of_study(session, finished.id)
        with pytest.raises(KeyError, match="no study"):
            analysis.of_study(session, "nowhere")
    assert result.counted == ("S01", "S02", "S03", "S04")
    assert result.cells == {1: 1, 2: 1, 3: 1, 4: 1}
    assert {"sus.score", "csi.index", "nasa-tlx.score", "path_length"} <= {f.outcome.id for f in result.findings}
    assert not any(finding.outcome.id.endswith("-count") for finding in result.findings)
    assert all(finding.n == 4 for finding in result.findings if finding.outcome.family == "questionnaires")
    held = {finding.outcome.id for finding in result.findings if finding.p_holm is not None}
    assert {"nasa-tlx.score", "csi.index", "sus.score", "ownership.ownership"} <= held
    assert "trust.trust" not in held, "nobody was asked about scores after the chat, so there are no pairs"
    assert not {"nasa-tlx.mental", "csi.enjoyment"} & held, "parts of a score are told, not tested again"
    json.dumps(result.as_json(), allow_nan=False)
    page = figures.document(result, "A <study>")
    assert "A &lt;study&gt;" in page
    assert 'src="http' not in page
