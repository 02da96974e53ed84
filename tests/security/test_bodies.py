"""Too much, too deep, or not even text: each is refused with a sentence, and the server goes on."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import Any

import httpx2
import pytest

UNSAFE = ("post", "put", "patch", "delete")


def operations(client: httpx2.Client) -> list[tuple[str, str]]:
    """Every unsafe route there is, ids filled in with one that is nobody's."""
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    nobody = "00000000-0000-4000-8000-000000000000"
    found = []
    for path, methods in paths.items():
        filled = "/".join(nobody if part.startswith("{") else part for part in path.split("/"))
        found += [(method.upper(), filled) for method in methods if method in UNSAFE]
    assert len(found) >= 10
    return found


def refusal(answer: httpx2.Response) -> dict[str, Any]:
    assert 400 <= answer.status_code < 500, (answer.request.method, answer.request.url.path, answer.text[:300])
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text[:300]
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["code"]
    assert problem["detail"][0].isupper()
    assert problem["detail"].rstrip().endswith((".", "!"))
    return problem


def test_two_mebibytes_are_too_much_for_every_route_but_those_that_take_documents(client: httpx2.Client) -> None:
    body = json.dumps({"text": "x" * (2 << 20)}).encode()
    for method, path in operations(client):
        if path in ("/api/imports", "/api/projects") or path.endswith("/sources"):
            continue
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413, (method, path, answer.text[:200])
        refusal(answer)


def test_what_comes_in_pieces_without_a_length_is_counted(client: httpx2.Client) -> None:
    answer = client.post("/api/drafts", content=(b"x" * 65536 for _ in range(40)))
    assert answer.status_code == 413
    refusal(answer)


def test_ten_megabytes_and_more_are_too_much_to_import(client: httpx2.Client) -> None:
    answer = client.post("/api/imports", files={"file": ("a.txt", b"word " * 2_200_000)}, timeout=300)
    assert answer.status_code == 413
    refusal(answer)
    assert client.post("/api/drafts", json={"title": "Still here"}).status_code == 201


def test_nearly_ten_megabytes_of_text_are_read(client: httpx2.Client) -> None:
    document = b"A sentence of words.\n\n" * 400_000
    answer = client.post("/api/imports", files={"file": ("a.txt", document)}, timeout=300)
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.json()["paragraphs"]) == 400_000


def zip_bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w>" + b" " * 300_000_000)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bomb.docx", zip_bomb()),
        ("binary.txt", bytes(range(256)) * 100),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(1000)),
        ("picture.md", b"\x89PNG\r\n\x1a\n" + bytes(1000)),
        ("empty.txt", b""),
        ("cut.docx", b"PK\x03\x04" + b"x" * 1000),
        ("../../etc/passwd", b"\0\1\2"),
    ],
)
def test_files_that_are_not_text_are_refused_with_a_sentence(client: httpx2.Client, name: str, data: bytes) -> None:
    refusal(client.post("/api/imports", files={"file": (name, data)}))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"edits":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b"[" * 900 + b"]" * 900,
        b"\xff\xfe\x00",
        b"\x00" * 1000,
        b'{"title": "\\ud800"}',
        b'{"title": "\\u0000"}',
        b'{"title": NaN}',
        b'{"title": 1e999}',
        b'{"n": ' + b"9" * 100_000 + b"}",
        b"null",
        b"[]",
        b'"text"',
        b"",
        b"title=x&text=y",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_no_body_is_too_strange_for_any_route(client: httpx2.Client, body: bytes) -> None:
    for method, path in operations(client):
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (method, path, answer.status_code, answer.text[:200])
        if answer.status_code >= 400:
            refusal(answer)


def test_random_bytes_under_random_types_never_fault(client: httpx2.Client) -> None:
    rng = random.Random(11)
    kinds = [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "",
        "a/b;c=\xe9",
    ]
    routes = operations(client)
    for _ in range(300):
        method, path = rng.choice(routes)
        headers = {b"Content-Type": rng.choice(kinds).encode("latin-1")}
        answer = client.request(method, path, content=rng.randbytes(rng.randrange(2000)), headers=headers)
        assert answer.status_code < 500, (method, path, headers, answer.text[:200])


def test_random_file_names_and_contents_never_fault(client: httpx2.Client) -> None:
    rng = random.Random(12)
    names = [
        "a.txt",
        "a.md",
        "a.docx",
        "a",
        ".",
        "..",
        "/",
        "C:\\x.docx",
        "é\u202e.txt",
        "a" * 300 + ".md",
        "\r\nX: y.md",
        '";.md',
    ]
    for _ in range(60):
        data = rng.choice(
            [rng.randbytes(500), b"plain words.", "naïve µ".encode("utf-16"), b"PK\x03\x04" + rng.randbytes(300)]
        )
        answer = client.post("/api/imports", files={"file": (rng.choice(names), data)})
        assert answer.status_code < 500, answer.text[:200]
        if answer.status_code >= 400:
            refusal(answer)
