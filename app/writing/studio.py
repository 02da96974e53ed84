"""What writes and measures: engine, scorer and encoder of meaning, loading in the background, and the queue before
them. The editor opens before they are ready, and when they can't be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import structlog

from app.axes.types import Explanation, Scorer
from app.llm.gate import Gate
from app.llm.types import Engine, EngineError, EngineInfo
from app.settings import Settings
from app.text.claims import Encode
from app.web.errors import Problem
from app.writing.candidates import Meaning
from app.writing.revise import Reviser
from app.writing.strategies import Label, Strategy, load_book

log = structlog.get_logger()

REMOTE_STREAMS = 4
"""A model server batches by itself; the model on this machine writes for one press at a time."""

EXPLAINED = 500
"""Texts whose explanation is kept: a writer opens the same versions again and again."""

Status = Literal["loading", "ready", "error"]


class _Part:
    """Something that takes long to make ready and may fail."""

    def __init__(self, name: str, load: Callable[[], None]) -> None:
        self.name, self._load = name, load
        self.status: Status = "loading"
        self.error: EngineError | None = None

    def load(self) -> None:
        self.status, self.error = "loading", None
        try:
            self._load()
        except Exception as error:  # whatever it is, the editor has to open and say so
            if not isinstance(error, EngineError):
                log.exception("loading failed", part=self.name, exc_info=error)
                error = EngineError(
                    "model-failed",
                    f"The {self.name} could not be loaded ({type(error).__name__}: {error}).",
                    "The server's log has the details; mend it and press Try again.",
                )
            self.status, self.error = "error", error
        else:
            self.status = "ready"

    def refusal(self) -> Problem | None:
        """503, or None when it is ready."""
        if self.error is not None:
            return Problem(
                503,
                self.error.code,
                f"{self.error.what} {self.error.mend}",
                mend=self.error.mend,
                headers={"Retry-After": "30"},
            )
        if self.status == "loading":
            return Problem(
                503,
                "model-loading",
                f"The {self.name} is still loading. Try again in a moment.",
                headers={"Retry-After": "5"},
            )
        return None


class Studio:
    """One a server. Parts handed in take the place of those the settings name."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine | None = None,
        scorer: Scorer | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        self.settings = settings
        self._engine, self._scorer, self._meaning = engine, scorer, meaning
        self._info: EngineInfo | None = None
        self._model = _Part("language model", self._load_model)
        self._measure = _Part("scorer", self._load_scorer)
        self._loading = threading.Lock()
        self.stoppers: dict[str, Callable[[], None]] = {}
        """How to stop the generations that are open now, by id; callable from any thread."""
        self._explain = lru_cache(EXPLAINED)(self._explain_anew)
        self.when_loaded: Callable[[], None] = lambda: None
        """Called each time the model was loaded, before anything is written with it."""
        self.gate = Gate(REMOTE_STREAMS if settings.llm_url else 1, settings.queue_bound)

    # ── loading ──

    def start(self) -> None:
        """Load what is not ready, in a thread of its own; does nothing while that goes on."""
        if self._loading.acquire(blocking=False):
            for part in (self._measure, self._model):
                if part.status == "error":
                    part.status, part.error = "loading", None
            threading.Thread(target=self._load, name="studio", daemon=True).start()

    def _load(self) -> None:
        try:
            # Placing works without the model, so the scorer comes first.
            for part in (self._measure, self._model):
                if part.status != "ready":
                    part.load()
        finally:
            self._loading.release()

    def _load_scorer(self) -> None:
        if self._scorer is None:
            from app.axes.scorer import BaseScorer

            self._scorer = BaseScorer(self._store)
        self._scorer.load()

    def _load_model(self) -> None:
        if self._engine is None:
            from app.llm.factory import make_engine

            self._engine = make_engine(self.settings)
        self._engine.load()
        if self._meaning is None:
            from app.axes.scorer import MiniLM

            meaning = MiniLM(self._store.minilm_folder())
            meaning.load()
            self._meaning = meaning
        self._info = self._engine.info()
        self.when_loaded()

    def serve(self, layer: Path | None) -> str | None:
        """Put a tuned layer into service, or none, at once: what is under way goes on with the one it has. Gives its
        id. Raises EngineError, and Problem 503 before the model is there."""
        if self._engine is None or self._info is None:
            raise self.problem or Problem(503, "model-loading", "The language model is still loading. Try again soon.")
        tuned_id = self._engine.add(layer) if layer is not None else None
        self._engine.serve(tuned_id)
        self._info = self._engine.info()
        return tuned_id

    @cached_property
    def _store(self) -> Any:
        from app.llm.store import ModelStore

        return ModelStore(self.settings)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    # ── asking ──

    @property
    def problem(self) -> Problem | None:
        """Why nothing can be written now."""
        return self._measure.refusal() or self._model.refusal()

    @property
    def scorer(self) -> Scorer:
        """Raises Problem 503."""
        refusal = self._measure.refusal()
        if refusal is not None:
            raise refusal
        assert self._scorer is not None
        return self._scorer

    def explain(self, text: str) -> Explanation:
        """Why it stands where it does; kept by text. Raises Problem 503, and Unplaceable."""
        return self._explain(text)

    def _explain_anew(self, text: str) -> Explanation:
        return self.scorer.explain(text)

    @property
    def info(self) -> EngineInfo:
        """Of the loaded model. Raises Problem 503."""
        refusal = self.problem
        if refusal is not None:
            raise refusal
        assert self._info is not None
        return self._info

    @property
    def reviser(self) -> Reviser:
        """Raises Problem 503."""
        refusal = self.problem
        if refusal is not None:
            raise refusal
        assert self._engine is not None
        assert self._meaning is not None
        full, tuned_id = self.settings.full_plans, self.info.tuned_id
        return Reviser(self._engine, self.scorer, self._meaning, full, tuned_id=tuned_id)

    @property
    def encode(self) -> Encode | None:
        """Of meaning; None until it is loaded."""
        return self._meaning.encode if self._meaning is not None and self.problem is None else None

    def status(self) -> dict[str, Any]:
        scorer_id = self._scorer.scorer_id if self._scorer and self._measure.status == "ready" else None
        return {
            "status": self._model.status,
            "info": asdict(self._info) if self._info and self._model.status == "ready" else None,
            "problem": _told(self._model.error),
            "scorer": {
                "status": self._measure.status,
                "scorer_id": scorer_id,
                "problem": _told(self._measure.error),
            },
            "queue": self.gate.snapshot(),
        }

    # ── labels ──

    def usable(self, label: Label) -> list[Strategy]:
        """The strategies of a label that this size of model can carry out."""
        return label.usable(None, full=self.settings.full_plans)

    def usable_labels(self) -> list[Label]:
        """The labels that have a button."""
        return [label for label in load_book().labels if self.usable(label)]

    def labels(self) -> dict[str, Any]:
        """The buttons, by group."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for label in load_book().labels:
            strategies = [{"id": s.id, "name": s.name, "plan": s.plan, "source": s.source} for s in self.usable(label)]
            if strategies:
                shown = {
                    "id": label.id,
                    "name": label.name,
                    "hint": label.hint,
                    "push": label.push,
                    "strategies": strategies,
                }
                groups.setdefault(label.group, []).append(shown)
        return {
            "groups": [{"id": group, "name": GROUP_NAMES[group], "labels": labels} for group, labels in groups.items()],
            "candidates": self.settings.candidates,
        }


GROUP_NAMES = {
    "exposition": "Exposition",
    "bridge": "Bridge",
    "engagement": "Engagement",
    "any": "Your own",
}


def _told(error: EngineError | None) -> dict[str, str] | None:
    return {"code": error.code, "detail": error.what, "mend": error.mend} if error else None
