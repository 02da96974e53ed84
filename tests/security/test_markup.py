"""Texts with markup come out as they went in, and never as markup. (In a real browser: tests/browser.)"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx2

from tests.reliability.writers import stream
from tests.security.xss import TEXTS


class Parts(HTMLParser):
    """Start tags with their attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))


def assert_page_is_ours(page: httpx2.Response, *texts: str) -> None:
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "unsafe-inline" not in scripts
    assert "unsafe-eval" not in scripts
    assert page.headers["x-content-type-options"] == "nosniff"
    parts = Parts()
    parts.feed(page.text)
    for tag, attributes in parts.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action", "formaction", "data"):
            value = (attributes.get(name) or "").strip().lower()
            assert not value.startswith(("javascript:", "vbscript:", "//", "http:", "https:")), (tag, attributes)
        if tag == "script":
            assert attributes.get("src") or attributes.get("type") in ("application/json", "importmap"), attributes
    for text in texts:
        if "<" in text:
            assert text not in page.text, text


def test_there_are_enough_of_them() -> None:
    assert len(set(TEXTS)) >= 50


def test_drafts_of_markup_come_back_exactly_and_their_pages_hold_none_of_it(client: httpx2.Client) -> None:
    text = "\n\n".join(TEXTS)
    answer = client.post("/api/drafts", json={"title": TEXTS[0], "text": text})
    assert answer.status_code == 201, answer.text[:300]
    draft = answer.json()
    heads = {version["id"]: version["text"] for version in draft["versions"]}
    assert [heads[paragraph["head"]] for paragraph in draft["paragraphs"]] == TEXTS
    for text in TEXTS:
        renamed = client.patch(f"/api/drafts/{draft['id']}", json={"title": text[:200]})
        assert renamed.status_code == 200, renamed.text[:300]
        assert client.get(f"/api/drafts/{draft['id']}").json()["title"] == " ".join(text[:200].split())
        assert_page_is_ours(client.get(f"/drafts/{draft['id']}"), text)
    assert_page_is_ours(client.get("/"), *TEXTS)


def test_saved_confirmed_and_exported_markup_is_the_same_text(client: httpx2.Client) -> None:
    draft = client.post("/api/drafts", json={"title": "Markup", "text": "One."}).json()
    paragraph, head = draft["paragraphs"][0]["id"], draft["paragraphs"][0]["head"]
    for text in TEXTS:
        edit = {"paragraph_id": paragraph, "base": head, "text": text}
        saved = client.post(f"/api/drafts/{draft['id']}/save", json={"edits": [edit]})
        assert saved.status_code == 200, saved.text[:300]
        head = next(p["head"] for p in saved.json()["paragraphs"] if p["id"] == paragraph)
        assert next(one["text"] for one in saved.json()["versions"] if one["id"] == head) == text
        assert saved.headers["content-type"].startswith("application/json")
        exported = client.get(f"/api/drafts/{draft['id']}/export.md")
        assert text in exported.text
        assert exported.headers["content-type"].startswith("text/markdown")
        assert exported.headers["content-disposition"].startswith("attachment")
        assert exported.headers["x-content-type-options"] == "nosniff"


def test_markup_through_the_model_is_the_same_text(client: httpx2.Client) -> None:
    groups = client.get("/api/labels").json()["groups"]
    label = next(one["id"] for group in groups for one in group["labels"] if one["strategies"])
    for text in TEXTS[::8]:
        parent = f"Cells age because their ends wear. {text} This is what research found."
        draft = client.post("/api/drafts", json={"title": "Model", "text": parent}).json()
        body = {"version_id": draft["paragraphs"][0]["head"], "label": label}
        generation = client.post("/api/generations", json=body).json()
        events: list[tuple[str, dict[str, Any]]] = list(stream(client, generation["id"]))
        made = [data["version"]["text"] for name, data in events if name == "version"]
        assert made, events[-1]
        assert all(text in version for version in made)
        assert json.dumps(made)


def test_unknown_addresses_with_markup_are_told_without_it(client: httpx2.Client) -> None:
    for text in TEXTS:
        for path in ("/drafts/", "/nothing/", "/static/"):
            page = client.get(path + quote(text, safe=""), headers={"Accept": "text/html"})
            assert page.status_code in (400, 404), page.text[:200]
            if "<" in text:
                assert text not in page.text


def test_imported_markup_is_text(client: httpx2.Client) -> None:
    for text in TEXTS:
        answer = client.post("/api/imports", files={"file": ("draft.md", text.encode())})
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["paragraphs"] == [text]


def test_titles_cannot_leave_the_header_of_the_export(client: httpx2.Client) -> None:
    titles = [
        "a\r\nX-Injected: yes", 'a"; filename="evil.exe', "../../etc/passwd", "a\x0bb\x7f", "…", "é\u202e👩‍🔬",
        "CON", ".", "..", "a/b\\c:d*e?f", " ", "x" * 200, *TEXTS,
    ]  # fmt: skip
    for title in titles:
        made = client.post("/api/drafts", json={"title": title, "text": "One."})
        if made.status_code != 201:
            assert made.status_code == 422, made.text[:200]
            continue
        answer = client.get(f"/api/drafts/{made.json()['id']}/export.md")
        assert answer.status_code == 200, (title, answer.text[:200])
        assert "x-injected" not in answer.headers
        disposition = answer.headers["content-disposition"]
        name = disposition.partition("filename=")[2].partition(";")[0].strip('" ')
        assert name.endswith(".md"), disposition
        assert not set(name) & set('/\\:*?"<>|\r\n'), disposition
        assert name.strip(".") == name.lstrip("."), disposition
