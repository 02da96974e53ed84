"""The corpus for tuning: a paragraph, a strategy and a good answer a line, made into what the editor would send.

The prompt is built by the function that builds it when a label is pressed, so what is learnt is what will be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.llm.types import Prompt
from app.writing import candidates
from app.writing.candidates import Ask, Parent
from app.writing.strategies import Book, Strategy, load_book

DEFAULT = Path(__file__).parent / "corpus" / "strategies.jsonl"

Split = Literal["train", "held-out"]


class Row(BaseModel):
    """A line of the file. `source` is the sentence of a source that the prompt shows, in a list, where the strategy
    takes its facts from one; `own` is what the writer typed, where it asks for that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    field: str = Field(min_length=1)
    topic: str = Field(min_length=1)
    split: Split
    label: str
    strategy: str
    paragraph: str = Field(min_length=1)
    prefill: str
    answer: str = Field(min_length=1)
    source: tuple[str, ...] = ()
    own: str = ""


@dataclass(frozen=True)
class Example:
    """A line with the request that the editor would make of it."""

    row: Row
    parent: Parent
    asked: Ask

    @property
    def prompt(self) -> Prompt:
        return self.asked.prompt

    @property
    def completion(self) -> str:
        """The text to be learnt: what follows the prefill, with the white space between them."""
        return self.row.answer[len(self.prompt.prefill.rstrip()) :]


def examples(path: Path = DEFAULT, book: Book | None = None) -> list[Example]:
    """Every line of a JSONL file, in its order; `book` is that of the editor if none is given.

    Raises ValueError, with the file and the line, for what is no example of a strategy of the small model.
    """
    return list(_read(path, book or load_book()))


def _read(path: Path, book: Book) -> Iterator[Example]:
    seen: set[str] = set()
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            example = build(Row.model_validate_json(line), book)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise _wrong(path, number, f"{place + ': ' if place else ''}{first['msg']}") from error
        except (KeyError, ValueError) as error:
            raise _wrong(path, number, error.args[0]) from error
        if example.row.id in seen:
            raise _wrong(path, number, f"there is an example “{example.row.id}” already")
        seen.add(example.row.id)
        yield example


def _wrong(path: Path, number: int, what: str) -> ValueError:
    return ValueError(f"{path.name}, line {number}: {what}")


def build(row: Row, book: Book) -> Example:
    """Raises KeyError or ValueError with what is wrong with the row, in words."""
    (strategy,) = book.label(row.label).usable(row.strategy, full=False)
    if bool(row.own) != strategy.takes_prompt:
        raise ValueError(f"{strategy.id} {'needs a' if strategy.takes_prompt else 'takes no'} prompt of the writer’s")
    if len(row.source) != (1 if strategy.source else 0):
        raise ValueError(f"{strategy.id} {'needs one sentence of a' if strategy.source else 'takes no'} source")
    parent = Parent(row.paragraph, row.source)
    opening = template(row.prefill, strategy, parent)
    if not row.answer.startswith(row.prefill):
        raise ValueError(f"the answer does not begin with its prefill, “{row.prefill}”")
    return Example(row, parent, candidates.ask(book, strategy, parent, opening, full=False, own=row.own))


def template(prefill: str, strategy: Strategy, parent: Parent) -> str:
    """The opening of the strategy that becomes `prefill` with this paragraph's key term. Raises ValueError."""
    rendered = {candidates.fill(opening, parent.key_term): opening for opening in strategy.prefills}
    if prefill not in rendered:
        known = ", ".join(f"“{opening}”" for opening in rendered)
        raise ValueError(f"“{prefill}” is no prefill of {strategy.id} here; there are {known}")
    return rendered[prefill]
