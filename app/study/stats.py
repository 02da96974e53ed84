"""Statistics of a within-subjects study: pure functions on numbers, by SciPy and statsmodels. Effect sizes that these
lack are computed by the formulas cited. Notes are sentences for whoever reads the result."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import atanh, isfinite, sqrt, tanh
from typing import Any

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
FEWEST = 6
"""Pairs that differ: with five the smallest two-sided p of the signed-rank test is 2 / 2⁵ = .0625."""
DECIMALS = 9
"""Differences are rounded to this before they are ranked, so that rounding errors of sums don't break ties."""
NORMAL = 0.05

Interval = tuple[float, float]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """The same people under two conditions; differences are first less second.

    `w_plus` and `w_minus` are the sums of the ranks of the positive and negative differences; `w` is the smaller. All
    intervals are at 95 %. What can't be computed is None, and `notes` says why.
    """

    n: int
    n_differ: int
    mean_difference: float | None
    sd_difference: float | None
    median_difference: float | None
    mean_ci: Interval | None
    w: float | None
    w_plus: float
    w_minus: float
    wilcoxon_p: float | None
    rank_biserial: float | None
    rank_biserial_ci: Interval | None
    t: float | None
    df: int | None
    t_p: float | None
    d_z: float | None
    d_z_ci: Interval | None
    shapiro_w: float | None
    shapiro_p: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Groups:
    """Two groups of different people; the difference is first less second. The t test is Welch's."""

    n_first: int
    n_second: int
    difference: float | None
    difference_ci: Interval | None
    u: float | None
    mann_whitney_p: float | None
    t: float | None
    df: float | None
    t_p: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Friedman:
    """Three and more conditions, the same people under all. `kendall_w` is from 0, no agreement, to 1."""

    n: int
    k: int
    chi2: float | None
    df: int
    p: float | None
    kendall_w: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Observation:
    """One value of one person in one period."""

    person: Hashable
    condition: str
    period: int
    topic: str
    value: float


@dataclass(frozen=True)
class Adjusted:
    """The effect of a condition with that of the period and the topic taken out."""

    estimate: float | None
    se: float | None
    ci: Interval | None
    t: float | None
    df: int | None
    p: float | None
    notes: tuple[str, ...]


# ── two conditions ─────────────────────────────────────────────────────────────────────────────────────────────────


def differences(first: Sequence[float], second: Sequence[float]) -> Floats:
    """First less second, rounded so that equal ones are equal. Raises ValueError for lengths that differ and for
    what is no number."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"Pairs are needed: there are {len(a)} values of one condition and {len(b)} of the other.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("A value is missing or infinite. Leave the pair out.")
    rounded: Floats = np.round(a - b, DECIMALS)
    return rounded


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """All that is said of two conditions. Zero differences leave the signed-rank test (Wilcoxon, F., 1945, Individual
    comparisons by ranking methods, Biometrics Bulletin 1, 80–83); SciPy takes its exact distribution where it can."""
    d = differences(first, second)
    n, moved = len(d), d[d != 0]
    notes: list[str] = []
    w_plus, w_minus = rank_sums(d)
    r = rank_biserial(d)
    w, w_p = _wilcoxon(d, notes)
    t, df, t_p, mean_ci = _paired_t(d, notes)
    d_z = None if t is None else t / sqrt(n)
    shapiro_w, shapiro_p = _normality(d, notes)
    return Paired(
        n=n,
        n_differ=len(moved),
        mean_difference=float(d.mean()) if n else None,
        sd_difference=float(d.std(ddof=1)) if n > 1 else None,
        median_difference=float(np.median(d)) if n else None,
        mean_ci=mean_ci,
        w=w,
        w_plus=w_plus,
        w_minus=w_minus,
        wilcoxon_p=w_p,
        rank_biserial=r,
        rank_biserial_ci=rank_biserial_interval(r, len(moved)),
        t=t,
        df=df,
        t_p=t_p,
        d_z=d_z,
        d_z_ci=None if t is None or df is None else d_z_interval(t, df),
        shapiro_w=shapiro_w,
        shapiro_p=shapiro_p,
        notes=tuple(notes),
    )


def rank_sums(d: Floats) -> tuple[float, float]:
    """Sums of the ranks of positive and of negative differences; zeros are left out, ties share their mean rank."""
    from scipy.stats import rankdata

    moved = d[d != 0]
    ranks = rankdata(np.abs(moved))
    return float(ranks[moved > 0].sum()), float(ranks[moved < 0].sum())


def rank_biserial(d: Floats) -> float | None:
    """The matched-pairs rank-biserial correlation, -1 to 1: (W⁺ - W⁻) / (W⁺ + W⁻), the share of rank sum in favour of
    the first condition less that in favour of the second; None where nothing differs.

    Kerby, D. S. (2014). The simple difference formula: An approach to teaching nonparametric correlation. Comprehensive
    Psychology, 3, 11.IT.3.1.
    """
    w_plus, w_minus = rank_sums(d)
    return (w_plus - w_minus) / (w_plus + w_minus) if w_plus + w_minus else None


def rank_biserial_interval(r: float | None, n: int) -> Interval | None:
    """On Fisher's z scale with the standard error of the rank sum, √((2n³ + 3n² + n) / 6) / ((n² + n) / 2), as in
    Ben-Shachar, M. S., Lüdecke, D., & Makowski, D. (2020). effectsize. Journal of Open Source Software, 5(56), 2815.
    None for r of ±1, where that scale ends."""
    from scipy.stats import norm

    if r is None or abs(r) >= 1:
        return None
    margin = norm.ppf(0.5 + LEVEL / 2) * sqrt((2 * n**3 + 3 * n**2 + n) / 6) / ((n**2 + n) / 2)
    return tanh(atanh(r) - margin), tanh(atanh(r) + margin)


def d_z_interval(t: float, df: int) -> Interval:
    """Of d_z = mean / standard deviation of the differences = t / √n: the noncentral t distributions in which t is the
    97.5th and the 2.5th percentile, their noncentrality divided by √n.

    Cumming, G., & Finch, S. (2001). A primer on the understanding, use, and calculation of confidence intervals that
    are based on central and noncentral distributions. Educational and Psychological Measurement, 61, 532–574. d_z:
    Cohen, J. (1988). Statistical power analysis for the behavioral sciences (2nd ed.), p. 48.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    reach = 10 + 2 * abs(t)

    def over(noncentrality: float, share: float) -> float:
        below = float(nct.cdf(t, df, noncentrality))
        # Far from t SciPy's function has no number left: nothing, or everything, lies below t.
        return (below if isfinite(below) else float(noncentrality < t)) - share

    def at(share: float) -> float:
        return float(brentq(over, t - reach, t + reach, args=(share,))) / sqrt(df + 1)

    return at(0.5 + LEVEL / 2), at(0.5 - LEVEL / 2)


