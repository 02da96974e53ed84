"""Answers that a real model wrote once, given again: for pilots on a machine that can't run the model in time.

A recording is a gzipped JSONL file. Its first line says which model wrote it; each further line is one answer, with
what it was an answer to. `Recorder` makes one while a real engine works, `RecordedEngine` gives it back.

What was asked word for word, with the same seed, is answered word for word. A writer who has changed a text asks what
was never asked; then the answer to the same task, with the same opening where there is one, about the text that
shares most words with this one is given. Whoever reads it can't tell how well the model would have done on the changed
text: a study that is run on recordings says so in what it freezes and in its export.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.llm.types import Chunk, Draw, Engine, EngineError, EngineInfo, FinishReason, Prompt

FORMAT = "spatialbalancing-recording/1"
SHIPPED = Path(__file__).with_name("recordings") / "default.jsonl.gz"
WORD_SECONDS = 0.02
"""Between two words, so that a pilot sees them arrive."""
_WORDS = re.compile(r"[^\W_]+")
_PIECES = re.compile(r"\s*\S+")


@dataclass(frozen=True)
class Line:
    """One answer. `task` hashes all that is the same for every text: the messages but the last, and how it is drawn;
    `text` is the last message. `answer` begins with `prefill`; `tokens` counts those the model wrote."""

    task: str
    text: str
    prefill: str
    seed: int
    answer: str
    finish: FinishReason
    tokens: int


def path_of(model: str) -> Path:
    """SPATIAL_MODEL=recorded plays the recording that comes with the app, recorded:FILE another."""
    named = model.partition(":")[2]
    return Path(named) if named else SHIPPED


def task_of(draw: Draw) -> str:
    told = [[m.role, m.content] for m in draw.prompt.messages[:-1]]
    return hashlib.sha256(json.dumps([told, draw.sampling.one_sentence, draw.sampling.stop]).encode()).hexdigest()[:16]


def _text_of(prompt: Prompt) -> str:
    return prompt.messages[-1].content if prompt.messages else ""


class Recorder:
    """An engine that keeps what the one inside it writes. Safe to use from several threads, as far as that one is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self.lines: dict[tuple[str, str, str, int], Line] = {}

    def info(self) -> EngineInfo:
        return self._engine.info()

    def load(self) -> None:
        self._engine.load()

    def add(self, layer: Path) -> str:
        return self._engine.add(layer)

    def serve(self, tuned_id: str | None) -> None:
        self._engine.serve(tuned_id)

    def close(self) -> None:
        self._engine.close()

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        answers, tokens = [""] * len(draws), [0] * len(draws)
        for chunk in self._engine.stream(draws, cancel):
            answers[chunk.index] += chunk.text
            tokens[chunk.index] += chunk.tokens
            if chunk.finish in ("stop", "length"):
                draw = draws[chunk.index]
                line = Line(
                    task_of(draw), _text_of(draw.prompt), draw.prompt.prefill, draw.seed,
                    answers[chunk.index], chunk.finish, tokens[chunk.index],
                )  # fmt: skip
                with self._lock:
                    self.lines.setdefault((line.task, line.text, line.prefill, line.seed), line)
            yield chunk

    def write(self, path: Path, made_by: str) -> None:
        """`made_by` is the command. The same answers give the same bytes."""
        head = {"format": FORMAT, "model": asdict(self._engine.info()), "made_by": made_by}
        with self._lock:
            lines = sorted(self.lines.values(), key=lambda line: (line.task, line.text, line.prefill, line.seed))
        body = "".join(
            json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
            for entry in (head, *({**asdict(line)} for line in lines))
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(gzip.compress(body.encode(), 9, mtime=0))
        partial.replace(path)


class RecordedEngine(Engine):
    """Gives recorded answers. Safe to use from several threads."""

    def __init__(self, path: Path = SHIPPED, word_seconds: float = WORD_SECONDS) -> None:
        """With `word_seconds` 0 an answer comes as one piece."""
        self._path, self._word_seconds = path, word_seconds
        self._info: EngineInfo | None = None
        self._exact: dict[tuple[str, str, str, int], Line] = {}
        self._tasks: dict[str, list[tuple[Line, frozenset[str]]]] = {}
        self._loading = threading.Lock()

    def load(self) -> None:
        with self._loading:
            if self._info is None:
                self._read()

    def _read(self) -> None:
        try:
            with gzip.open(self._path, "rt", encoding="utf-8") as file:
                head = json.loads(file.readline())
                lines = [Line(**json.loads(line)) for line in file]
            model: dict[str, Any] = {FORMAT: head["model"]}[head["format"]]
        except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise EngineError(
                "recording-unreadable",
                f"The recording {self._path} can't be read ({error}).",
                "Make one with `spatialbalancing study record`, or set SPATIAL_MODEL to a model.",
            ) from error
        tasks: dict[str, list[tuple[Line, frozenset[str]]]] = defaultdict(list)
        for line in lines:
            self._exact[line.task, line.text, line.prefill, line.seed] = line
            tasks[line.task].append((line, _words(line.text)))
        self._tasks = dict(tasks)
        info = EngineInfo(**{**model, "kind": "recorded"})
        self._info = replace(info, model_id=f"{info.model_id} (recorded)", device="recording")

    def info(self) -> EngineInfo:
        self.load()
        assert self._info is not None
        return self._info

    def add(self, layer: Path) -> str:
        raise EngineError("tuned-recorded", f"{layer.name} can't be put on a recording.", "Run the model itself.")

    def serve(self, tuned_id: str | None) -> None:
        raise EngineError("tuned-recorded", "The tuned layer of a recording can't be changed.", "Run the model itself.")

    def close(self) -> None:
        """Nothing is held."""

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        self.load()
        given: set[str] = set()
        writing: dict[int, list[str]] = {}
        lines = []
        for i, draw in enumerate(draws):
            line = self._line(draw, given)
            given.add(line.answer)
            lines.append(line)
            pieces = [*([draw.prompt.prefill] if draw.prompt.prefill else []), *_PIECES.findall(_rest(line))]
            writing[i] = pieces if self._word_seconds else ["".join(pieces)] if pieces else []
        yield from (Chunk(i, "", lines[i].finish) for i, pieces in writing.items() if not pieces)
        for k in range(max(map(len, writing.values()), default=0)):
            if self._word_seconds:
                cancel.wait(self._word_seconds)
            open_now = [i for i, pieces in writing.items() if k < len(pieces)]
            if cancel.is_set():
                yield from (Chunk(i, "", "cancelled") for i in open_now)
                return
            for i in open_now:
                last = k == len(writing[i]) - 1
                yield Chunk(i, writing[i][k], lines[i].finish if last else None, tokens=1)

    def _line(self, draw: Draw, given: Iterable[str]) -> Line:
        """Raises EngineError when nothing of the kind was recorded."""
        task, text, prefill = task_of(draw), _text_of(draw.prompt), draw.prompt.prefill
        exact = self._exact.get((task, text, prefill, draw.seed))
        if exact is not None:
            return exact
        of_task = self._tasks.get(task, [])
        if not of_task:
            raise EngineError(
                "not-recorded",
                "Nothing was recorded for this kind of request.",
                "Record it with `spatialbalancing study record`, or run the model itself.",
            )
        wanted, seen = _words(text), set(given)
        same_opening = [pair for pair in of_task if pair[0].prefill == prefill]
        # An answer is given once a batch as long as there are others, nearest text first; the seed breaks ties.
        return min(
            same_opening or of_task,
            key=lambda pair: (
                pair[0].answer in seen,
                -round(_shared(wanted, pair[1]), 2),
                hashlib.sha256(f"{draw.seed}{pair[0].seed}{pair[0].answer}".encode()).digest(),
            ),
        )[0]


def _rest(line: Line) -> str:
    return line.answer.removeprefix(line.prefill)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORDS.findall(text))


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's coefficient."""
    return len(a & b) / len(a | b) if a or b else 1.0
