"""The statistics are SciPy's and statsmodels', and the effect sizes give the values of published worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from app.study import stats
from app.study.stats import Observation

# Crossed maize plants less their self-fertilised partners, in eighths of an inch: Darwin (1876); the worked example of
# SciPy's manual for the signed-rank test.
DARWIN = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]

# Cushny & Peebles (1905), as in Student (1908) and R's `sleep`: extra hours of sleep under two drugs.
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

# Hollander & Wolfe (1973), p. 140: seconds to round first base in three ways, by 22 players; in R's
# manual of friedman.test.
ROUND = """
5.40 5.50 5.55  5.85 5.70 5.75  5.20 5.60 5.50  5.55 5.50 5.40  5.90 5.85 5.70  5.45 5.55 5.60
5.40 5.40 5.35  5.45 5.50 5.35  5.25 5.15 5.00  5.85 5.80 5.70  5.25 5.20 5.10  5.65 5.55 5.45
5.60 5.35 5.45  5.05 5.00 4.95  5.50 5.50 5.40  5.45 5.55 5.50  5.55 5.55 5.35  5.45 5.50 5.55
5.50 5.45 5.25  5.65 5.60 5.40  5.70 5.65 5.55  6.30 6.30 6.25
"""

# Hills & Armitage (1979), table 1: dry nights of children in two weeks, drug first (17) and placebo first (12).
DRUG_FIRST = (
    [8, 14, 8, 9, 11, 3, 6, 0, 13, 10, 7, 13, 8, 7, 9, 10, 2],
    [5, 10, 0, 7, 6, 5, 0, 0, 12, 2, 5, 13, 10, 7, 0, 6, 2],
)
PLACEBO_FIRST = ([12, 6, 13, 8, 8, 4, 8, 2, 8, 9, 7, 7], [11, 8, 9, 8, 9, 8, 14, 4, 13, 7, 10, 6])


def test_darwins_plants() -> None:
    found = stats.paired(DARWIN, [0] * len(DARWIN))
    assert (found.w, found.w_plus, found.w_minus) == (24, 96, 24)
    assert found.wilcoxon_p == pytest.approx(0.041259765625)
    assert found.rank_biserial == pytest.approx((96 - 24) / 120)
    low, high = found.rank_biserial_ci or (0, 0)
    # By hand: atanh .6 = .6931; standard error √1240 / 120 = .2934; tanh(.6931 ± 1.96 · .2934).
    assert (low, high) == (pytest.approx(0.1174, abs=5e-4), pytest.approx(0.8535, abs=5e-4))


def test_students_sleep() -> None:
    """t = -4.0621 with 9 degrees of freedom, p = .002833, interval -2.4599 to -0.7001; d_z -1.28 [-2.12, -0.41] in the
    manual of R's effectsize."""
    found = stats.paired(FIRST_DRUG, SECOND_DRUG)
    assert (found.t, found.df) == (pytest.approx(-4.0621, abs=5e-5), 9)
    assert found.t_p == pytest.approx(0.002833, abs=5e-7)
    assert found.mean_difference == pytest.approx(-1.58)
    assert found.mean_ci == (pytest.approx(-2.4598858, abs=5e-8), pytest.approx(-0.7001142, abs=5e-8))
    assert found.d_z == pytest.approx(-4.0621277 / np.sqrt(10))
    assert found.d_z_ci == (pytest.approx(-2.12, abs=0.005), pytest.approx(-0.41, abs=0.005))
    assert found.n_differ == 9
    assert any("1 of 10 pairs are equal" in note for note in found.notes)
    assert found.rank_biserial == -1
    assert found.rank_biserial_ci is None


def test_rounding_first_base() -> None:
    """Friedman chi-squared = 11.143, df = 2, p-value = 0.003805."""
    table = np.array(ROUND.split(), float).reshape(-1, 3)
    found = stats.friedman(list(table.T))
    assert (found.chi2, found.df) == (pytest.approx(11.143, abs=5e-4), 2)
    assert found.p == pytest.approx(0.003805, abs=5e-7)
    assert found.kendall_w == pytest.approx(11.1429 / (22 * 2), abs=5e-5)


def crossover() -> list[Observation]:
    def seen(group: str, drug: list[int], placebo: list[int], first: str) -> list[Observation]:
        return [
            Observation((group, i), condition, 1 if condition == first else 2, "one", value)
            for i, pair in enumerate(zip(drug, placebo, strict=True))
            for condition, value in zip(("drug", "placebo"), pair, strict=True)
        ]

    return [
        *seen("a", DRUG_FIRST[0], DRUG_FIRST[1], "drug"),
        *seen("b", PLACEBO_FIRST[1], PLACEBO_FIRST[0], "placebo"),
    ]


