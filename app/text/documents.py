"""Text out of the files people bring: Markdown, plain text and Word."""

from __future__ import annotations

import codecs
import io
import zipfile
from pathlib import PurePath
from typing import Any

_TEXT_SUFFIXES = {".md", ".markdown", ".txt", ".text", ""}
_MOST_UNPACKED = 60_000_000
_MOST_XML = 20_000_000
_MOST_ENTRIES = 5_000
_OLE = b"\xd0\xcf\x11\xe0"  # old Word, and the wrapper Office puts around an encrypted document
_ELSE = "Save it as .docx, .md or .txt and bring that."


class Unreadable(ValueError):
    """No text can be had from the file; the message is a sentence for the person who brought it."""


def read(filename: str, data: bytes) -> str:
    """The text of a .md, .txt or .docx file, line ends as "\\n", no byte-order mark.

    Text is read as UTF-8, as UTF-16 or UTF-32 after a byte-order mark, and otherwise as Windows-1252. From
    Word come the paragraphs of the body in order (headings marked "#", tables row by row, inserted tracked
    changes kept, deleted ones not; no footnotes, comments or headers), a blank line between them.

    Raises Unreadable.
    """
    suffix = PurePath(filename.replace("\\", "/")).suffix.lower()
    if not data.strip():
        raise Unreadable("The file is empty.")
    if suffix == ".docx":
        text = _docx(data)
    elif suffix in _TEXT_SUFFIXES:
        text = _plain(data)
    else:
        raise Unreadable(f"Files of the type “{suffix}” can't be read here. {_ELSE}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Unreadable("There is no text in the file.")
    return text


def _plain(data: bytes) -> str:
    if data.startswith((b"PK\x03\x04", b"%PDF-", _OLE, b"{\\rtf")):
        raise Unreadable(f"The file's name says text, but it is another kind of document. {_ELSE}")
    encodings = ["utf-8-sig", "cp1252"]
    # UTF-32's mark begins with UTF-16's, so it has to be tried first.
    for mark, name in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            encodings = [name]
            break
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _looks_binary(text):
            return text
    raise Unreadable(f"The file is not text that can be read. {_ELSE}")


def _looks_binary(text: str) -> bool:
    """Control characters hardly occur in prose; one NUL is proof enough."""
    controls = sum(character < " " and character not in "\t\n\r\f\v" for character in text)
    return "\0" in text or controls * 200 > len(text)


def _docx(data: bytes) -> str:
    if data.startswith(_OLE):
        raise Unreadable(f"The document is protected by a password, or made by Word before 2007. {_ELSE}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_bounds(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as problem:
        if isinstance(problem, Unreadable):
            raise
        raise Unreadable("The file is damaged or not a Word document (.docx).") from problem
    try:
        return _docx_text(data)
    except Exception as problem:  # python-docx and lxml raise what the damage happens to lead to
        raise Unreadable("The file is damaged or not a Word document (.docx).") from problem


def _check_bounds(archive: zipfile.ZipFile) -> None:
    """zipfile stops reading a member at the size its header declares, so these sizes are true bounds."""
    entries = archive.infolist()
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable(f"The document is protected by a password. {_ELSE}")
    xml = max((entry.file_size for entry in entries if entry.filename.endswith((".xml", ".rels"))), default=0)
    if len(entries) > _MOST_ENTRIES or xml > _MOST_XML or sum(e.file_size for e in entries) > _MOST_UNPACKED:
        raise Unreadable(
            "The document unpacks to more than can be read here. Remove its pictures or bring it in parts."
        )


def _docx_text(data: bytes) -> str:
    import docx

    document = docx.Document(io.BytesIO(data))
    w = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    fallback = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
    pieces = {f"{w}tab": "\t", f"{w}br": "\n", f"{w}cr": "\n", f"{w}noBreakHyphen": "-"}

    def inside(element: Any, tag: str) -> Any:
        return next(element.iterancestors(tag), None)

    def text_of(paragraph: Any) -> str:
        # Not paragraph.text: that leaves out tracked insertions and fields. A text box has its own
        # paragraphs.
        parts = []
        for node in paragraph.iter(f"{w}t", *pieces):
            if inside(node, f"{w}p") is paragraph and inside(node, f"{w}tabs") is None:
                parts.append(node.text or "" if node.tag == f"{w}t" else pieces[node.tag])
        return "".join(parts).strip()

    headings = {
        style.style_id: "#" * (int(style.name[-1]) if style.name[-1].isdigit() else 1)
        for style in document.styles
        if style.name and (style.name == "Title" or style.name.startswith("Heading "))
    }
    blocks: list[tuple[Any, str]] = []
    for paragraph in document.element.body.iter(f"{w}p"):
        text = text_of(paragraph)
        if not text or inside(paragraph, fallback) is not None:
            continue
        row = inside(paragraph, f"{w}tr")
        if row is not None and blocks and blocks[-1][0] is row:
            blocks[-1] = (row, f"{blocks[-1][1]} | {text}")
            continue
        mark = headings.get(paragraph.style or "", "")
        blocks.append((row, f"{mark} {text}" if mark and row is None else text))
    return "\n\n".join(text for _, text in blocks)
