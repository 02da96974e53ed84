import contextlib
import io
import time
import zipfile

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import documents
from app.text.documents import Unreadable


def word_file(build):
    document = docx.Document()
    build(document)
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


def test_a_word_document_gives_its_paragraphs_in_order():
    def build(document):
        document.add_heading("Telomeres", level=1)
        document.add_paragraph("Each chromosome ends in repeats.\nOn two lines.")
        document.add_paragraph("")
        table = document.add_table(rows=2, cols=2)
        for n, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"cell {n}"
        document.add_paragraph("شكرا 👩‍🔬 <script>alert(1)</script>")

    assert documents.read("draft.DOCX", word_file(build)) == (
        "# Telomeres\n\nEach chromosome ends in repeats.\nOn two lines.\n\ncell 0 | cell 1\n\ncell 2 | cell 3"
        "\n\nشكرا 👩‍🔬 <script>alert(1)</script>"
    )


def test_tracked_insertions_are_kept_and_deletions_left_out():
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    def build(document):
        paragraph = document.add_paragraph("Kept ")
        for xml in (
            f'<w:ins {nsdecls("w")} w:id="1" w:author="x"><w:r><w:t>inserted</w:t></w:r></w:ins>',
            f'<w:del {nsdecls("w")} w:id="2" w:author="x"><w:r><w:delText>deleted</w:delText></w:r></w:del>',
        ):
            paragraph._p.append(parse_xml(xml))

    assert documents.read("draft.docx", word_file(build)) == "Kept inserted"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("naïve µm — “quoted” 👩‍🔬".encode(), "naïve µm — “quoted” 👩‍🔬"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("sixteen µm 👩".encode("utf-16"), "sixteen µm 👩"),
        (b"\xfe\xff" + "big end".encode("utf-16-be"), "big end"),
        ("thirty-two µ".encode("utf-32"), "thirty-two µ"),
        ("Windows: “5 µm” – naïve".encode("cp1252"), "Windows: “5 µm” – naïve"),
        (b"one\r\n\r\ntwo\rthree", "one\n\ntwo\nthree"),
        ("<b>שלום</b>\u200b".encode(), "<b>שלום</b>\u200b"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "folder\\b.MARKDOWN", "noname"])
def test_text_comes_in_as_it_was_written(name, data, expected):
    assert documents.read(name, data) == expected


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip))
def test_any_unicode_text_survives(text):
    if text.startswith(("PK\x03\x04", "%PDF-", "{\\rtf", "\ufeff")):
        return
    assert documents.read("a.md", text.encode()) == text


def archive(entries, **kwargs):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in entries:
            zipped.writestr(name, content)
    return data.getvalue()


BOMB = [("word/document.xml", b"<w>" + b" " * 200_000_000)]
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (n, b"&%c;" % (n - 1) * 10) for n in range(ord("b"), ord("l")))
    + b"]><w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'>"
    + b"<w:body><w:p><w:r><w:t>&k;</w:t></w:r></w:p></w:body></w:document>"
)


def with_document_xml(xml):
    whole = word_file(lambda document: document.add_paragraph("x"))
    with zipfile.ZipFile(io.BytesIO(whole)) as zipped:
        return archive([(n, xml if n == "word/document.xml" else zipped.read(n)) for n in zipped.namelist()])


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.txt", b"", "empty"),
        ("a.md", b" \n\n", "empty"),
        ("a.txt", "\u00a0\u2003".encode(), "no text"),
        ("a.txt", bytes(range(256)) * 40, "not text"),
        ("a.txt", b"text\0with nul", "not text"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        ("a.txt", b"PK\x03\x04rest", "another kind"),
        ("a.md", b"%PDF-1.7 x", "another kind"),
        ("a.pdf", b"%PDF-1.7 x", "“.pdf”"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1", "“.doc”"),
        ("a.exe", b"MZ", "“.exe”"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "password"),
        ("a.docx", b"just text", "damaged"),
        ("a.docx", b"PK\x03\x04cut off", "damaged"),
        ("a.docx", archive([("hello.txt", b"hi")]), "damaged"),
        ("a.docx", archive([(f"word/{n}.xml", b"") for n in range(6_000)]), "unpacks"),
        ("a.docx", archive(BOMB), "unpacks"),
        ("a.docx", with_document_xml(LAUGHS), ""),
        ("a.docx", word_file(lambda document: None), "no text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(name, data, says):
    began = time.thread_time()
    with pytest.raises(Unreadable) as refused:
        documents.read(name, data)
    assert time.thread_time() - began < 2
    message = str(refused.value)
    assert says in message
    assert message[0].isupper()
    assert message.endswith(".")


def test_a_file_cut_anywhere_is_refused_or_read_never_a_crash():
    whole = word_file(lambda document: document.add_paragraph("Telomeres shorten."))
    for cut in range(0, len(whole), 997):
        with pytest.raises(Unreadable):
            documents.read("a.docx", whole[:cut])


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read_never_a_crash(data):
    for name in ("a.txt", "a.docx", "a.md", "a"):
        with contextlib.suppress(Unreadable):
            assert documents.read(name, data).strip()
