"""What a study's numbers say: for each measure the conditions compared, with checks of order and topic, and a plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from app.study import figures, measures, records, scoring, stats, values
from app.study.models import Participant
from app.study.protocol import Protocol
from app.study.service import protocol_of
from app.study.stats import Adjusted, Friedman, Groups, Observation, Paired
from app.study.values import Value

Family = Literal["questionnaires", "log"]


@dataclass(frozen=True)
class Outcome:
    """A measure that is compared. p values are held by Holm within its family, those of parts of a score left out: one
    question is tested once."""

    id: str
    name: str
    unit: str
    family: Family
    part: bool = False


@dataclass(frozen=True)
class Summary:
    """One condition's values, of those who have a value in every condition."""

    condition: str
    mean: float | None
    sd: float | None
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """Differences are first less second. `p_pairs` is held by Holm over the pairs of three and more conditions."""

    first: str
    second: str
    paired: Paired
    p_pairs: float | None


FEWEST = 6
"""With five pairs a signed-rank test gives 2/2⁵ = .0625 at best, whatever they are."""


@dataclass(frozen=True)
class Finding:
    """All that is said of one measure. `p` is that of the signed-rank test for two conditions, Friedman's for more.

    With two conditions: `adjusted` is the difference with period and topic taken out; `order` compares the differences
    of those who began with the first condition with those of the others, `carry_over` their sums, `topic` the
    differences of those who had the first condition on the one topic and on the other. With more: `over_periods` and
    `over_topics` are Friedman's test over periods and over topics.
    """

    outcome: Outcome
    n: int
    missing: int
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    friedman: Friedman | None
    adjusted: Adjusted | None
    order: Groups | None
    carry_over: Groups | None
    topic: Groups | None
    over_periods: Friedman | None
    over_topics: Friedman | None
    p: float | None
    p_holm: float | None
    sentence: str
    lines: tuple[tuple[str, tuple[float, ...]], ...]
    """Participant and their values by condition, in the order of `summaries`."""

    @property
    def too_few(self) -> bool:
        """A p would say nothing but how few took part; the tables of the export have it all the same."""
        return self.n < FEWEST


@dataclass(frozen=True)
class Analysis:
    """`conditions` are names by id, in the order in which they are compared. `counted` are the participants' codes;
    `cells` how many of them hold each cell; `left_out` why others don't count, by code."""

    conditions: dict[str, str]
    counted: tuple[str, ...]
    left_out: dict[str, str]
    cells: dict[int, int]
    findings: tuple[Finding, ...]

    def finding(self, measure: str) -> Finding:
        """Raises KeyError."""
        found = next((f for f in self.findings if f.outcome.id == measure), None)
        if found is None:
            raise KeyError(f"There is no measure “{measure}” in this analysis.")
        return found

    def figure(self, measure: str) -> dict[str, Any]:
        """A slope plot: a line for each participant, and their mean. Raises KeyError."""
        return figures.slopes(self.finding(measure), self.conditions)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One for each measure and pair of conditions, with the columns of ROW."""
        for finding in self.findings:
            for comparison in finding.comparisons:
                yield _row(finding, comparison)


# ── what is compared ───────────────────────────────────────────────────────────────────────────────────────────────


def of_study(session: Session, study_id: str) -> Analysis:
    """Raises KeyError for a study that isn't there."""
    study = records.study(session, study_id)
    if study is None:
        raise KeyError(f"There is no study “{study_id}”.")
    protocol = protocol_of(study)
    found = [*values.scores(session, study.id, protocol), *measures.of_study(session, study.id)]
    counted, left_out = who_counts(records.participants(session, study.id))
    return analyse(found, counted, left_out, conditions(protocol), outcomes(protocol))


def conditions(protocol: Protocol) -> dict[str, str]:
    """Names by id: in the protocol's order, the baselines last, so that a difference is what the tool adds."""
    ordered = sorted(protocol.conditions, key=lambda condition: condition.base == "baseline")
    return {condition.id: condition.name for condition in ordered}


def outcomes(protocol: Protocol) -> list[Outcome]:
    """Scores of the questionnaires of every period, then what is derived from the log. What is not asked after each
    condition has no pairs to compare."""
    asked = dict.fromkeys(instrument for step in protocol.flow.each for instrument in step.instruments)
    found = []
    for instrument in map(protocol.instrument, asked):
        if not all(protocol.suits(instrument, condition.id) for condition in protocol.conditions):
            continue
        for scale, name in scoring.scales(instrument).items():
            if scale.endswith("-count"):  # how often a factor was chosen weighs the index; it is no outcome
                continue
            title = f"{instrument.name}: {name}"
            part = scoring.is_part(instrument, scale)
            found.append(Outcome(f"{instrument.id}.{scale}", title, "points", "questionnaires", part))
    return found + [Outcome(m.id, m.name, m.unit, "log") for m in measures.MEASURES]


