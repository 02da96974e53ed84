"""How sentences add up to a point, on heads small enough to follow by hand."""

from pathlib import Path

import numpy as np
import pytest

from app.axes.heads import (
    BOUND,
    ENGAGEMENT,
    EXPOSITION,
    STRATEGIES,
    Heads,
    axis_scores,
    responsibilities,
    soft_maximum,
)
from app.axes.scorer import WEIGHTS


def unit_heads(members: int = 1) -> Heads:
    """Feature k is the log-odds of strategy k."""
    coef = np.stack([np.eye(len(STRATEGIES))] * members)
    bias = np.zeros((members, len(STRATEGIES)))
    return heads(coef, bias)


def heads(coef: np.ndarray, bias: np.ndarray) -> Heads:
    platt = np.tile([1.0, 0.0], (len(STRATEGIES), 1))
    return Heads(coef, bias, np.zeros(2), np.ones(2), platt, np.zeros(0), np.ones(1), {"note": '"test"'}, "")


def vector(**strategies: float) -> np.ndarray:
    return np.array([[strategies.get(name, -1.0) for name in STRATEGIES]], np.float32)


def test_an_axis_takes_its_strongest_strategy_and_only_its_own() -> None:
    dull, story = axis_scores(unit_heads().log_odds(np.vstack([vector(), vector(STORY=1.0)])))[:, 0]
    assert story[1] > dull[1]
    assert story[0] == dull[0]


def test_every_strategy_speaks_for_exactly_one_axis() -> None:
    assert sorted(EXPOSITION + ENGAGEMENT) == list(range(len(STRATEGIES)))


def test_a_sentence_counts_no_further_than_the_bound() -> None:
    scores = axis_scores(unit_heads().log_odds(vector(ANALOGY=1000.0)))
    assert scores[0, 0, 1] == pytest.approx(BOUND)


def test_soft_maximum_of_equals_is_their_value_whatever_their_length() -> None:
    assert soft_maximum(np.full((4, 1), 0.7), np.array([3.0, 40.0, 1.0, 9.0])) == pytest.approx(0.7)


def test_soft_maximum_lies_between_mean_and_maximum_and_grows_with_the_strong_sentences_share() -> None:
    scores = np.array([[2.0], [0.0]])
    even, longer = soft_maximum(scores, np.array([10.0, 10.0])), soft_maximum(scores, np.array([30.0, 10.0]))
    assert 1.0 < even < longer < 2.0


def test_responsibilities_add_up_to_one_and_follow_score_and_length() -> None:
    parts = responsibilities(np.array([[2.0], [0.0], [0.0]]), np.array([10.0, 10.0, 30.0]))[:, 0]
    assert parts.sum() == pytest.approx(1)
    assert parts[0] > parts[2] > parts[1]


def test_spread_is_zero_for_members_that_agree_and_grows_as_they_differ() -> None:
    agree = unit_heads(members=4)
    rows = agree.log_odds(vector(STORY=1.0))
    assert agree.point(rows, np.ones(1))[2] == pytest.approx(0)
    differ = heads(agree.coef, np.arange(4)[:, None] * np.ones(7) * 0.1)
    assert differ.point(differ.log_odds(vector(STORY=1.0)), np.ones(1))[2] > 0.5


def test_weights_survive_the_file_to_a_hundredth_of_a_point(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    coef, bias = rng.normal(size=(8, 7, 576)) * 0.02, rng.normal(size=(8, 7))
    before = heads(coef, bias)
    before.save(tmp_path / "h.safetensors")
    kept = Heads.load(tmp_path / "h.safetensors")
    x = rng.normal(size=(5, 576)).astype(np.float32)
    one = before.point(before.log_odds(x), np.ones(5))
    two = kept.point(kept.log_odds(x), np.ones(5))
    assert np.allclose(one, two, atol=0.02)
    assert kept.card["note"] == '"test"'


@pytest.mark.parametrize("name", ["base", "minilm"])
def test_shipped_weights_are_finite_small_and_say_what_they_were_fitted_on(name: str) -> None:
    path = WEIGHTS / f"{name}.safetensors"
    shipped = Heads.load(path)
    assert np.isfinite(shipped.coef).all()
    assert (shipped.sd > 0).all()
    assert (shipped.platt[:, 0] > 0).all()
    assert {"encoder_sha256", "articles", "quotes", "seed"} <= set(shipped.card)
    assert path.stat().st_size < 1_000_000
