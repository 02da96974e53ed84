"""Who wrote which sentence: the rules on bare texts, and what the exports say of a draft that went through the app."""

from __future__ import annotations

import io
import time
import zipfile

import docx
import pytest
from starlette.testclient import TestClient

from app.text import documents
from app.writing import provenance
from app.writing.provenance import EDITED, Stage, likeness, trace, words
from tests.writing.desk import Desk, log, ok

MODEL = "A telomere is like the plastic tip of a shoelace that wears away."


def stage(name: str, text: str, *parents: str, model: bool = False) -> Stage:
    return Stage(name, text, parents, model)


def told(stages: list[Stage], head: str) -> list[tuple[str, str]]:
    """Kind and first version of each sentence of the head."""
    return [(found.origin.kind, found.origin.stage) for found in trace(stages, {head})[head]]


def test_what_stays_as_it_was_is_whose_it_was_first() -> None:
    stages = [
        stage("1", "Cells divide. They age."),
        stage("2", f"Cells divide. They age. {MODEL}", "1", model=True),
        stage("3", f"Cells divide. They age. {MODEL} I saw it myself.", "2"),
    ]
    assert told(stages, "3") == [("writer", "1"), ("writer", "1"), ("model", "2"), ("writer", "3")]


def test_case_punctuation_and_spacing_make_no_other_sentence() -> None:
    stages = [stage("1", MODEL, model=True), stage("2", f"  {MODEL.upper().rstrip('.')}!\n", "1")]
    assert told(stages, "2") == [("model", "1")]
    assert words("Naïve “Cafe\u0301”, twice.") == words("naïve  café twice!")
    assert words("🙂 🙃") == ("🙂 🙃",)


@pytest.mark.parametrize(
    ("edited", "kind"),
    [
        (MODEL.replace("plastic tip", "hard end"), "edited"),
        (MODEL.replace("shoelace that wears away", "shoelace that is slowly worn down"), "edited"),
        ("A telomere is like a cap.", "writer"),
        ("Each time a cell divides, its chromosomes get a little shorter.", "writer"),
    ],
)
def test_a_models_sentence_is_edited_until_too_few_words_are_left(edited: str, kind: str) -> None:
    stages = [stage("1", "Cells divide."), stage("2", MODEL, "1", model=True), stage("3", edited, "2")]
    assert told(stages, "3") == [(kind, "2" if kind == "edited" else "3")]
    assert (likeness(words(MODEL), words(edited)) >= EDITED) == (kind == "edited")


def test_the_threshold_is_where_it_is_said_to_be() -> None:
    ten = [f"w{i}" for i in range(10)]
    assert EDITED == 0.6
    assert likeness(ten, [*ten[:6], "a", "b", "c", "d"]) == pytest.approx(0.6)
    assert likeness(ten, [*ten[:5], "a", "b", "c", "d", "e"]) < EDITED


