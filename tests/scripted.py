"""The real app with a scripted writer behind it: quick, the same every time, and faulty on request.

`python -m tests.scripted --port 8124 --data-dir DIR [--delay 0.03] [--fault stall --fault-at 5] [--broken-model]`

A running server's faults are changed by writing DIR/fault.json, e.g. {"kind": "reset", "at": "last", "times": 1}. Its
seeds begin anew with the number in DIR/seed. While DIR/hold-model is there the model does not load, while
DIR/hold-scorer is there the scorer neither loads nor places anything.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.axes.types import Axis, Explanation, Placement, Reason, SentenceShare, Unplaceable
from app.llm import layers
from app.llm.store import ModelStore
from app.llm.types import Chunk, Draw, EngineError, EngineInfo
from app.settings import Settings
from app.text import sentences

THINGS = (
    "small lamp", "quiet river", "wooden bridge", "patient gardener", "folded map", "kitchen sponge", "worn shoelace",
    "garden gate", "slow clock", "leaky bucket", "crowded station", "paper boat", "stone wall", "spare key",
    "long queue", "warm blanket", "narrow door", "shared meal", "old library", "steep staircase",
)  # fmt: skip
DEEDS = (
    "keeps the room bright", "carries small loads", "holds until it is full", "lets few people through",
    "loses a little every day", "waits for the right moment", "soaks up what is spilled", "turns in one direction",
    "slows whoever passes", "protects what lies behind it", "wears thin at the edge", "opens only for some",
    "fills again by morning", "hands on what it is given", "breaks where it is weak",
)  # fmt: skip
ENDS = (
    "until someone takes it away.", "as long as nobody pushes it.", "although few people notice.",
    "and then has to be mended.", "before the evening comes.", "so that others can rest.",
    "wherever there is too much of it.", "which is why it matters.", "even when the weather changes.",
    "just as it should.",
)  # fmt: skip

LINKS = ("In other words", "As a result", "In a way", "Even so", "At the same time", "In short", "To that end")

Kind = Literal["none", "reset", "stall", "hang", "crash", "memory", "empty"]
HANG_SECONDS = 20.0


def held(file: Path | None) -> None:
    """Wait while there is such a file: what a test looks at lasts as long as the test needs it."""
    while file is not None and file.exists():
        time.sleep(0.02)


@dataclass
class Fault:
    """What goes wrong in a stream. `at`: after so many words of all answers together, or before the `last` one.

    reset and memory raise EngineError, crash raises something else, stall yields nothing more until it is
    cancelled, hang does not listen for 20 s, empty answers without a word. `times` -1 is always.
    """

    kind: Kind = "none"
    at: int | Literal["last"] = 0
    times: int = -1


class ScriptedEngine:
    """Answers begin with the prefill and end in a full stop; the same draw gives the same answer.

    `broken`: how many loads fail, -1 for all.
    """

    def __init__(
        self,
        delay: float = 0.0,
        fault: Fault | None = None,
        *,
        broken: int = 0,
        load_seconds: float = 0.0,
        control: Path | None = None,
        model: str | None = None,
        hold: Path | None = None,
    ) -> None:
        """With `model`, a folder or `default`, it goes by that model's name and hash, and checks layers against it."""
        self.delay, self.fault, self.broken, self.load_seconds = delay, fault or Fault(), broken, load_seconds
        self.control, self.hold = control, hold
        self.hold_at: int | None = None
        """So many words of a stream are written, and no more until it is None or the stream is cancelled."""
        self.active = 0
        """Streams that have not ended: nobody may leave one behind."""
        self._lock = threading.Lock()
        self._layers: set[str] = set()
        self._info = EngineInfo("scripted", None, "cpu", "none", "0" * 64, "local")
        self.wrote_with: list[str | None] = []
        """The tuned layer of each draw."""
        if model is not None:
            identity = ModelStore(Settings()).identify(model)
            self._info = EngineInfo(identity.model_id, None, "cpu", "none", identity.sha256, "local")

    def info(self) -> EngineInfo:
        return self._info

    def add(self, layer: Path) -> str:
        tuned_id = layers.read(layer, str(self._info.sha256)).tuned_id
        self._layers.add(tuned_id)
        return tuned_id

    def serve(self, tuned_id: str | None) -> None:
        assert tuned_id is None or tuned_id in self._layers
        self._info = replace(self._info, tuned_id=tuned_id)

    def load(self) -> None:
        time.sleep(self.load_seconds)
        held(self.hold)
        self._refuse_if_broken()

    def close(self) -> None:
        pass

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        self.wrote_with += [draw.tuned_id for draw in draws]
        kind, at = self._next_fault()
        words = [_pieces("" if kind == "empty" else answer(draw)) for draw in draws]
        total = sum(map(len, words))
        stop_at = None if kind in ("none", "empty") else max(0, total - 1) if at == "last" else min(at, total - 1)
        with self._lock:
            self.active += 1
        try:
            yield from self._write(words, kind, stop_at, cancel)
        finally:
            with self._lock:
                self.active -= 1

    def _write(
        self, words: list[list[str]], kind: Kind, stop_at: int | None, cancel: threading.Event
    ) -> Iterator[Chunk]:
        written = 0
        unfinished = [i for i, pieces in enumerate(words) if pieces]
        yield from (Chunk(i, "", "stop") for i, pieces in enumerate(words) if not pieces)
        for k in range(max(map(len, words), default=0)):
            if self.delay and unfinished:
                cancel.wait(self.delay)
            for i in list(unfinished):
                if written == stop_at:
                    self._fail(kind, cancel)
                while self.hold_at is not None and written >= self.hold_at and not cancel.is_set():
                    time.sleep(0.01)
                if cancel.is_set():
                    yield from (Chunk(j, "", "cancelled") for j in unfinished)
                    return
                last = k == len(words[i]) - 1
                if last:
                    unfinished.remove(i)
                written += 1
                yield Chunk(i, words[i][k], "stop" if last else None, tokens=1)

    def _fail(self, kind: Kind, cancel: threading.Event) -> None:
        if kind == "stall":
            cancel.wait()
        elif kind == "hang":
            time.sleep(HANG_SECONDS)
        elif kind == "crash":
            raise RuntimeError("the scripted engine fell over")
        elif kind == "memory":
            raise EngineError("model-memory", "There is not enough memory for the model.", "Free some and try again.")
        else:
            raise EngineError(
                "model-server-down", "The model broke off in the middle of an answer.", "Try again in a moment."
            )

    def _next_fault(self) -> tuple[Kind, int | Literal["last"]]:
        with self._lock:
            if self.control is not None and self.control.exists():
                self.fault = Fault(**json.loads(self.control.read_text()))
                self.control.unlink()
            if self.fault.kind == "none" or self.fault.times == 0:
                return "none", 0
            self.fault.times -= 1
            return self.fault.kind, self.fault.at

    def _refuse_if_broken(self) -> None:
        if self.broken:
            self.broken -= 1
            raise EngineError(
                "model-missing", "The default model is not installed.", "Run `make setup`, then press Try again."
            )