def test_the_crossover_of_hills_and_armitage() -> None:
    """The drug adds 2.04 dry nights: 2.82 and 1.25 in the two orders, added and halved. Their test of it is a t test of
    the differences of the one order against those of the other with the sign turned."""
    found = stats.adjusted(crossover(), "drug", "placebo")
    assert found.estimate == pytest.approx(2.04, abs=0.005)
    difference = [np.subtract(*DRUG_FIRST), np.subtract(PLACEBO_FIRST[1], PLACEBO_FIRST[0])]
    theirs = scipy_stats.ttest_ind(difference[0], -difference[1])
    assert (found.t, found.p, found.df) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue), theirs.df)
    order = stats.groups(*difference)
    assert order.difference == pytest.approx(2.82 - 1.25, abs=0.006)
    welch = scipy_stats.ttest_ind(*difference, equal_var=False)
    assert (order.t, order.t_p, order.df) == pytest.approx((welch.statistic, welch.pvalue, welch.df))
    assert order.difference_ci == pytest.approx(tuple(welch.confidence_interval()))
    assert order.mann_whitney_p == scipy_stats.mannwhitneyu(*difference).pvalue


def test_holms_steps() -> None:
    """By hand: the smallest times 4, the next times 3, and none below the one before."""
    assert stats.holm([0.01, 0.04, None, 0.03, 0.02]) == pytest.approx([0.04, 0.06, None, 0.06, 0.06])
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([None]) == [None]
    assert stats.holm([]) == []


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=2, max_size=30))
def test_ties_and_zeros_are_scipys(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    found = stats.paired(a, b)
    d = np.subtract(a, b).astype(float)
    assert found.n_differ == np.count_nonzero(d)
    if not d.any():
        assert (found.w, found.wilcoxon_p, found.rank_biserial) == (0, 1, None)
        return
    theirs = scipy_stats.wilcoxon(d)
    assert (found.w, found.wilcoxon_p) == (theirs.statistic, theirs.pvalue)
    assert min(found.w_plus, found.w_minus) == found.w
    if np.ptp(d):
        t = scipy_stats.ttest_rel(a, b)
        assert (found.t, found.t_p) == (pytest.approx(t.statistic), pytest.approx(t.pvalue))


def test_the_two_directions_mirror_each_other() -> None:
    one, other = stats.paired(FIRST_DRUG, SECOND_DRUG), stats.paired(SECOND_DRUG, FIRST_DRUG)
    assert one.wilcoxon_p == other.wilcoxon_p
    assert one.rank_biserial == -(other.rank_biserial or 0)
    assert one.d_z_ci == pytest.approx([-x for x in reversed(other.d_z_ci or ())])


def test_rounding_errors_break_no_tie() -> None:
    found = stats.paired([0.3, 0.1 + 0.2, 1.1, 5.0], [0.1, 0.1, 0.9, 5.0])
    assert found.n_differ == 3
    assert any("same size" in note for note in found.notes)
    assert found.sd_difference is not None


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([], [], "no complete pair"),
        ([1], [2], "two pairs"),
        ([1, 2, 3, 4, 5], [0, 0, 0, 0, 0], "can't fall below"),
        ([2, 2, 2], [2, 2, 2], "All pairs are equal"),
        ([3, 4, 5], [2, 3, 4], "All differences are the same"),
        ([0] * 9 + [90], [0, 1] * 5, "don't look normal"),
    ],
)
def test_what_can_not_be_tested_is_told_in_words(first: list[float], second: list[float], told: str) -> None:
    found = stats.paired(first, second)
    assert any(told in note for note in found.notes), found.notes


def test_five_pairs_can_not_be_significant_and_six_can() -> None:
    assert (stats.paired(range(1, 6), [0] * 5).wilcoxon_p or 0) > 0.05
    assert (stats.paired(range(1, 7), [0] * 6).wilcoxon_p or 1) < 0.05


def test_pairs_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="Pairs are needed"):
        stats.paired([1, 2], [1])
    with pytest.raises(ValueError, match="missing or infinite"):
        stats.paired([1, float("nan")], [1, 2])


def test_one_order_only_can_not_be_adjusted_for() -> None:
    only = [o for o in crossover() if o.person[0] == "a"]  # type: ignore[index]
    found = stats.adjusted(only, "drug", "placebo")
    assert found.estimate is None
    assert "can't be told from the order" in found.notes[0]
    assert stats.adjusted([], "drug", "placebo").estimate is None


def test_groups_too_small_and_all_alike() -> None:
    assert stats.groups([1], [1, 2]).notes
    alike = stats.groups([1, 1], [2, 2])
    assert alike.t is None
    assert alike.difference == -1


def test_friedman_without_people_or_differences() -> None:
    assert stats.friedman([[], [], []]).p is None
    assert stats.friedman([[1, 2], [1, 2], [1, 2]]).p == 1
    table = [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]]
    found = stats.friedman(table)
    assert found.p == scipy_stats.friedmanchisquare(*table).pvalue
    assert found.kendall_w == 1


def test_pairwise_comparisons_are_held_by_holm() -> None:
    table = np.array(ROUND.split(), float).reshape(-1, 3).T
    found = stats.pairwise(dict(zip("abc", table, strict=True)))
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    plain = [one.wilcoxon_p for one, _ in found.values()]
    assert [p for _, p in found.values()] == stats.holm(plain)