def test_many_small_edits_are_measured_against_what_the_model_wrote() -> None:
    """Typing makes a version a second; each step is tiny, all of them together are a new sentence."""
    stages = [stage("0", MODEL, model=True)]
    left = MODEL.split()
    for i in range(len(left)):
        left[i] = f"mine{i}"
        stages.append(stage(str(i + 1), " ".join(left), str(i)))
    half = stages[: len(left) // 3]
    assert told(half, half[-1].id) == [("edited", "0")]
    assert told(stages, stages[-1].id) == [("writer", stages[-1].id)]


def test_a_model_that_rewrites_a_writers_sentence_wrote_it() -> None:
    stages = [stage("1", "Cells divide and then they age."), stage("2", "Cells divide and then age.", "1", model=True)]
    assert told(stages, "2") == [("model", "2")]


def test_what_the_model_added_to_a_typed_base_is_all_that_it_wrote() -> None:
    stages = [
        stage("1", "Cells divide."),
        stage("2", "Cells divide. I typed this sentence.", "1"),
        stage("3", f"Cells divide. I typed this sentence. {MODEL}", "2", model=True),
    ]
    assert [kind for kind, _ in told(stages, "3")] == ["writer", "writer", "model"]


def test_a_combined_version_has_sentences_of_both_parents_and_its_own() -> None:
    stages = [
        stage("1", "Cells divide every day."),
        stage("2", "Cells divide every day. Like a lace, they fray.", "1", model=True),
        stage("3", "Cells divide every day. This shortens their ends.", "1"),
        stage(
            "4",
            "Cells divide every day. Like a lace, they fray. This shortens their ends. So it goes with us.",
            *("2", "3"),
            model=True,
        ),
    ]
    assert told(stages, "4") == [("writer", "1"), ("model", "2"), ("writer", "3"), ("model", "4")]


def test_splitting_and_pasting_take_the_author_along_but_not_for_a_phrase() -> None:
    stages = [
        stage("1", "Cells divide."),
        stage("2", f"Cells divide. {MODEL} It works.", "1", model=True),
        stage("3", "Cells divide.", "2"),
        stage("4", MODEL),
        stage("5", "It works."),
    ]
    assert told(stages, "4") == [("model", "2")]
    assert told(stages, "5") == [("writer", "5")]


def test_scripts_without_spaces_are_compared_sign_by_sign() -> None:
    stages = [stage("1", "细胞分裂时端粒会变短。", model=True), stage("2", "细胞分裂时端粒会变长。", "1")]
    assert told(stages, "2") == [("edited", "1")]


def test_an_hour_of_typing_is_told_in_a_moment() -> None:
    text = "The cell divides and its telomeres shorten a little each time. " * 12
    stages = [stage("0", text + MODEL, model=True)]
    stages += [stage(str(i), f"{text}{MODEL} I wrote {'x' * i}.", str(i - 1)) for i in range(1, 3000)]
    begun = time.thread_time()
    assert told(stages, "2999")[-2:] == [("model", "0"), ("writer", "2999")]
    assert time.thread_time() - begun < 2


def test_a_monstrous_sentence_does_not_take_for_ever() -> None:
    giant = " ".join(f"w{i % 977}" for i in range(40_000))
    begun = time.thread_time()
    assert told([stage("1", giant, model=True), stage("2", f"{giant} end", "1")], "2") == [("edited", "1")]
    assert time.thread_time() - begun < 5
    assert provenance.likeness(("a",), ("b",)) == 0


# ── the exports ────────────────────────────────────────────────────────────────────────────────────────────────────

NASTY = "שלום עולם 👩‍🔬 | a \\ b.\x07\x0b Tab\tand\x85 <script>alert(1)</script>"


@pytest.fixture
def desk(client: TestClient) -> Desk:
    """A model's sentence confirmed and edited, one of the writer's, and a text no format likes."""
    made = Desk(client, f"# A heading\n\nCells divide. They age.\n\n{NASTY}")
    paragraph = made.paragraphs()[1]
    best = next(data for name, data in made.revise(paragraph["head"]) if name == "done")["ranking"][0]
    ok(client.post(f"/api/versions/{best}/confirm", json={"base": paragraph["head"]}))
    made.type(made.paragraphs()[1], f"{made.texts()[1]} I saw it myself.")
    return made


def test_markdown_tells_who_wrote_what_when_asked(client: TestClient, desk: Desk) -> None:
    plain = client.get(f"/api/drafts/{desk.id}/export.md").text
    assert plain == "# A draft\n\n" + "\n\n".join(desk.texts()) + "\n"
    told = client.get(f"/api/drafts/{desk.id}/export.md", params={"provenance": "1"}).text
    assert told.startswith(plain)
    assert "## Who wrote which sentence" in told
    assert "at least 60% of the words" in told
    rows = [line for line in told.splitlines() if line.startswith("| ") and not line.startswith("| P")]
    assert "| 2 | Cells divide. | The writer (imported) |" in rows
    assert "| 2 | I saw it myself. | The writer |" in rows
    assert any("| scripted (Use an Analogy" in row for row in rows)
    assert any("a \\\\ b" in row and "\\| a" in row for row in rows)
    assert log(client, "draft.exported") == [
        (None, {"number": desk.draft()["number"], "format": "md", "provenance": False}),
        (None, {"number": desk.draft()["number"], "format": "md", "provenance": True}),
    ]


@pytest.mark.parametrize("provenance", ["0", "1"])
def test_word_opens_with_every_text_in_it(client: TestClient, desk: Desk, provenance: str) -> None:
    answer = client.get(f"/api/drafts/{desk.id}/export.docx", params={"provenance": provenance})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="A draft.docx"')
    document = docx.Document(io.BytesIO(answer.content))
    styles = [(p.style.name, p.text) for p in document.paragraphs]
    assert styles[:2] == [("Title", "A draft"), ("Heading 1", "A heading")]
    assert styles[2] == ("Normal", desk.texts()[1])
    nasty = styles[3][1]
    assert nasty == NASTY.replace("\x07", "\ufffd").replace("\x0b", "\n")
    right = document.paragraphs[3]
    assert right._p.pPr.xpath("w:bidi")
    assert right.runs[0].font.rtl
    assert len(document.tables) == int(provenance)
    if provenance == "1":
        rows = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
        assert rows[0] == ["Paragraph", "Sentence", "Who"]
        assert ["2", "I saw it myself.", "The writer"] in rows
        assert any("scripted" in row[2] for row in rows)
    about = document.core_properties
    assert (about.author, about.last_modified_by, about.comments, about.title) == ("", "", "", "A draft")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert b"python-docx" not in b"".join(archive.read(name) for name in archive.namelist())


def test_a_word_file_comes_back_as_the_draft_it_was(client: TestClient, desk: Desk) -> None:
    exported = client.get(f"/api/drafts/{desk.id}/export.docx").content
    back = documents.read("a.docx", exported).split("\n\n")
    assert back[:3] == ["# A draft", "# A heading", desk.texts()[1]]


def test_an_empty_draft_exports_as_its_title(client: TestClient) -> None:
    draft = ok(client.post("/api/drafts", json={"title": "\x01Odd\ufffe title 🙂"}), 201)
    for name in ("export.md", "export.docx"):
        answer = client.get(f"/api/drafts/{draft['id']}/{name}", params={"provenance": "1"})
        assert answer.status_code == 200, answer.text
        if name == "export.md":
            assert answer.text.endswith("## Who wrote which sentence\n\nThere is no text yet.\n")
    document = docx.Document(io.BytesIO(answer.content))
    assert document.paragraphs[0].text == "\ufffdOdd\ufffd title 🙂"
    assert [p.text for p in document.paragraphs[1:]] == ["Who wrote which sentence", "There is no text yet."]
    assert not document.tables