def answer(draw: Draw) -> str:
    rng = random.Random(draw.seed)
    thing, deed, end = rng.choice(THINGS), rng.choice(DEEDS), rng.choice(ENDS)
    prefill = draw.prompt.prefill
    if "," in draw.sampling.stop:  # a few linking words are asked for
        return rng.choice(LINKS)
    opening = f"{prefill} a {thing}" if prefill else f"Picture a {thing}"
    sentence = f"{opening} that {deed} {end}"
    request = draw.prompt.messages[-1].content
    if "question" in draw.prompt.messages[0].content:  # Muse: finished with words of the text it is about
        words = [word for word in request.lower().split() if word.isalpha() and len(word) > 4]
        return f"{prefill} {' '.join(dict.fromkeys(words[:5]))}?"
    whole = "paragraph only" in draw.prompt.messages[0].content
    return f"{request.rsplit(chr(10) * 2, 1)[0]} {sentence}" if whole else sentence


def _pieces(text: str) -> list[str]:
    """Words, each with the space before it; joined they are the text."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []


def _unit(text: str, salt: str) -> float:
    """0 to 1, by the text alone."""
    return int.from_bytes(hashlib.sha256(f"{salt}{text}".encode()).digest()[:4]) / 0xFFFFFFFF


class ScriptedScorer:
    """Sentences weigh by their words; wording of science pulls up, wording of stories to the right.

    `scale` is that of another scorer: its points lie `SHIFT` higher and further left for each step, `delay` is what a
    text takes, in seconds.
    """

    SHIFT = 5.0
    UP = ("research", "scientist", "finding", "result", "suggest", "mean", "because", "reason", "%", "°", "example")
    RIGHT = ("like", "imagine", "picture", "you", "think", "story", "people", "?", "!", "day", "every")

    def __init__(self, scale: int = 1, delay: float = 0.0, load_seconds: float = 0.0, hold: Path | None = None) -> None:
        self.scale, self.delay, self.load_seconds, self.hold = scale, delay, load_seconds, hold

    @property
    def scorer_id(self) -> str:
        return "scripted" if self.scale == 1 else f"scripted-{self.scale}"

    def load(self) -> None:
        time.sleep(self.load_seconds)
        held(self.hold)

    def score(self, texts: Sequence[str]) -> list[Placement]:
        time.sleep(self.delay * len(texts))
        held(self.hold)
        return [self._place(text) for text in texts]

    def explain(self, text: str) -> Explanation:
        parts, placement = self._parts(text), self._place(text)
        shares, reasons = [], []
        for i, part in enumerate(parts):
            up, right = placement.exposition - 50, placement.engagement - 50
            if rest := [other.text for other in parts if other is not part]:
                without = self._point(rest)
                up, right = placement.exposition - without[0], placement.engagement - without[1]
            shares.append(SentenceShare(part.start, part.end, round(up, 2), round(right, 2)))
            axes: tuple[tuple[Axis, str, float, tuple[str, ...]], ...] = (
                ("exposition", "EXPL", up, self.UP),
                ("engagement", "ANALOGY", right, self.RIGHT),
            )
            for axis, name, points, cues in axes:
                evidence = tuple(cue for cue in cues if cue in part.text.lower())
                reasons.append(Reason(axis, name, round(points, 2), i, evidence))
        return Explanation(placement, tuple(shares), tuple(sorted(reasons, key=lambda reason: -abs(reason.points))))

    def _parts(self, text: str) -> list[sentences.Sentence]:
        parts = [s for s in sentences.split(text) if any(c.isalpha() for c in s.text)]
        if not parts:
            raise Unplaceable("This paragraph has no words yet, so it can't be placed. Write a sentence first.")
        return parts

    def _place(self, text: str) -> Placement:
        exposition, engagement = self._point([part.text for part in self._parts(text)])
        spread = 1.5 + 2 * _unit(text, "spread") if len(text.split()) > 3 else 18.0
        return Placement(round(exposition, 2), round(engagement, 2), round(spread, 2), self.scorer_id)

    def _point(self, parts: Sequence[str]) -> tuple[float, float]:
        weights = [len(part.split()) for part in parts]
        up = [self._score(part, "up", self.UP) for part in parts]
        right = [self._score(part, "right", self.RIGHT) for part in parts]
        shift = self.SHIFT * (self.scale - 1)
        return float(np.average(up, weights=weights)) + shift, float(np.average(right, weights=weights)) - shift

    def _score(self, sentence: str, axis: str, cues: tuple[str, ...]) -> float:
        found = sum(cue in sentence.lower() for cue in cues)
        return 35 + 15 * _unit(sentence, axis) + 14 * min(found, 3)


class ScriptedMeaning:
    """Bags of words over a shared ground, so that no two texts are strangers."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), 64), np.float32)
        vectors[:, 0] = 1
        for row, text in zip(vectors, texts, strict=True):
            words = text.lower().split()
            for word in words:
                row[1 + int(63 * _unit(word, "meaning")) % 63] += 1 / len(words)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scripted_app(
    settings: Settings, engine: ScriptedEngine | None = None, scorer: ScriptedScorer | None = None, **options: Any
) -> Any:
    """What takes no time to load is there when the app has started: no test runs a race with the thread that loads."""
    from app.main import create_app

    engine, scorer = engine or ScriptedEngine(**options), scorer or ScriptedScorer()
    app = create_app(settings, engine=engine, scorer=scorer, meaning=ScriptedMeaning())
    if all(part.hold is None and not part.load_seconds for part in (engine, scorer)):
        studio = app.state.studio
        start = studio.start

        def start_and_wait() -> None:
            start()
            with studio._loading:
                pass

        studio.start = start_and_wait
    return app


