"""Training and evaluation on data small enough to check by hand; no language model."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.axes import train as t
from app.axes.evaluate import auc, calibration_error, evaluate
from app.axes.heads import STRATEGIES
from app.axes.kept import BATCH, Kept
from app.cli import main


def annotations(articles: int = 30, each: int = 8) -> t.Annotations:
    rng = np.random.default_rng(3)
    labels = np.zeros((articles * each, 7), np.int8)
    labels[np.arange(len(labels)), rng.integers(7, size=len(labels))] = 1
    quotes = [f"Quote {i} is here. It has two sentences." for i in range(len(labels))]
    return t.Annotations(quotes, labels, np.repeat([f"a{i}" for i in range(articles)], each))


def columns(data: t.Annotations, noise: float) -> np.ndarray:
    rng = np.random.default_rng(4)
    return (data.labels + noise * rng.standard_normal((len(data.quotes), 7))).astype(np.float32)


RECIPE = t.Recipe(((7, 1.0),), penalty=1.0)


def test_heads_find_what_is_there_on_articles_they_did_not_see_and_nothing_in_noise() -> None:
    data = annotations()
    seen, unseen = np.arange(160), np.arange(160, 240)
    for noise, low, high in ((0.5, 0.85, 1.0), (500.0, 0.3, 0.7)):
        x = columns(data, noise)
        heads = t.fit_heads(x[seen], data.take(seen), RECIPE, 0)
        found = evaluate(heads.probabilities(heads.log_odds(x[unseen])), data.take(unseen), resamples=20)
        assert low <= found["macro_auc"] <= high
        assert found["interval"]["macro_auc"][0] <= found["macro_auc"] <= found["interval"]["macro_auc"][1]


def test_fitting_is_deterministic_and_members_differ() -> None:
    data = annotations()
    x = columns(data, 1.0)
    one, two = t.fit_heads(x, data, RECIPE, 0), t.fit_heads(x, data, RECIPE, 0)
    assert np.array_equal(one.coef, two.coef)
    assert np.array_equal(one.platt, two.platt)
    assert not np.allclose(one.coef[0], one.coef[1])


def test_what_does_none_of_the_seven_is_told_from_what_does_only_by_heads_that_saw_such() -> None:
    data = annotations()
    # An eighth column, in which nothing that was annotated stands out.
    x = np.hstack([columns(data, 0.3), 0.1 * columns(data, 1.0)[:, :1]])
    none = np.hstack([np.full((20, 7), 0.3), np.full((20, 1), 3.0)]).astype(np.float32)
    recipe = t.Recipe(((8, 1.0),), penalty=1.0)
    unaware, aware = t.fit_heads(x, data, recipe, 0), t.fit_heads(x, data, recipe, 0, none)
    assert aware.log_odds(none).mean(1).max() < unaware.log_odds(none).mean(1).max() - 0.5
    found = evaluate(aware.probabilities(aware.log_odds(x)), data, resamples=2)
    assert found["macro_auc"] > 0.95
    assert found["calibration_error"] < 0.06


def test_sentences_that_do_none_of_the_seven_are_whole_distinct_and_no_direction_test() -> None:
    none = t.none_of_them()
    assert len(set(none)) == len(none) >= 100
    pairs = Path(__file__).parents[2] / "benchmarks" / "pairs.jsonl"
    assert not [sentence for sentence in none if sentence in pairs.read_text("utf-8")]


class Counting:
    """One column, the length of the sentence and how many it was encoded with."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def load(self) -> None: ...

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        self.asked.append(list(sentences))
        return np.array([[len(s), len(sentences)] for s in sentences], np.float32)


def test_a_run_that_was_cut_off_goes_on_with_the_same_passes(tmp_path: Path) -> None:
    sentences = [f"{'word ' * (i % 7)}number {i}." for i in range(3 * BATCH)]
    whole = Kept(Counting(), 2).encode(sentences)
    cut = Counting()
    Kept(cut, 2, tmp_path / "v").encode(sentences)
    with (tmp_path / "v.sha256").open("r+") as file:
        names = file.read().split()
        file.seek(0)
        file.truncate()
        file.write("".join(f"{name}\n" for name in names[: 2 * BATCH]))
    again = Counting()
    assert np.array_equal(Kept(again, 2, tmp_path / "v").encode(sentences), whole)
    assert again.asked == cut.asked[2:]
    assert not (Kept(again, 2, tmp_path / "v").encode(sentences) != whole).any()
    assert len(again.asked) == 1


def test_probabilities_are_calibrated_on_articles_not_seen() -> None:
    data = annotations(articles=120)
    x = columns(data, 1.0)
    seen, unseen = np.arange(640), np.arange(640, 960)
    heads = t.fit_heads(x[seen], data.take(seen), RECIPE, 0)
    p = heads.probabilities(heads.log_odds(x[unseen]))
    assert np.abs(p.mean(0) - data.labels[unseen].mean(0)).max() < 0.06


def test_auc_and_calibration_error_by_hand() -> None:
    labels = np.array([0, 0, 1, 1], np.int8)
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), labels) == 0.75
    assert np.isnan(auc(np.ones(2), np.ones(2, np.int8)))
    assert calibration_error(np.array([0.5, 0.5, 0.5, 0.5]), labels) == pytest.approx(0.5)
    half = np.concatenate([np.zeros(1500), np.ones(1500)])
    assert calibration_error(half, half.astype(np.int8)) == 0


def test_one_class_only_is_null_and_stays_out_of_the_mean() -> None:
    data = annotations(articles=3)
    data.labels[:, 0] = 0
    found = evaluate(np.tile(np.linspace(0, 1, 24)[:, None], (1, 7)), data, resamples=5)
    assert found["auc"]["EXPL"] is None
    assert found["macro_auc"] is not None
    assert found["n"] == {
        "quotes": 24,
        "articles": 3,
        "positive": dict(zip(STRATEGIES, data.labels.sum(0).tolist(), strict=True)),
    }


GOOD = {"article": "a", "strategy": "EXPL", "quote": "Cells divide."}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "line 3 is no JSON"),
        ("[1, 2]", "line 3 is no JSON object"),
        (json.dumps(GOOD | {"quote": "  "}), "line 3 has no quote"),
        (json.dumps({"article": "a", "quote": "b"}), "line 3 has no strategy"),
        (json.dumps(GOOD | {"strategy": "HOOK"}), "line 3: 'HOOK' is none of EXPL"),
        (json.dumps(GOOD | {"strategy": ["EXPL"]}), "line 3 has no strategy"),
    ],
)
def test_train_and_evaluate_name_a_malformed_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n", "utf-8")
    for command in (["train", "--out", str(tmp_path)], ["evaluate", "--json"]):
        result = CliRunner().invoke(main, ["axes", *command, "--data", str(path)])
        assert result.exit_code == 2
        assert said in " ".join(result.output.replace("│", " ").split())


def test_train_refuses_data_in_which_a_strategy_never_stands(tmp_path: Path) -> None:
    data = annotations(articles=3)
    data.labels[:, 3] = 0
    with pytest.raises(t.MalformedData, match="LEAD is the strategy of no quote"):
        t.train(Counting(), data, RECIPE, 0, 1.0, {}, tmp_path / "w")


def test_same_quote_of_one_article_is_one_with_all_its_strategies(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [GOOD, GOOD | {"strategy": "STORY", "quote": "Cells  divide.\n"}, GOOD | {"article": "b"}]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    data = t.read(path)
    assert data.labels.tolist() == [[1, 0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]]