def _wilcoxon(d: Floats, notes: list[str]) -> tuple[float | None, float | None]:
    from scipy.stats import wilcoxon

    differing = int((d != 0).sum())
    if not len(d):
        notes.append("There is no complete pair yet.")
        return None, None
    if differing == 0:
        notes.append("All pairs are equal: there is nothing to test.")
        return 0.0, 1.0
    if differing < len(d):
        notes.append(f"{len(d) - differing} of {len(d)} pairs are equal and leave the signed-rank test.")
    if differing < FEWEST:
        notes.append(
            f"Only {differing} {'pairs differ' if differing > 1 else 'pair differs'}: with fewer than {FEWEST} the "
            "signed-rank test can't fall below p = .05, whatever the values."
        )
    if len(np.unique(np.abs(d[d != 0]))) < differing:
        notes.append("Some differences are of the same size; they share their mean rank.")
    found = wilcoxon(d, zero_method="wilcox", method="auto")
    return float(found.statistic), float(found.pvalue)


def _paired_t(d: Floats, notes: list[str]) -> tuple[float | None, int | None, float | None, Interval | None]:
    from scipy.stats import ttest_1samp

    if len(d) < 2:
        notes.append("A t test needs two pairs at least.")
        return None, None, None, None
    if np.ptp(d) == 0:
        notes.append("All differences are the same, so a t test has nothing to measure them against.")
        return None, None, None, None
    found = ttest_1samp(d, 0.0)
    interval = found.confidence_interval(LEVEL)
    return float(found.statistic), int(found.df), float(found.pvalue), (float(interval.low), float(interval.high))


def _normality(d: Floats, notes: list[str]) -> tuple[float | None, float | None]:
    from scipy.stats import shapiro

    if len(d) < 3 or np.ptp(d) == 0:
        return None, None
    found = shapiro(d)
    if found.pvalue < NORMAL:
        notes.append("The differences don't look normal (Shapiro–Wilk): trust the signed-rank test before the t test.")
    return float(found.statistic), float(found.pvalue)


# ── order, carry-over, topic ───────────────────────────────────────────────────────────────────────────────────────


def groups(first: Sequence[float], second: Sequence[float]) -> Groups:
    """Two groups of people, as the checks of a crossover need them: differences (spatial less baseline) of those who
    began with the one and with the other tell of the period, their sums of a carry-over.

    Hills, M., & Armitage, P. (1979). The two-period cross-over clinical trial. British Journal of Clinical
    Pharmacology, 8, 7–20. The carry-over test is weak and decides nothing: Freeman, P. R. (1989). The performance of
    the two-stage analysis of two-treatment, two-period crossover trials. Statistics in Medicine, 8, 1421–1432.
    """
    from scipy.stats import mannwhitneyu
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    a, b = np.round(np.asarray(first, np.float64), DECIMALS), np.round(np.asarray(second, np.float64), DECIMALS)
    sizes = (len(a), len(b))
    if min(sizes) < 2:
        note = "Both groups need two people at least."
        return Groups(*sizes, None, None, None, None, None, None, None, (note,))
    mann = mannwhitneyu(a, b, alternative="two-sided", method="auto")
    difference = float(a.mean() - b.mean())
    if np.ptp(a) == np.ptp(b) == 0:
        note = "Nobody within a group differs, so a t test has nothing to measure the groups against."
        return Groups(*sizes, difference, None, float(mann.statistic), float(mann.pvalue), None, None, None, (note,))
    means: Any = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    t, p, df = means.ttest_ind(usevar="unequal")
    low, high = means.tconfint_diff(alpha=1 - LEVEL, usevar="unequal")
    return Groups(
        *sizes,
        difference,
        (float(low), float(high)),
        float(mann.statistic),
        float(mann.pvalue),
        float(t),
        float(df),
        float(p),
        (),
    )


