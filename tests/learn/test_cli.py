"""`spatialbalancing learn …` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.cli import main
from app.learn import comparisons as pairing
from app.learn import store
from app.settings import Settings
from tests.conftest import ORIGIN, OWN_PAGE
from tests.learn.session import TEXT, allow, decide
from tests.scripted import scripted_app
from tests.writing.desk import Desk

pytestmark = pytest.mark.usefixtures("one_thread")


def run(*arguments: object, **environment: object) -> tuple[int, str, str]:
    env = {name: str(value) for name, value in environment.items()}
    result = CliRunner().invoke(main, ["learn", *map(str, arguments)], env=env)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two writers decided, one of them consents."""
    folder = tmp_path_factory.mktemp("data")
    with TestClient(scripted_app(Settings(data_dir=folder)), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        decide(Desk(client, "Bees dance.\n\nThey point."))
        client.cookies.clear()
        client.get("/")
        decide(Desk(client, TEXT.split("\n\n", 1)[0]))
        allow(client)
    return folder


def test_export_writes_consenting_writers_alone(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "confirmed.jsonl"
    code, said, err = run("export", "--out", out, SPATIAL_DATA_DIR=data_dir)
    assert code == 0
    assert said.startswith("1 confirmed version, against 2 discarded")
    assert "at least 20" in err
    [comparison] = pairing.read(out)
    assert "Cells" in comparison.chosen.messages[-1].content
    assert "Bees" not in out.read_text()
    code, _, err = run("export", "--out", out, SPATIAL_DATA_DIR=data_dir)
    assert code == 2
    assert "there already" in err


def test_too_little_is_refused_before_anything_is_tuned(data_dir: Path, tiny_folder: Path) -> None:
    code, _, err = run("tune", SPATIAL_DATA_DIR=data_dir, SPATIAL_MODEL=tiny_folder)
    assert code == 1
    assert "2 discarded versions beside a confirmed one, in 1 paragraph" in err


def test_serve_and_list(tuned: Any, tmp_path: Path) -> None:
    settings, learnt, _ = tuned
    env = {"SPATIAL_DATA_DIR": settings.data_dir, "SPATIAL_MODEL": settings.model}
    [listed] = json.loads(run("list", "--json", **env)[1])
    assert listed["tuned_id"] == learnt.tuned_id
    assert learnt.tuned_id in run("list", **env)[1]
    assert "None yet" in run("list", SPATIAL_DATA_DIR=tmp_path)[1]

    from app.db.engine import Database

    for choice in (learnt.tuned_id, "off", "default"):
        code, said, _ = run("serve", choice, **env)
        assert (code, said.endswith("from now on.\n")) == (0, True)
        database = Database(settings.db_url)
        with database.read() as session:
            served = store.served(session)
        database.close()
        assert served is not None
        assert (served.choice, served.writer_id) == (choice, None)

    code, _, err = run("serve", "0123456789ab", **env)
    assert code == 2
    assert learnt.tuned_id in err, "it says which there are"
    code, _, err = run("serve", learnt.tuned_id, **{**env, "SPATIAL_TUNED": "off"})
    assert (code, "SPATIAL_TUNED" in err) == (1, True)
    code, _, err = run("serve", learnt.tuned_id, **{**env, "SPATIAL_MODEL": "default"})
    assert (code, "was tuned on" in err) == (1, True)


def test_compare_with_a_file(tuned: Any, comparisons: list[Any], tmp_path: Path) -> None:
    settings, learnt, _ = tuned
    env = {"SPATIAL_DATA_DIR": settings.data_dir, "SPATIAL_MODEL": settings.model, "SPATIAL_DEVICE": "cpu"}
    path = tmp_path / "confirmed.jsonl"
    pairing.write(comparisons, path)
    code, said, _ = run("compare", learnt.tuned_id, "--data", path, "--json", **env)
    assert code == 0
    assert json.loads(said) == learnt.scorecard
    code, said, _ = run("compare", learnt.tuned_id, "--data", path, **env)
    assert "too few to tell" in said
    assert "everyday-comparison" in said or "shared-experience" in said
    seen = tmp_path / "seen.jsonl"
    pairing.write([c for c in comparisons if c.paragraph in learnt.taught], seen)
    code, _, err = run("compare", learnt.tuned_id, "--data", seen, **env)
    assert (code, "learnt from all paragraphs" in err) == (1, True)
    assert run("compare", "nothing", "--data", path, **env)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["tune", "--steps", "0"], "--steps"),
        (["tune", "--rate", "nan"], "--rate"),
        (["tune", "--rate", "-1"], "--rate"),
        (["tune", "--data", "/none"], "/none"),
        (["export"], "--out"),
        (["serve"], "ID|off|default"),
        (["tunee"], "tunee"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], named: str, data_dir: Path, tiny_folder: Path) -> None:
    code, _, err = run(*arguments, SPATIAL_DATA_DIR=data_dir, SPATIAL_MODEL=tiny_folder, COLUMNS=200)
    assert code == 2, "before anything is looked at: what is stored would be too little, which is code 1"
    assert named in err


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n")
    code, _, err = run("tune", "--data", path, SPATIAL_DATA_DIR=tmp_path)
    assert code == 2
    assert "line 1" in err
