"""What a writer's choice teaches: the version they confirmed, and its siblings that they discarded.

Siblings are versions of one press of a label. Each has the prompt it was written from, as it was recorded; what is
compared are the words that the model wrote, not the paragraph they were put into.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.llm.types import Message, Prompt
from app.writing.candidates import Parent, tidy, unsplice
from app.writing.models import Version
from app.writing.strategies import Book

FEWEST = 20
"""Discarded siblings below which nothing is tuned: chance would decide."""
FEWEST_PARAGRAPHS = 5
"""One is held out, one chooses among checkpoints, and the rest teach."""
SHARE = 0.2
"""Of the paragraphs, for each of the first two."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Written(_Frozen):
    """One version: what the model was asked, and what it wrote after the prefill, white space between them included.
    `ended` is false where the app cut it after its first sentence."""

    version: str
    strategy: str
    messages: tuple[Message, ...] = Field(min_length=1)
    prefill: str
    response: str = Field(min_length=1)
    ended: bool

    @property
    def prompt(self) -> Prompt:
        return Prompt(self.messages, self.prefill)


class Comparison(_Frozen):
    """A line of an exported file."""

    generation: str
    paragraph: str
    label: str
    model_id: str | None
    tuned_id: str | None
    chosen: Written
    rejected: tuple[Written, ...] = Field(min_length=1)


class BadFile(Exception):
    """An exported file can't be used; the line is named."""


def written(version: Version, parent_text: str, book: Book) -> Written | None:
    """None where the model's own words can't be told from the paragraph: the strategy is no longer there."""
    strategy = next((s for label in book.labels for s in label.strategies if s.id == version.strategy), None)
    if strategy is None or not version.prompt or not version.prompt["messages"]:
        return None
    sampling = version.sampling or {}
    cut = bool(sampling.get("one_sentence"))
    plan = strategy.plan if cut or strategy.plan == "rewrite-sentence" else "rewrite-all"
    answer = unsplice(version.text, plan, Parent(parent_text))
    prefill = version.prompt["prefill"]
    given = tidy(prefill)
    if answer is None or not answer.startswith(given) or not answer[len(given) :].strip():
        return None
    messages = tuple(Message(**message) for message in version.prompt["messages"])
    return Written(
        version=version.id,
        strategy=strategy.id,
        messages=messages,
        prefill=prefill,
        response=answer[len(given) :],
        ended=not cut,
    )


def compare(siblings: Sequence[Version], parent_text: str, label: str, book: Book) -> list[Comparison]:
    """One for each confirmed version of a generation with discarded siblings."""
    refused = [w for w in (written(x, parent_text, book) for x in siblings if x.status == "discarded") if w]
    found = []
    for version in siblings:
        chosen = written(version, parent_text, book) if version.status == "confirmed" else None
        if chosen is not None and refused:
            found.append(
                Comparison(
                    generation=str(version.generation_id),
                    paragraph=version.paragraph_id,
                    label=label,
                    model_id=version.model_id,
                    tuned_id=version.tuned_id,
                    chosen=chosen,
                    rejected=tuple(refused),
                )
            )
    return found


def pairs(comparisons: Iterable[Comparison]) -> int:
    """How many discarded siblings there are in all."""
    return sum(len(comparison.rejected) for comparison in comparisons)


def too_few(comparisons: Sequence[Comparison]) -> str | None:
    """A sentence about what is lacking, or None when it is enough to learn from."""
    count, paragraphs = pairs(comparisons), len({c.paragraph for c in comparisons})
    if count >= FEWEST and paragraphs >= FEWEST_PARAGRAPHS:
        return None
    return (
        f"There {'is' if count == 1 else 'are'} {many(count, 'discarded version')} beside a confirmed one, in "
        f"{many(paragraphs, 'paragraph')}; at "
        f"least {FEWEST} in {FEWEST_PARAGRAPHS} paragraphs are needed. Confirm what is good and discard what is "
        "not, of one press of a label, with learning switched on."
    )


def many(count: int, what: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def split(
    comparisons: Sequence[Comparison], taught: Iterable[str] = ()
) -> tuple[list[Comparison], list[Comparison], list[Comparison]]:
    """To learn from, to choose among checkpoints by, and held out; by paragraph, so that no text is in two of them.

    The order of paragraphs is that of their ids' hashes. Of `taught`, from which the layer to begin with has learnt
    already, none is held out or chooses.
    """
    order = sorted({c.paragraph for c in comparisons}, key=lambda p: hashlib.sha256(p.encode()).hexdigest())
    free = [paragraph for paragraph in order if paragraph not in set(taught)]
    some = max(1, round(SHARE * len(order)))
    held, checked = set(free[:some]), set(free[some : 2 * some])
    parts: tuple[list[Comparison], list[Comparison], list[Comparison]] = ([], [], [])
    for comparison in comparisons:
        place = 2 if comparison.paragraph in held else 1 if comparison.paragraph in checked else 0
        parts[place].append(comparison)
    return parts


def unseen(comparisons: Iterable[Comparison], taught: Iterable[str]) -> list[Comparison]:
    """Those of paragraphs that a layer has not learnt from."""
    known = set(taught)
    return [comparison for comparison in comparisons if comparison.paragraph not in known]


def digest(comparisons: Iterable[Comparison]) -> str:
    """Of all that is in them: another set is another digest."""
    hashed = hashlib.sha256()
    for comparison in comparisons:
        hashed.update(comparison.model_dump_json().encode() + b"\n")
    return hashed.hexdigest()


def write(comparisons: Iterable[Comparison], path: Path) -> None:
    """JSONL, readable by its owner alone: drafts are in it. Raises OSError, FileExistsError among them."""
    lines = "".join(comparison.model_dump_json() + "\n" for comparison in comparisons)
    with open(path, "x", encoding="utf-8", opener=_private) as file:
        file.write(lines)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read(path: Path) -> list[Comparison]:
    """Raises BadFile."""
    try:
        # By line feeds alone: splitlines() would end a line at a U+2028 inside a text, too.
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(Comparison.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise BadFile(f"{path}, line {number}: {place + ': ' if place else ''}{first['msg']}.") from error
    if not found:
        raise BadFile(f"{path} holds no comparison.")
    return found