def adjusted(observations: Sequence[Observation], first: str, second: str) -> Adjusted:
    """First less second condition by least squares, with a constant for each person, period and topic: the analysis of
    variance of a crossover (Jones, B., & Kenward, M. G., 2015, Design and Analysis of Cross-Over Trials, 3rd ed.). For
    two conditions in both orders and one topic it is Hills and Armitage's estimate."""
    from statsmodels.regression.linear_model import OLS

    seen = [o for o in observations if o.condition in (first, second)]
    if not seen:
        return Adjusted(None, None, None, None, None, None, ("There is no value yet.",))
    wanted = np.array([[1.0 if o.condition == first else 0.0] for o in seen])
    nuisance = np.hstack([np.ones((len(seen), 1)), *(_dummies([of(o) for o in seen]) for of in _EFFECTS)])
    design = np.hstack([wanted, nuisance])
    rank = int(np.linalg.matrix_rank(design))
    if rank == np.linalg.matrix_rank(nuisance):
        note = "The condition can't be told from the order or the topic: not enough orders have been filled."
        return Adjusted(None, None, None, None, None, None, (note,))
    if len(seen) <= rank:
        return Adjusted(None, None, None, None, None, None, ("There are too few values for this model.",))
    fit: Any = OLS(np.array([o.value for o in seen]), design).fit()
    if fit.ssr <= 1e-12 * max(1.0, fit.uncentered_tss):
        note = "The values follow the model exactly: there is nothing to measure the effect against."
        return Adjusted(float(fit.params[0]), None, None, None, None, None, (note,))
    low, high = fit.conf_int(alpha=1 - LEVEL)[0]
    t, p = float(fit.tvalues[0]), float(fit.pvalues[0])
    return Adjusted(float(fit.params[0]), float(fit.bse[0]), (float(low), float(high)), t, int(fit.df_resid), p, ())


_EFFECTS: tuple[Callable[[Observation], Hashable], ...] = (lambda o: o.person, lambda o: o.period, lambda o: o.topic)


def _dummies(levels: Sequence[Any]) -> Floats:
    """One column for each level but the first."""
    known = list(dict.fromkeys(levels))[1:]
    return np.array([[1.0 if level == one else 0.0 for one in known] for level in levels]).reshape(len(levels), -1)


# ── three and more conditions ──────────────────────────────────────────────────────────────────────────────────────


def friedman(columns: Sequence[Sequence[float]]) -> Friedman:
    """Columns are conditions, rows people. Kendall's W = χ² / (n (k - 1)): Kendall, M. G., & Babington Smith, B.
    (1939). The problem of m rankings. Annals of Mathematical Statistics, 10, 275–287."""
    from scipy.stats import friedmanchisquare

    table = np.round(np.asarray(columns, np.float64), DECIMALS)
    k, n = table.shape if table.ndim == 2 else (len(columns), 0)
    if n < 2:
        return Friedman(n, k, None, k - 1, None, None, ("Two people at least have to have been in all conditions.",))
    if (np.ptp(table, axis=0) == 0).all():
        return Friedman(n, k, 0.0, k - 1, 1.0, 0.0, ("Nobody differs between conditions: there is nothing to test.",))
    found = friedmanchisquare(*table)
    notes = (f"With {n} people the χ² distribution is a rough guide only.",) if n < 10 else ()
    chi2 = float(found.statistic)
    return Friedman(n, k, chi2, k - 1, float(found.pvalue), chi2 / (n * (k - 1)), notes)


def pairwise(columns: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], tuple[Paired, float | None]]:
    """Each pair of conditions, with its signed-rank p by Holm among these pairs."""
    found = {(a, b): paired(columns[a], columns[b]) for a, b in combinations(columns, 2)}
    held = holm([one.wilcoxon_p for one in found.values()])
    return {pair: (one, p) for (pair, one), p in zip(found.items(), held, strict=True)}


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values over a family, in the same order; None stays None and does not count.

    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics, 6,
    65–70.
    """
    from statsmodels.stats.multitest import multipletests

    known = [p for p in ps if p is not None]
    if not known:
        return list(ps)
    held = iter(multipletests(known, method="holm")[1])
    return [None if p is None else float(next(held)) for p in ps]
