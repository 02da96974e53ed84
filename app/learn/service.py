"""The use cases of learning. Each is called inside one transaction and raises Problem when it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.db.engine import Database
from app.learn import comparisons as pairing
from app.learn import shelf, store
from app.learn import views as v
from app.learn.shelf import Learnt
from app.llm import layers
from app.llm.types import EngineError
from app.settings import Settings
from app.web.errors import Problem
from app.writing import events
from app.writing.events import note
from app.writing.strategies import load_book
from app.writing.studio import Studio

log = structlog.get_logger()

FEWEST_TO_TELL = 5
"""Held-out paragraphs below which a scorecard decides nothing."""


class Follower:
    """Keeps what writes in step with what was chosen, here or at the command line. One a server."""

    def __init__(self, database: Database, studio: Studio, held: Callable[[Session], str | None]) -> None:
        """`held` says why nobody may change now what writes, as a sentence; None where they may."""
        self.database, self.studio, self.held = database, studio, held
        self.problem: EngineError | None = None
        """Why the chosen layer does not write."""
        self._followed = 0

    def anew(self) -> None:
        """After the model was loaded: with the settings' own layer, as it always is."""
        self._followed = 0
        self.follow()

    def follow(self) -> None:
        """Put the latest choice into effect, if it isn't yet."""
        if not changeable(self.studio.settings):
            return
        with self.database.read() as session:
            served = store.served(session)
        if served is None or served.id == self._followed:
            return
        try:
            self.put(served.choice, served.id)
        except (EngineError, Problem) as error:
            log.warning("the chosen layer does not write", choice=served.choice, error=str(error))

    def put(self, choice: str, number: int) -> str | None:
        """The id of what writes from now on. Raises EngineError, and Problem 503 before the model is there."""
        settings = self.studio.settings
        try:
            tuned_id = self.studio.serve(file_of(settings, choice))
        except EngineError as error:
            self._followed, self.problem = number, error
            raise
        self._followed, self.problem = number, None
        return tuned_id


def changeable(settings: Settings) -> bool:
    """Whether layers can be put in service here."""
    return fixed(settings) is None


def fixed(settings: Settings) -> str | None:
    """Why they can't, as a sentence."""
    if settings.llm_url:
        return "The model is on another server (SPATIAL_LLM_URL), so its layers can't be changed from here."
    if not settings.learn:
        return "Learning is switched off here (SPATIAL_LEARN)."
    if settings.tuned != "default":
        return f"SPATIAL_TUNED={settings.tuned} fixes what writes on this server."
    return None


def file_of(settings: Settings, choice: str) -> Path | None:
    """What a choice means; None for the untuned model. Raises EngineError for a layer that is not on the shelf."""
    if choice == "off":
        return None
    if choice == "default":
        return layers.configured(settings)
    found = shelf.path(settings, choice)
    if found is None:
        raise EngineError("tuned-missing", f"The layer {choice} is not on this machine.", "Choose another one.")
    return found


# ── consent ────────────────────────────────────────────────────────────────────────────────────────────────────────


def consent(session: Session, writer_id: str) -> v.ConsentView:
    return v.ConsentView(consent=store.consents(session, writer_id))


def set_consent(session: Session, writer_id: str, *, given: bool) -> v.ConsentView:
    if store.set_consent(session, writer_id, given=given):
        note(session, writer_id, None, events.LearningAllowed() if given else events.LearningRevoked())
    return v.ConsentView(consent=given)


# ── what is in service ─────────────────────────────────────────────────────────────────────────────────────────────


def choose(session: Session, writer_id: str, follower: Follower, choice: str) -> v.Served:
    """Put a layer in service, for everybody on this server and at once. Raises Problem 404 for one that isn't there,
    409 where the settings or a study fix what writes or the layer is refused, 503 before the model is loaded."""
    settings, studio = follower.studio.settings, follower.studio
    reason = fixed(settings) or follower.held(session)
    if reason is not None:
        raise Problem(409, "tuned-fixed", reason)
    if choice not in ("default", "off") and shelf.path(settings, choice) is None:
        raise Problem(404, "not-found", "This layer is not on this machine.")
    before = studio.info.tuned_id
    served = store.choose(session, choice, writer_id)
    try:
        tuned_id = follower.put(choice, served.id)
    except EngineError as error:
        raise Problem(409, error.code, f"{error.what} {error.mend}") from error
    note(session, writer_id, None, events.LayerServed(choice=choice, tuned_id=tuned_id, replaced=before))
    return v.Served(choice=choice, in_service=tuned_id)


def overview(session: Session, writer_id: str, follower: Follower) -> v.LearnView:
    settings, studio, book = follower.studio.settings, follower.studio, load_book()
    shared = store.comparisons(session, book)
    served = store.served(session)
    info = studio.info if studio.problem is None else None
    return v.LearnView(
        consent=store.consents(session, writer_id),
        mine=pairing.pairs(store.comparisons(session, book, writer_id)),
        shared=pairing.pairs(shared),
        lack=pairing.too_few(shared),
        fixed=fixed(settings) or follower.held(session),
        choice=served.choice if served and changeable(settings) else "default",
        in_service=info.tuned_id if info else None,
        ships=_ships(settings),
        ready=info is not None,
        problem=str(follower.problem) if follower.problem else None,
        layers=[_view(learnt, info.sha256 if info else None) for learnt in shelf.listed(settings)],
        names={strategy.id: strategy.name for label in book.labels for strategy in label.strategies},
    )


def _ships(settings: Settings) -> bool:
    try:
        return layers.configured(settings) is not None
    except EngineError:
        return False


def _view(learnt: Learnt, sha256: str | None) -> v.LayerView:
    return v.LayerView(
        tuned_id=learnt.tuned_id,
        made_at=learnt.made_at,
        pairs=learnt.pairs,
        started_from=learnt.started_from,
        block=learnt.block,
        steps=learnt.steps,
        fits=sha256 is None or sha256 == learnt.base_sha256,
        scorecard=learnt.scorecard,
        verdict=verdict(learnt.scorecard),
    )


def verdict(card: dict[str, Any]) -> v.Verdict:
    """What its margins on unseen paragraphs say against what was in service then, and how sure that is."""
    gain, paragraphs = card.get("gain"), card.get("paragraphs", 0)
    if not gain:
        return v.Verdict(kind="unclear", words="Not compared yet.")
    if paragraphs < FEWEST_TO_TELL:
        few = f"Compared on {pairing.many(paragraphs, 'unseen paragraph')}, too few to tell."
        return v.Verdict(kind="unclear", words=few)
    if gain["low"] > 0:
        return v.Verdict(kind="better", words="Finds confirmed versions likelier than what was in service did.")
    if gain["high"] < 0:
        return v.Verdict(kind="worse", words="Finds confirmed versions less likely than what was in service did.")
    return v.Verdict(kind="unclear", words="No difference that the unseen paragraphs can show.")