def who_counts(participants: Iterable[Participant]) -> tuple[dict[str, int | None], dict[str, str]]:
    """Cell by code of those who count, and why by code of those who don't: never a dry run, nobody excluded, and no
    simulated participant beside a person."""
    everyone = list(participants)
    wanted = "person" if any(p.kind == "person" and p.cell is not None for p in everyone) else "simulated"
    counted: dict[str, int | None] = {}
    left_out: dict[str, str] = {}
    for participant in everyone:
        if participant.excluded:
            left_out[participant.code] = f"excluded: {participant.excluded_why or 'no reason was given'}"
        elif participant.kind != wanted:
            left_out[participant.code] = f"{participant.kind}, not {wanted}"
        elif participant.cell is None:
            left_out[participant.code] = "has not joined"
        else:
            counted[participant.code] = participant.cell
    return counted, left_out


# ── comparing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def analyse(
    found: Iterable[Value],
    counted: Mapping[str, int | None],
    left_out: Mapping[str, str],
    named: Mapping[str, str],
    wanted: Sequence[Outcome],
) -> Analysis:
    """`named` are the conditions' names by id, in the order in which they are compared."""
    by_measure: dict[str, list[Observation]] = {}
    for value in found:
        if value.participant in counted and value.value is not None and value.condition and value.period:
            seen = Observation(value.participant, value.condition, value.period, value.topic or "", value.value)
            by_measure.setdefault(value.measure, []).append(seen)
    findings = [_finding(outcome, by_measure.get(outcome.id, []), named, len(counted)) for outcome in wanted]
    for family in ("questionnaires", "log"):
        members = [i for i, f in enumerate(findings) if f.outcome.family == family and not f.outcome.part]
        for i, p in zip(members, stats.holm([findings[i].p for i in members]), strict=True):
            findings[i] = replace(findings[i], p_holm=p)
    findings = [replace(finding, sentence=_sentence(finding, named)) for finding in findings]
    cells = Counter(cell for cell in counted.values() if cell is not None)
    return Analysis(dict(named), tuple(sorted(counted)), dict(left_out), dict(sorted(cells.items())), tuple(findings))


def _finding(outcome: Outcome, seen: Sequence[Observation], named: Mapping[str, str], people: int) -> Finding:
    by_person: dict[str, dict[str, Observation]] = {}
    for one in seen:
        by_person.setdefault(str(one.person), {})[one.condition] = one
    whole = {person: by_person[person] for person in sorted(by_person) if set(by_person[person]) == set(named)}
    columns = {name: [own[name].value for own in whole.values()] for name in named}
    first, *others = named
    two = (first, others[0]) if len(others) == 1 else None
    friedman = stats.friedman(list(columns.values())) if len(named) > 2 else None
    if two:
        compared = [Comparison(two[0], two[1], stats.paired(columns[two[0]], columns[two[1]]), None)]
    else:
        compared = [Comparison(a, b, one, p) for (a, b), (one, p) in stats.pairwise(columns).items()]
    kept = [one for own in whole.values() for one in own.values()]
    return Finding(
        outcome=outcome,
        n=len(whole),
        missing=people - len(whole),
        summaries=tuple(_summary(name, column) for name, column in columns.items()),
        comparisons=tuple(compared),
        friedman=friedman,
        adjusted=stats.adjusted(kept, *two) if two else None,
        order=_order(whole, two) if two else None,
        carry_over=_order(whole, two, added=True) if two else None,
        topic=_topic(whole, two) if two else None,
        over_periods=None if two else _over(whole, "period"),
        over_topics=None if two else _over(whole, "topic"),
        p=friedman.p if friedman else compared[0].paired.wilcoxon_p if compared else None,
        p_holm=None,
        sentence="",
        lines=tuple((person, tuple(own[name].value for name in named)) for person, own in whole.items()),
    )


def _summary(condition: str, column: Sequence[float]) -> Summary:
    if not column:
        return Summary(condition, None, None, None, None, None)
    sd = float(np.std(column, ddof=1)) if len(column) > 1 else None
    return Summary(
        condition, float(np.mean(column)), sd, float(np.median(column)), float(min(column)), float(max(column))
    )


Whole = Mapping[str, Mapping[str, Observation]]


