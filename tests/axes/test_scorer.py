"""The real scorers, on the real base weights."""

import threading

import numpy as np
import pytest

from app.axes import features
from app.axes.heads import STRATEGIES
from app.axes.scorer import BaseScorer, IndependentScorer, MiniLM
from app.axes.types import Unplaceable
from app.llm.store import ModelStore
from app.settings import Settings

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

DRY = (
    "The enzyme consists of four subunits and binds one molecule of oxygen at each of them. "
    "Binding at one subunit raises the affinity of the others, which is called cooperativity."
)
LIVELY = (
    "Imagine you are standing on the roof of the world, gasping. Every breath feels like sucking air through a straw."
)


@pytest.fixture(scope="module")
def scorer() -> BaseScorer:
    made = BaseScorer(ModelStore(Settings()))
    made.load()
    return made


def test_a_lively_scene_stands_right_of_a_dry_mechanism_and_below_it(scorer: BaseScorer) -> None:
    dry, lively = scorer.score([DRY, LIVELY])
    assert lively.engagement > dry.engagement + 10
    assert dry.exposition > lively.exposition
    assert dry.spread < 8
    assert lively.spread < 8


def test_a_new_scorer_gives_the_same_points_alone_together_and_from_threads(scorer: BaseScorer) -> None:
    together = scorer.score([DRY, LIVELY])
    fresh = BaseScorer(ModelStore(Settings()))
    assert [fresh.score([LIVELY])[0], fresh.score([DRY])[0]] == together[::-1]
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(scorer.score([DRY + " " + LIVELY]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(f == found[0] for f in found)


@pytest.mark.parametrize("text", ["", "   \n", "12 345 —", "🎉🎉"])
def test_a_text_without_words_is_refused_in_words(scorer: BaseScorer, text: str) -> None:
    with pytest.raises(Unplaceable, match="no words"):
        scorer.score([text])


@pytest.mark.parametrize(
    "text",
    [
        "No",
        "wort " * 4000,
        "ДРУГОЙ ЯЗЫК.",
        "نص باللغة العربية هنا.",
        "def f(x): return x + 1",
        "A | B\n1 | 2",
    ],
    ids=["one word", "20,000 characters", "Russian", "Arabic", "code", "table"],
)
def test_odd_texts_get_a_finite_point_on_the_canvas(scorer: BaseScorer, text: str) -> None:
    (placement,) = scorer.score([text])
    assert -50 < placement.exposition < 150
    assert -50 < placement.engagement < 150
    assert placement.spread >= 0


def test_reasons_name_strategies_features_and_words_that_stand_in_the_text(scorer: BaseScorer) -> None:
    explanation = scorer.explain(LIVELY)
    assert explanation.placement == scorer.score([LIVELY])[0]
    known = {*STRATEGIES, *features.NAMES, "exposition", "engagement"}
    assert {reason.name for reason in explanation.reasons} <= known
    engaging = [r for r in explanation.reasons if r.axis == "engagement"]
    assert engaging
    assert sum(r.points for r in engaging) > 0
    for reason in explanation.reasons:
        assert all(word in LIVELY for word in reason.evidence)


def test_probabilities_tell_a_comparison_from_a_mechanism(scorer: BaseScorer) -> None:
    dry, lively = scorer.probabilities([DRY, LIVELY])
    analogy, explanation = STRATEGIES.index("ANALOGY"), STRATEGIES.index("EXPL")
    assert lively[analogy] > dry[analogy]
    assert dry[explanation] > lively[explanation]
    assert ((dry > 0) & (dry < 1)).all()


def test_the_independent_scorer_is_another_one(scorer: BaseScorer) -> None:
    independent = IndependentScorer(ModelStore(Settings()))
    dry, lively = independent.score([DRY, LIVELY])
    assert lively.engagement > dry.engagement
    assert dry.scorer_id != scorer.scorer_id


def test_what_is_known_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    encoded: list[str] = []
    real = SentenceTransformer.encode

    def told(self: SentenceTransformer, inputs: list[str], **options: object) -> object:
        encoded.extend(inputs)
        return real(self, inputs, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(SentenceTransformer, "encode", told)
    meaning = MiniLM(ModelStore(Settings()).minilm_folder())
    ice, moss = "Ice flows under its own weight.", "Moss drinks through its leaves."
    first = meaning.encode([ice, moss, ice])
    assert first.shape == (3, 384)
    assert np.array_equal(first[0], first[2])
    again = meaning.encode([moss, "A third sentence stands between.", ice])
    assert np.array_equal(again[[2, 0]], first[:2])
    assert encoded == [ice, moss, "A third sentence stands between."]
    assert len(meaning.encode([])) == 0