def main() -> None:
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8124)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--fault", default="none", choices=Kind.__args__)
    parser.add_argument("--fault-at", default="5")
    parser.add_argument("--fault-times", type=int, default=-1)
    parser.add_argument("--broken-model", type=int, nargs="?", const=-1, default=0, metavar="LOADS")
    parser.add_argument("--load-seconds", type=float, default=0.0, help="of the scorer, and then of the model")
    parser.add_argument("--scale", type=int, default=1, help="of the scorer; another number is another scorer")
    parser.add_argument("--scorer-delay", type=float, default=0.0, help="seconds a text")
    parser.add_argument("--model", help="Goes by the name and hash of this one.")
    parser.add_argument("--seed", type=int, default=0, help="of the seeds that generations are given")
    given = parser.parse_args()
    rng, again = random.Random(given.seed), given.data_dir / "seed"

    def randbits(k: int) -> int:
        with contextlib.suppress(FileNotFoundError):
            rng.seed(int(again.read_text()))
            again.unlink()
        return rng.getrandbits(k)

    secrets.randbits = randbits
    at = "last" if given.fault_at == "last" else int(given.fault_at)
    engine = ScriptedEngine(
        given.delay,
        Fault(given.fault, at, given.fault_times),
        broken=given.broken_model,
        load_seconds=given.load_seconds,
        control=given.data_dir / "fault.json",
        model=given.model,
        hold=given.data_dir / "hold-model",
    )
    scorer = ScriptedScorer(given.scale, given.scorer_delay, given.load_seconds, given.data_dir / "hold-scorer")
    # Everything else as the environment has it.
    settings = Settings(data_dir=given.data_dir, port=given.port)
    if given.model is not None:
        settings = settings.model_copy(update={"model": given.model})
    print(f"http://127.0.0.1:{given.port}", flush=True)
    uvicorn.run(
        scripted_app(settings, engine, scorer), port=given.port, log_level="warning", timeout_graceful_shutdown=3
    )


if __name__ == "__main__":
    main()
