"""A draft as a document to hand on, in Markdown or Word; where it is wanted, with who wrote which sentence."""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.writing import provenance, store
from app.writing.events import DraftExported, note
from app.writing.models import Version
from app.writing.strategies import load_book

HEADING = "Who wrote which sentence"
NO_TEXT = "There is no text yet."
RULE = (
    "Each sentence was followed back through the draft’s versions to the one it first stands in; case and punctuation "
    "make no other sentence of it. A model’s sentence that the writer changed counts as edited while at least "
    f"{provenance.EDITED:.0%} of the words stayed, and as the writer’s after that."
)
_TITLE = re.compile(r"(#{1,6})\s+(\S.*?)\s*#*")
# XML 1.0 holds no other control characters, and no halves of surrogate pairs.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Line:
    """A row of the table: the paragraph's number in the document, the sentence, and who wrote it."""

    paragraph: int
    sentence: str
    kind: provenance.Kind
    who: str


@dataclass(frozen=True)
class Manuscript:
    """The paragraphs as they stand. `lines` is None where the table is not wanted."""

    title: str
    number: int
    updated_at: datetime
    paragraphs: tuple[str, ...]
    lines: tuple[Line, ...] | None

    @property
    def summary(self) -> str:
        """How many sentences are whose."""
        lines = self.lines or ()
        counts = Counter(line.kind for line in lines)
        of = f"Of {len(lines)} sentences" if len(lines) != 1 else "Of 1 sentence"
        return (
            f"{of}, {counts['writer']} by the writer, {counts['model']} by a model, {counts['edited']} by a model and "
            "edited by the writer."
        )


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(session: Session, writer_id: str, draft_id: str, *, with_provenance: bool = False) -> Manuscript:
    """The draft as it stands. Raises Problem 404."""
    draft = store.draft(session, writer_id, draft_id)
    heads = [p.head_version_id for p in store.paragraphs(session, draft_id) if not p.removed and p.head_version_id]
    versions = {version.id: version for version in store.versions(session, draft_id)}
    return Manuscript(
        title=draft.title,
        number=draft.number,
        updated_at=draft.updated_at,
        paragraphs=tuple(versions[head].text for head in heads),
        lines=_lines(session, draft_id, heads, versions) if with_provenance else None,
    )


def note_export(
    session: Session, writer_id: str, draft_id: str, number: int, kind: Any, *, with_provenance: bool = False
) -> None:
    store.draft(session, writer_id, draft_id)
    note(session, writer_id, draft_id, DraftExported(number=number, format=kind, provenance=with_provenance))


def _lines(session: Session, draft_id: str, heads: Sequence[str], versions: dict[str, Version]) -> tuple[Line, ...]:
    parents = store.parents(session, Version.draft_id == draft_id)
    stages = [
        provenance.Stage(x.id, x.text, tuple(parents.get(x.id, ())), x.model_id is not None) for x in versions.values()
    ]
    traced = provenance.trace(stages, heads)
    return tuple(
        Line(i, " ".join(found.text.split()), found.origin.kind, who(found.origin.kind, versions[found.origin.stage]))
        for i, head in enumerate(heads, start=1)
        for found in traced[head]
    )


def who(kind: provenance.Kind, version: Version) -> str:
    """Whoever wrote a sentence that first appears in `version`, in words."""
    if kind == "writer":
        if version.operation == "combine":
            return "Combined from two versions, without a model"
        return "The writer (imported)" if version.operation == "import" else "The writer"
    model = " + ".join(filter(None, (version.model_id, version.tuned_id)))
    how = _how(version)
    return f"{model}{f' ({how})' if how else ''}{', edited by the writer' if kind == 'edited' else ''}"


def _how(version: Version) -> str:
    if version.operation == "prompt":
        return "the writer’s own prompt"
    if version.label is None:
        return "combining two versions" if version.operation == "combine" else ""
    try:
        label = load_book().label(version.label)
    except KeyError:
        return ": ".join(filter(None, (version.label, version.strategy)))
    strategy = next((s.name for s in label.strategies if s.id == version.strategy), version.strategy or "")
    return ": ".join(dict.fromkeys(filter(None, (label.name, strategy))))


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def markdown(manuscript: Manuscript) -> str:
    parts = [f"# {manuscript.title}", *manuscript.paragraphs]
    if manuscript.lines == ():
        parts += [f"## {HEADING}", NO_TEXT]
    elif manuscript.lines:
        rows = [f"| {x.paragraph} | {_cell(x.sentence)} | {_cell(x.who)} |" for x in manuscript.lines]
        table = "\n".join(["| Paragraph | Sentence | Who |", "|---:|---|---|", *rows])
        parts += [f"## {HEADING}", manuscript.summary, RULE, table]
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def docx(manuscript: Manuscript) -> bytes:
    """A Word document. Paragraphs that are a Markdown heading become one; characters that XML can't hold are shown as
    U+FFFD. It names no person and no program; its only times are those of the draft."""
    import docx as python_docx

    document = python_docx.Document()
    about = document.core_properties
    about.title = _xml(manuscript.title)
    about.author = about.last_modified_by = about.comments = about.keywords = about.subject = ""
    about.created = about.modified = manuscript.updated_at
    _add(document.add_heading("", 0), manuscript.title)
    for text in manuscript.paragraphs:
        heading = _TITLE.fullmatch(text.strip())
        paragraph = document.add_heading("", len(heading[1])) if heading else document.add_paragraph()
        _add(paragraph, heading[2] if heading else text)
    if manuscript.lines is not None:
        document.add_heading(HEADING, 1)
    if manuscript.lines == ():
        document.add_paragraph(NO_TEXT)
    elif manuscript.lines:
        document.add_paragraph(manuscript.summary)
        document.add_paragraph(RULE)
        _add_table(document, manuscript.lines)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add_table(document: Any, lines: Sequence[Line]) -> None:
    from docx.oxml import OxmlElement
    from docx.shared import Cm

    table = document.add_table(rows=len(lines) + 1, cols=3, style="Table Grid")
    table.autofit = False
    widths = (Cm(2.2), Cm(8.6), Cm(4.4))
    told = [("Paragraph", "Sentence", "Who"), *((str(x.paragraph), x.sentence, x.who) for x in lines)]
    for row, texts in zip(table.rows, told, strict=True):
        for cell, text, width in zip(row.cells, texts, widths, strict=True):
            cell.width = width
            _add(cell.paragraphs[0], text)
    # A long table says on each page what its columns are.
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for cell in table.rows[0].cells:
        for run in cell.paragraphs[0].runs:
            run.bold = True


def _add(paragraph: Any, text: str) -> None:
    """Text whose first strong letter runs from the right gets a paragraph that does."""
    from docx.oxml import OxmlElement

    run = paragraph.add_run(_xml(text))
    strong = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    if strong != "L":
        paragraph._p.get_or_add_pPr().append(OxmlElement("w:bidi"))
        run.font.rtl = True


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text.replace("\x0b", "\n").replace("\x0c", "\n"))
