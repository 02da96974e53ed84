"""The source pack of a draft: texts that its facts may be taken from, and the search for the sentences that fit."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.text import claims
from app.web.errors import Problem, not_found
from app.writing import events, store, undo
from app.writing import views as v
from app.writing.events import note
from app.writing.models import Source

MOST_CHARS = 1_000_000
MOST_SOURCES = 20
SHOWN = 3
"""Sentences of the sources that a prompt shows."""
LONGEST = 400
"""Characters of a sentence that is shown; what is longer is a table or a list, not a sentence."""
CACHED_PACKS = 8

MISSING = "No source is attached, so no method, sample or source was stated. Attach one under Sources."

# Quicker than syntok by far, for texts of hundreds of pages; a cut at an abbreviation costs a search little.
_ENDS = re.compile(r"(?<=[.!?。！？])[\"”’)\]]*\s+(?=[\"“‘(\[]?[^\W_a-z])|\n\s*\n")


@dataclass(frozen=True)
class Passage:
    """A sentence of a source, and how near it is to what was looked for, 0 to 1."""

    title: str
    text: str
    score: float


class Pack:
    """The sources of a draft as one thing to search. The index is built when it is first asked; thread-safe."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """`texts`: title and text of each source."""
        self._texts = list(texts)
        self._lock = threading.Lock()

    @cached_property
    def _index(self) -> tuple[list[tuple[str, str]], Any, Any]:
        """Sentences with their titles, the vectoriser, and the matrix (sentences × words), rows of unit length."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        found = [(title, sentence) for title, text in self._texts for sentence in split(text)]
        vectoriser = TfidfVectorizer(analyzer=claims.content, sublinear_tf=True)
        try:
            matrix = vectoriser.fit_transform([sentence for _, sentence in found])
        except ValueError:  # not one word in all of them
            return [], None, None
        return found, vectoriser, matrix

    def nearest(self, text: str, k: int = SHOWN) -> list[Passage]:
        """The `k` sentences with the most of the text's words, rare words first; fewer where no more share one."""
        with self._lock:
            found, vectoriser, matrix = self._index
        if not found:
            return []
        scores = (matrix @ vectoriser.transform([text]).T).toarray().ravel()
        best = scores.argsort(kind="stable")[::-1][:k]
        return [Passage(found[i][0], found[i][1], round(float(scores[i]), 4)) for i in best if scores[i] > 0]


def split(text: str) -> list[str]:
    """Sentences of a source with white space folded, those without three words or too long to be one left out."""
    pieces = (" ".join(piece.split()) for piece in _ENDS.split(text))
    return [piece for piece in pieces if len(piece.split()) > 2 and len(piece) <= LONGEST]


_packs: OrderedDict[tuple[str, ...], Pack] = OrderedDict()
_packs_lock = threading.Lock()


def pack_of(session: Session, draft_id: str) -> Pack | None:
    """The draft's sources, None where it has none. A source's text never changes, so a pack is kept by their ids."""
    own = select(Source.id).where(Source.draft_id == draft_id, Source.removed.is_(False))
    ids = tuple(session.scalars(own.order_by(Source.created_at, Source.id)))
    if not ids:
        return None
    with _packs_lock:
        if ids in _packs:
            _packs.move_to_end(ids)
            return _packs[ids]
    pack = Pack((source.title, source.text) for source in store.sources(session, draft_id))
    with _packs_lock:
        _packs[ids] = pack
        while len(_packs) > CACHED_PACKS:
            _packs.popitem(last=False)
    return pack


# ── attaching, reading, removing ───────────────────────────────────────────────────────────────────────────────────


def add(session: Session, writer_id: str, draft_id: str, wanted: v.NewSource) -> v.SourceView:
    """Raises Problem 404, 422 where there is no text or too much of it, 409 when the draft has all it may have."""
    draft = store.hold(session, writer_id, draft_id)
    text = wanted.text.strip()
    if not any(character.isalpha() for character in text):
        raise Problem(422, "empty", "A source needs some text. Paste it, or bring a .md, .txt or .docx file.")
    if len(text) > MOST_CHARS:
        detail = f"A source may have {MOST_CHARS:,} characters, and this has {len(text):,}. Attach it in parts."
        raise Problem(422, "source-too-long", detail)
    known = store.sources(session, draft_id)
    if len(known) >= MOST_SOURCES:
        raise Problem(409, "too-many-sources", f"A draft may have {MOST_SOURCES} sources. Remove one first.")
    twin = next((source for source in known if source.text == text), None)
    if twin is not None:
        raise Problem(409, "source-known", f"This text is attached already, as “{twin.title}”.")
    source = Source(draft_id=draft.id, title=wanted.title.strip() or _first_words(text), text=text)
    session.add(source)
    session.flush()
    digest = hashlib.sha256(text.encode()).hexdigest()
    event = events.SourceAdded(source_id=source.id, title=source.title, chars=len(text), text_sha256=digest)
    note(session, writer_id, draft.id, event)
    undo.keep(session, draft, "source")
    return v.SourceView.of(source)


def listed(session: Session, draft_id: str) -> list[v.SourceView]:
    """Oldest first, and without fetching megabytes of text for their length."""
    columns = select(Source.id, Source.title, func.length(Source.text), Source.created_at)
    own = columns.where(Source.draft_id == draft_id, Source.removed.is_(False))
    rows = session.execute(own.order_by(Source.created_at, Source.id))
    return [v.SourceView(id=i, title=title, chars=chars, created_at=made) for i, title, chars, made in rows]


def read(session: Session, writer_id: str, draft_id: str, source_id: str) -> v.SourceText:
    source = _own(session, writer_id, draft_id, source_id)
    return v.SourceText(**v.SourceView.of(source).model_dump(), text=source.text)


def remove(session: Session, writer_id: str, draft_id: str, source_id: str) -> None:
    """The row is kept. Removing what is removed does nothing."""
    draft = store.hold(session, writer_id, draft_id)
    source = _own(session, writer_id, draft_id, source_id, removed=True)
    if not source.removed:
        source.removed = True
        note(session, writer_id, draft.id, events.SourceRemoved(source_id=source.id))
    undo.keep(session, draft, "source")


def _own(session: Session, writer_id: str, draft_id: str, source_id: str, *, removed: bool = False) -> Source:
    store.draft(session, writer_id, draft_id)
    source = session.get(Source, source_id)
    if source is None or source.draft_id != draft_id or (source.removed and not removed):
        raise not_found()
    return source


def _first_words(text: str) -> str:
    words: Sequence[str] = text.split(maxsplit=8)[:8]
    return " ".join(words)[:80]
