"""What the rest of the house knows of a language model: a prompt goes in, streams of text come out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """Chat messages, and the words the answer has to begin with (`prefill`, part of the answer)."""

    messages: tuple[Message, ...]
    prefill: str = ""


@dataclass(frozen=True)
class Sampling:
    """How one candidate is drawn. `stop` strings end it and are not part of the answer.

    `one_sentence` ends the answer after its first complete sentence.
    """

    temperature: float = 0.8
    top_p: float = 0.95
    repetition_penalty: float = 1.0
    max_tokens: int = 200
    stop: tuple[str, ...] = ()
    one_sentence: bool = False
    logprobs: bool = False


@dataclass(frozen=True)
class Draw:
    """One candidate to write: its prompt, sampling and seed.

    The same batch of draws gives the same texts on the same machine. In fp32 a draw does so alone as well; in bf16 what
    it shares its batch with can tip a near tie (seen in 2 of 8 draws of the default model).
    """

    prompt: Prompt
    seed: int
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Chunk:
    """A piece of candidate `index`'s answer (the prefill comes as the first piece).

    One without text and finish is a sign of life: the prompt is being read, or the model thinks.

    `finish` stands on the last chunk of a candidate, and only there. `logprob` is the natural-log
    probability of the chunk's tokens, summed, under the model's distribution at temperature 1, where it was asked
    for and the engine can tell.
    """

    index: int
    text: str
    finish: FinishReason | None = None
    logprob: float | None = None
    tokens: int = 0


@dataclass(frozen=True)
class EngineInfo:
    """`sha256` is of the weights file (default model), else of the folder's index of file hashes, else null."""

    model_id: str
    tuned_id: str | None
    device: str
    dtype: str
    sha256: str | None
    kind: Literal["local", "remote", "recorded"]


class EngineError(Exception):
    """The model can't answer. `code` is stable, `what` and `mend` are sentences for a person."""

    def __init__(self, code: str, what: str, mend: str) -> None:
        super().__init__(f"{what} {mend}")
        self.code, self.what, self.mend = code, what, mend


class Engine(Protocol):
    """Who writes. Two implementations (local, remote); nothing else knows which is behind it."""

    def info(self) -> EngineInfo:
        """Raises EngineError when the model can't be reached or loaded."""
        ...

    def load(self) -> None:
        """Make the model ready to answer; returns at once when it is. Raises EngineError."""
        ...

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        """Write all draws together, yielding pieces as they come; setting `cancel` ends all within a token.

        Closing the iterator cancels too. Raises EngineError; what was yielded before stays valid.
        """
        ...

    def close(self) -> None: ...