def _order(whole: Whole, two: tuple[str, ...], *, added: bool = False) -> Groups:
    """Those who had the first condition first against the others: their differences, or their sums."""
    first, second = two[0], two[1]
    split: dict[bool, list[float]] = {True: [], False: []}
    for own in whole.values():
        sign = 1 if added else -1
        split[own[first].period < own[second].period].append(own[first].value + sign * own[second].value)
    return stats.groups(split[True], split[False])


def _topic(whole: Whole, two: tuple[str, ...]) -> Groups | None:
    """Differences of those who had the first condition on the one topic, against the other; None unless there are two
    topics."""
    first, second = two[0], two[1]
    topics = sorted({one.topic for own in whole.values() for one in own.values()})
    if len(topics) != 2:
        return None
    split: dict[str, list[float]] = {topic: [] for topic in topics}
    for own in whole.values():
        split[own[first].topic].append(own[first].value - own[second].value)
    return stats.groups(split[topics[0]], split[topics[1]])


def _over(whole: Whole, what: Literal["period", "topic"]) -> Friedman | None:
    """Friedman's test over periods or topics; None where not everybody had all of them once."""
    levels = sorted({getattr(one, what) for own in whole.values() for one in own.values()})
    tables = [{getattr(one, what): one.value for one in own.values()} for own in whole.values()]
    if len(levels) < 3 or any(set(table) != set(levels) for table in tables):
        return None
    return stats.friedman([[table[level] for table in tables] for level in levels])


# ── in words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _sentence(finding: Finding, named: Mapping[str, str]) -> str:
    if not finding.n:
        return "Nobody has a value in every condition yet."
    parts = [
        f"{named[s.condition]} M = {number(s.mean)}{f' (SD {number(s.sd)})' if s.sd is not None else ''}"
        for s in finding.summaries
    ]
    told = f"{', '.join(parts)}; n = {finding.n}"
    if finding.too_few:
        return f"{told}: too few for a test."
    held = f", {probability(finding.p_holm)} by Holm" if finding.p_holm is not None else ""
    if finding.friedman:
        one = finding.friedman
        if one.p is None or one.chi2 is None or one.kendall_w is None:
            return f"{told}."
        return (
            f"{told}. Friedman χ²({one.df}) = {number(one.chi2)}, {probability(one.p)}{held}, "
            f"W = {number(one.kendall_w)}."
        )
    if not finding.comparisons:  # one condition: there is nothing to compare it with
        return f"{told}."
    one_pair = finding.comparisons[0].paired
    if one_pair.wilcoxon_p is not None and one_pair.w is not None:
        told += f". Signed-rank W = {number(one_pair.w)}, {probability(one_pair.wilcoxon_p)}{held}"
        if one_pair.rank_biserial is not None:
            told += f", r = {number(one_pair.rank_biserial)}{interval(one_pair.rank_biserial_ci)}"
    if one_pair.t is not None and one_pair.t_p is not None:
        told += (
            f"; t({one_pair.df}) = {number(one_pair.t)}, {probability(one_pair.t_p)}, "
            f"d_z = {number(one_pair.d_z)}{interval(one_pair.d_z_ci)}"
        )
    return f"{told}."


