"""The writer's path, first to last, as the editor walks it."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from app.settings import Settings
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import ScriptedEngine, scripted_app
from tests.writing.desk import Desk, log, ok, refused


def test_a_first_visit_opens_on_a_sample_that_can_be_pressed_at_once(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    draft = ok(client.get(f"/api/drafts/{page.url.path.rsplit('/', 1)[1]}"))
    assert len(draft["paragraphs"]) == len(draft["versions"]) == draft["number"] == 3
    for version in draft["versions"]:
        assert 70 <= len(version["text"].split()) <= 110
        assert any(character.isdigit() for character in version["text"])
    assert str(client.get("/").url) == str(page.url), "a second visit comes back to the same draft"


def test_a_label_makes_versions_that_are_placed_confirmed_and_exported(client: TestClient) -> None:
    desk = Desk(client)
    first, second = desk.paragraphs()
    placed = ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
    assert all(version["placement"]["scorer_id"] for version in placed["versions"])
    assert all(paragraph["on_canvas"] for paragraph in placed["paragraphs"])

    generation = desk.ask(first["head"])
    assert generation["status"] == "queued"
    told = desk.run(generation["id"])
    names = [name for name, _ in told]
    assert names[0] == "started"
    assert names[-1] == "done"
    assert names.count("version") == 3
    landed = [data["version"] for name, data in told if name == "version"]
    for version in landed:
        assert version["parents"] == [first["head"]]
        assert version["status"] == "proposed"
        assert version["placement"] is not None
        assert (version["operation"], version["label"]) == ("label", "use-analogy")
        assert desk.version(version["id"]) == version
    done = told[-1][1]
    assert set(done["ranking"]) == {version["id"] for version in landed}
    assert desk.texts()[0] == "Cells divide. They age.", "nothing enters the draft by itself"

    best = done["ranking"][0]
    confirmed = ok(client.post(f"/api/versions/{best}/confirm", json={"base": first["head"]}))
    assert confirmed["version"]["status"] == "confirmed"
    assert confirmed["paragraph"]["head"] == best
    markdown = client.get(f"/api/drafts/{desk.id}/export.md")
    assert markdown.headers["content-disposition"].startswith("attachment")
    assert markdown.text == "# A draft\n\n" + "\n\n".join(desk.texts()) + "\n"
    assert confirmed["version"]["text"] in markdown.text

    detail = ok(client.get(f"/api/versions/{best}/detail"))
    changes = detail["diff"][0]["changes"]
    assert "".join(c["text"] for c in changes if c["kind"] != "added") == "Cells divide. They age."
    assert "".join(c["text"] for c in changes if c["kind"] != "removed") == confirmed["version"]["text"]
    assert detail["prompt"]["messages"][-1]["role"] == "user"
    assert detail["sampling"]["max_tokens"] > 0
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


def test_all_is_there_again_after_a_restart(app: FastAPI, client: TestClient, engine: ScriptedEngine) -> None:
    from tests.scripted import scripted_app

    desk = Desk(client)
    desk.revise(desk.paragraphs()[0]["head"])
    before = desk.draft()
    again = scripted_app(app.state.settings, engine)
    with TestClient(again, ORIGIN, headers=OWN_PAGE, cookies=client.cookies) as later:
        assert ok(later.get(f"/api/drafts/{desk.id}")) == before


def test_drafts_are_listed_renamed_and_deleted(client: TestClient) -> None:
    desk = Desk(client, "Three words here.")
    entry = ok(client.patch(f"/api/drafts/{desk.id}", json={"title": " Another name "}))
    assert entry["title"] == "Another name"
    listed = ok(client.get("/api/drafts"))["drafts"]
    assert (listed[0]["id"], listed[0]["title"], listed[0]["words"]) == (desk.id, "Another name", 3)
    assert client.delete(f"/api/drafts/{desk.id}").status_code == 204
    refused(client.get(f"/api/drafts/{desk.id}"), 404, "not-found")
    assert desk.id not in {draft["id"] for draft in ok(client.get("/api/drafts"))["drafts"]}
    assert len(log(client, "draft.deleted")) == 1


def test_a_version_is_discarded_and_comes_back_as_it_was(client: TestClient) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[0]["head"]
    made = [data["version"]["id"] for name, data in desk.revise(head) if name == "version"]
    assert ok(client.post(f"/api/versions/{made[0]}/discard"))["status"] == "discarded"
    refused(client.post(f"/api/versions/{made[0]}/confirm", json={"base": head}), 409, "discarded")
    assert ok(client.post(f"/api/versions/{made[0]}/restore"))["status"] == "proposed"
    refused(client.post(f"/api/versions/{head}/discard"), 409, "in-draft")
    ok(client.post(f"/api/versions/{made[0]}/confirm", json={"base": head}))
    ok(client.post(f"/api/versions/{head}/discard"))
    assert ok(client.post(f"/api/versions/{head}/restore"))["status"] == "written"


def test_an_edit_by_hand_is_a_new_version_and_leaves_the_draft_alone(client: TestClient) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[0]["head"]
    made = ok(client.post(f"/api/versions/{head}/edits", json={"text": "Cells divide, then age."}), 201)
    assert (made["operation"], made["status"], made["parents"]) == ("manual", "proposed", [head])
    assert not made["folded"]
    assert desk.paragraphs()[0]["head"] == head
    refused(client.post(f"/api/versions/{head}/edits", json={"text": "  \n"}), 422, "empty")


def test_confirming_over_a_text_that_changed_since_is_refused_with_both(client: TestClient) -> None:
    desk = Desk(client)
    paragraph = desk.paragraphs()[0]
    made = next(data["version"] for name, data in desk.revise(paragraph["head"]) if name == "version")
    typed = desk.type(paragraph, "Typed in another tab.")
    answer = client.post(f"/api/versions/{made['id']}/confirm", json={"base": paragraph["head"]})
    conflict = refused(answer, 409, "stale")["conflicts"][0]
    assert (conflict["yours"], conflict["theirs"]["id"]) == (made["text"], typed["id"])
    assert desk.texts()[0] == "Typed in another tab."


def test_a_paragraph_without_words_is_not_placed_and_the_rest_is(client: TestClient) -> None:
    desk = Desk(client, "12 34 56.\n\nWords are here.")
    numbers, words = (p["id"] for p in desk.paragraphs())
    answer = ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [numbers, words]}))
    assert [p["id"] for p in answer["paragraphs"]] == [words]
    assert [p["paragraph_id"] for p in answer["problems"]] == [numbers]
    alone = client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [numbers]})
    assert refused(alone, 422, "unplaceable")["problems"][0]["paragraph_id"] == numbers
    off = ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [words], "remove": True}))
    assert off["paragraphs"][0]["on_canvas"] is False


def test_what_was_typed_on_the_canvas_is_measured_when_asked(client: TestClient) -> None:
    desk = Desk(client)
    first, second = desk.paragraphs()
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"]]}))
    typed = desk.type(first, "Cells divide. They age, and then they stop.")
    desk.type(second, "Not on the canvas.")
    scored = ok(client.post(f"/api/drafts/{desk.id}/score"))["versions"]
    assert [version["id"] for version in scored] == [typed["id"]]
    assert scored[0]["placement"] is not None
    assert ok(client.post(f"/api/drafts/{desk.id}/score"))["versions"] == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"label": "no-such-label"}, "unknown-label"),
        ({"strategy": "no-such-strategy"}, "unknown-strategy"),
        ({"label": "own-prompt"}, "no-prompt"),
        ({"label": "own-prompt", "prompt": " \n "}, "no-prompt"),
        ({"label": "own-prompt", "prompt": "Cells age. " * 2_000}, "prompt-too-long"),
        ({"prompt": "Say it for a child."}, "prompt-not-taken"),
        ({"label": "own-prompt", "prompt": "a\0b"}, "invalid"),
        ({"n": 0}, "invalid"),
        ({"n": 9}, "invalid"),
    ],
)
def test_a_request_that_can_not_be_carried_out_is_refused(
    client: TestClient, more: dict[str, object], code: str
) -> None:
    desk = Desk(client)
    body = {"version_id": desk.paragraphs()[0]["head"], "label": "use-analogy", **more}
    refused(client.post("/api/generations", json=body), 422, code)


def test_the_writers_own_prompt_goes_to_the_model_and_into_the_history(client: TestClient) -> None:
    desk = Desk(client)
    own = "Say it for a child of ten."
    told = desk.revise(desk.paragraphs()[0]["head"], label="own-prompt", prompt=own, n=1)
    made = next(data["version"] for name, data in told if name == "version")
    assert made["operation"] == "prompt"
    prompt = ok(client.get(f"/api/versions/{made['id']}/detail"))["prompt"]
    assert own in prompt["messages"][-1]["content"]


def test_a_prompt_that_is_too_long_is_refused_in_words(client: TestClient) -> None:
    desk = Desk(client)
    body = {"version_id": desk.paragraphs()[0]["head"], "label": "own-prompt", "prompt": "x" * 20_000}
    problem = refused(client.post("/api/generations", json=body), 422, "prompt-too-long")
    assert "20,000 characters; 2,000" in problem["detail"]
    ok(client.post("/api/generations", json=body | {"prompt": "x" * 2_000}), 201)


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"\udc00 and more"])
def test_what_no_database_takes_never_gets_into_a_prompt(client: TestClient, text: str) -> None:
    """NUL, and halves of surrogate pairs: neither as the writer's own prompt nor as the paragraph under it."""
    desk = Desk(client)
    head = desk.paragraphs()[0]
    headers = {"Content-Type": "application/json"}
    body = f'{{"version_id": "{head["head"]}", "label": "own-prompt", "prompt": "Say {text}"}}'
    assert client.post("/api/generations", content=body, headers=headers).status_code == 422
    edit = f'{{"edits": [{{"paragraph_id": "{head["id"]}", "base": "{head["head"]}", "text": "Say {text}"}}]}}'
    assert client.post(f"/api/drafts/{desk.id}/save", content=edit, headers=headers).status_code == 422


