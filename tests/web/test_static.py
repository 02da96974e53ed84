from __future__ import annotations

import gzip
from pathlib import Path

import plotly
import pytest

from app.web import static

SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def test_plotly_comes_out_of_its_package_compressed_and_is_kept_for_ever(client):
    answer = client.get(f"/vendor/plotly.min.js?v={plotly.__version__}", headers={"Accept-Encoding": "gzip, br"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content == SCRIPT.read_bytes()  # the client has unpacked it
    assert int(answer.headers["Content-Length"]) < len(answer.content) / 2


def test_plotly_comes_plain_to_who_cannot_unpack_it(client):
    answer = client.get("/vendor/plotly.min.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert answer.content == SCRIPT.read_bytes()


def test_plotly_is_not_sent_again_to_who_has_it(client):
    tag = client.get("/vendor/plotly.min.js").headers["ETag"]
    again = client.get("/vendor/plotly.min.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_another_release_of_plotly_is_not_hidden_by_the_one_that_was_kept(client):
    for address in ("/vendor/plotly.min.js", "/vendor/plotly.min.js?v=0"):
        assert client.get(address).headers["Cache-Control"] == "no-cache"
    assert f'data-plotly="{plotly.__version__}"' in client.get("/").text


def test_a_file_asked_for_by_version_is_kept_and_any_other_asked_for_again(client):
    kept = client.get("/static/js/main.js?v=abc")
    assert "immutable" in kept.headers["Cache-Control"]
    asked = client.get("/static/js/main.js")
    assert asked.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/js/main.js", headers={"If-None-Match": asked.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_names_its_files_by_the_version_of_their_content(client):
    page = client.get("/").text
    assert f"/static/js/main.js?v={static.content_version()}" in page


def test_the_version_changes_with_any_file(tmp_path):
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("1")
    first = static.content_version(tmp_path)
    assert static.content_version(tmp_path) == first
    (tmp_path / "js" / "a.js").write_text("2")
    second = static.content_version(tmp_path)
    (tmp_path / "js" / "a.js").rename(tmp_path / "js" / "b.js")
    assert len({first, second, static.content_version(tmp_path)}) == 3


@pytest.mark.parametrize("path", ["../pyproject.toml", "..%2fpyproject.toml", "js/../../app/settings.py", "%00", "js"])
def test_nothing_outside_the_folder_is_served(client, path):
    answer = client.get(f"/static/{path}")
    assert answer.status_code in (400, 404)
    assert b"spatialbalancing" not in answer.content.lower() or b"<html" in answer.content


def test_gzip_is_the_same_every_time():
    """Two servers behind one address must agree on what an ETag stands for."""
    script, zipped, _tag = static._plotly()
    assert gzip.decompress(zipped) == script
    assert zipped == gzip.compress(script, 9, mtime=0)