def number(value: float | None) -> str:
    """For a person: two decimals, or none for large numbers."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def probability(p: float | None) -> str:
    """As APA writes it; – where there is none."""
    return "–" if p is None else "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("= 0.", "= .")


def interval(ci: tuple[float, float] | None) -> str:
    return f" [{number(ci[0])}, {number(ci[1])}]" if ci else ""


# ── as a table ─────────────────────────────────────────────────────────────────────────────────────────────────────

ROW = {
    "measure": "The measure's id: one of the log, or an instrument's and a scale's with a dot between.",
    "name": "Its name.",
    "unit": "Its unit.",
    "family": "questionnaires or log: p_holm is held within it.",
    "part": "Whether it is a part of a score that is tested itself; p_holm leaves it out.",
    "first": "The first condition; differences are first less second.",
    "second": "The second condition.",
    "n": "Participants with a value in every condition.",
    "missing": "Participants who count and lack a value.",
    "first_mean": "Mean of the first condition.",
    "first_sd": "Standard deviation (n - 1) of the first condition.",
    "first_median": "Median of the first condition.",
    "second_mean": "Mean of the second condition.",
    "second_sd": "Standard deviation (n - 1) of the second condition.",
    "second_median": "Median of the second condition.",
    "mean_difference": "Mean of the differences.",
    "mean_low": "Lower end of its 95 % interval, by t.",
    "mean_high": "Upper end of its 95 % interval, by t.",
    "n_differ": "Pairs that differ; the others leave the signed-rank test.",
    "w": "Wilcoxon's signed-rank statistic, the smaller sum of ranks.",
    "w_plus": "Sum of the ranks of the positive differences.",
    "w_minus": "Sum of the ranks of the negative differences.",
    "wilcoxon_p": "Its two-sided p, exact where SciPy gives that.",
    "rank_biserial": "Matched-pairs rank-biserial correlation (Kerby, 2014), -1 to 1.",
    "rank_biserial_low": "Lower end of its 95 % interval.",
    "rank_biserial_high": "Upper end of its 95 % interval.",
    "t": "Paired t.",
    "df": "Its degrees of freedom.",
    "t_p": "Its two-sided p.",
    "d_z": "Mean over standard deviation of the differences (Cohen, 1988).",
    "d_z_low": "Lower end of its 95 % interval, by the noncentral t distribution.",
    "d_z_high": "Upper end of its 95 % interval.",
    "shapiro_p": "Shapiro–Wilk's p of the differences: small where they don't look normal.",
    "p_pairs": "Signed-rank p held by Holm over the pairs of conditions; empty for two conditions.",
    "friedman_chi2": "Friedman's χ² over three and more conditions; empty for two.",
    "friedman_df": "Its degrees of freedom.",
    "friedman_p": "Its p.",
    "kendall_w": "Kendall's W, 0 to 1.",
    "p_holm": "wilcoxon_p (two conditions) or friedman_p (more), held by Holm over the family.",
    "adjusted": "Difference with person, period and topic taken out, by least squares; for two conditions.",
    "adjusted_se": "Its standard error.",
    "adjusted_p": "Its two-sided p.",
    "order_difference": "Mean difference of those who began with the first condition, less that of the others.",
    "order_u_p": "Mann–Whitney's p of it: small where the order matters.",
    "order_t_p": "Welch's p of it.",
    "carry_over_difference": "The same of the sums over both conditions.",
    "carry_over_u_p": "Mann–Whitney's p of it; a weak test that decides nothing.",
    "carry_over_t_p": "Welch's p of it.",
    "topic_difference": "Mean difference of those with the first condition on the first topic, less the others'.",
    "topic_u_p": "Mann–Whitney's p of it: small where the topic matters.",
    "topic_t_p": "Welch's p of it.",
    "periods_p": "Friedman's p over the periods, for three and more conditions.",
    "topics_p": "Friedman's p over the topics, for three and more conditions.",
    "notes": "What to know about these numbers, in words.",
}


def _row(finding: Finding, comparison: Comparison) -> dict[str, Any]:
    outcome, pair = finding.outcome, comparison.paired
    of = {summary.condition: summary for summary in finding.summaries}
    found: dict[str, Any] = {
        "measure": outcome.id, "name": outcome.name, "unit": outcome.unit, "family": outcome.family,
        "part": outcome.part,
        "first": comparison.first, "second": comparison.second, "n": finding.n, "missing": finding.missing,
        "p_pairs": comparison.p_pairs, "p_holm": finding.p_holm,
        "notes": " ".join([*pair.notes, *(finding.friedman.notes if finding.friedman else ())]),
    }  # fmt: skip
    for place, condition in (("first", comparison.first), ("second", comparison.second)):
        for name in ("mean", "sd", "median"):
            found[f"{place}_{name}"] = getattr(of[condition], name)
    for name in ("mean_difference", "n_differ", "w", "w_plus", "w_minus", "wilcoxon_p", "rank_biserial"):
        found[name] = getattr(pair, name)
    for name in ("t", "df", "t_p", "d_z", "shapiro_p"):
        found[name] = getattr(pair, name)
    for name, ends in (("mean", pair.mean_ci), ("rank_biserial", pair.rank_biserial_ci), ("d_z", pair.d_z_ci)):
        found[f"{name}_low"], found[f"{name}_high"] = ends or (None, None)
    if finding.friedman:
        one = finding.friedman
        found |= {"friedman_chi2": one.chi2, "friedman_df": one.df, "friedman_p": one.p, "kendall_w": one.kendall_w}
    if finding.adjusted:
        held = finding.adjusted
        found |= {"adjusted": held.estimate, "adjusted_se": held.se, "adjusted_p": held.p}
    for check, split in (("order", finding.order), ("carry_over", finding.carry_over), ("topic", finding.topic)):
        if split:
            found |= {
                f"{check}_difference": split.difference,
                f"{check}_u_p": split.mann_whitney_p,
                f"{check}_t_p": split.t_p,
            }
    found["periods_p"] = finding.over_periods.p if finding.over_periods else None
    found["topics_p"] = finding.over_topics.p if finding.over_topics else None
    return {name: found.get(name) for name in ROW}