def test_a_larger_model_rewrites_one_sentence_and_leaves_the_rest(settings: Settings) -> None:
    text = "Cells divide. Telomeres, repetitive sequences of nucleotides, shorten by 70 bp at each division. They age."
    large = settings.model_copy(update={"plans": "full"})
    with TestClient(scripted_app(large), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        desk = Desk(client, text)
        told = desk.revise(desk.paragraphs()[0]["head"], label="enhance-understanding", strategy="plain-sentence")
        made = [data["version"]["text"] for name, data in told if name == "version"]
        assert made
        assert all(x.startswith("Cells divide. Picture ") and x.endswith(" They age.") for x in made)
        assert not any("nucleotides" in x for x in made)


def test_files_come_in_as_paragraphs(client: TestClient) -> None:
    file = ("Notes.md", b"# On cells\n\nOne.\n\nTwo\nlines.")
    assert ok(client.post("/api/imports", files={"file": file})) == {
        "title": "On cells",
        "paragraphs": ["One.", "Two\nlines."],
    }
    named = ok(client.post("/api/imports", files={"file": ("My notes.txt", b"One.")}))
    assert named == {"title": "My notes", "paragraphs": ["One."]}
    refused(client.post("/api/imports", files={"file": ("a.txt", bytes(100))}), 422, "unreadable-file")


def test_labels_are_given_in_groups_with_what_this_model_can_do(client: TestClient) -> None:
    answer = ok(client.get("/api/labels"))
    assert answer["candidates"] == 3
    labels = [label for group in answer["groups"] for label in group["labels"]]
    assert len(labels) == 11
    assert all(label["strategies"] and len(label["push"]) == 2 for label in labels)
