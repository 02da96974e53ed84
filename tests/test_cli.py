"""The console script: what it says, and that what is wrong exits 2 and tells what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from app.cli import _address, main, revised
from app.settings import PROJECT_ROOT, Settings
from app.writing.revise import Reviser
from app.writing.strategies import load_book
from tests.scripted import Fault, ScriptedEngine, ScriptedMeaning, ScriptedScorer

PARAGRAPH = (
    "Tardigrades are animals of about 0.5 mm. Dried out, they survive temperatures near −200 °C for days. "
    "Ingemar Jönsson showed in 2007 that some survive 10 days in open space."
)


def run(*arguments, env=None, stdin=None):
    return CliRunner().invoke(main, [*map(str, arguments)], env=env, input=stdin)


@pytest.fixture
def env(tmp_path):
    return {"SPATIAL_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def paragraph(tmp_path):
    path = tmp_path / "paragraph.txt"
    path.write_text(PARAGRAPH, "utf-8")
    return path


def test_help_is_instant_because_nothing_heavy_is_loaded():
    code = (
        "import sys, resource\n"
        "from app.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'sqlalchemy', 'fastapi', 'numpy', 'sentence_transformers', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), resource.getrusage(resource.RUSAGE_SELF).ru_utime)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    heavy, seconds = said.stdout.splitlines()[-1].rsplit(" ", 1)
    assert heavy == "[]"
    assert float(seconds) < 1.5  # processor time, on a machine that may be busy; alone it takes 0.2
    for command in ("serve", "revise", "model", "db", "session"):
        assert command in said.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "nonsense"),
        (["revise", "--label", "Use an Analogy"], "FILE"),
        (["revise", "{paragraph}"], "--label"),
        (["revise", "--label", "Use an Anlogy", "{paragraph}"], "“Use an Analogy”"),
        (["revise", "--label", "Use an Analogy", "/nowhere/at.txt"], "No such file"),
        (["revise", "--label", "Use an Analogy", "{folder}"], "directory"),
        (["revise", "--label", "Use an Analogy", "{empty}"], "empty"),
        (["revise", "--label", "Use an Analogy", "{binary}"], "text"),
        (["revise", "--label", "Use an Analogy", "--seed", "-1", "{paragraph}"], "--seed"),
        (["revise", "--label", "Use an Analogy", "--candidates", "99", "{paragraph}"], "--candidates"),
        (["revise", "--label", "own-prompt", "{paragraph}"], "--prompt"),
        (["revise", "--label", "Use an Analogy", "--prompt", "Shorter.", "{paragraph}"], "own-prompt"),
        (["session", "export"], "--out"),
        (["session", "export", "--out", "{folder}/x"], "--all"),
        (["session", "export", "some-id", "--all", "--out", "{folder}/x"], "--all"),
        (["db", "backup"], "PATH"),
        (["db", "restore"], "PATH"),
        (["db", "restore", "{folder}/nothing"], "no file"),
        (["db", "backup", "{paragraph}"], "already there"),
        (["session", "export", "nobody", "--out", "{folder}/x"], "address"),
        (["session", "export", "--all", "--out", "{paragraph}"], "already there"),
        (["revise", "--label", "Use an Analogy", "--strategy", "hook", "{paragraph}"], "everyday"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_exit_2_and_say_what_to_do(arguments, told, paragraph, tmp_path, env):
    (tmp_path / "empty.txt").write_bytes(b" \n")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 10)
    names = {
        "paragraph": paragraph,
        "folder": tmp_path,
        "empty": tmp_path / "empty.txt",
        "binary": tmp_path / "binary.txt",
    }
    done = run(*[argument.format(**names) for argument in arguments], env={**env, "COLUMNS": "300"})
    assert done.exit_code == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("SPATIAL_CANDIDATES", "0"), ("SPATIAL_DATABASE_URL", "nonsense")]
)
def test_a_setting_that_cannot_be_right_is_named(name, value, env):
    command = ("model", "info") if name == "SPATIAL_CANDIDATES" else ("db", "upgrade")
    done = run(*command, env={**env, name: value})
    assert done.exit_code == 2
    assert name in done.stderr
    assert "docs/settings.md" in done.stderr


def test_a_database_that_is_not_there_is_told_without_its_password(env):
    url = "postgresql://writer:geheim@127.0.0.1:1/drafts"
    done = run("db", "upgrade", env={**env, "SPATIAL_DATABASE_URL": url})
    assert done.exit_code == 1
    assert "127.0.0.1" in done.stderr
    assert "geheim" not in done.output


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_backup_or_restore_without_its_database_is_told(command, env, paragraph, tmp_path, monkeypatch):
    monkeypatch.setattr("app.db.backup._check", lambda *_: None)
    url = "postgresql://writer:geheim@127.0.0.1:1/drafts"
    path = paragraph if command == "restore" else tmp_path / "new"
    done = run("db", command, path, env={**env, "SPATIAL_DATABASE_URL": url})
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (1, True)
    assert "127.0.0.1" in done.stderr
    assert "geheim" not in done.output


def test_the_prefixed_address_goes_before_the_bare_one(monkeypatch):
    for name, value in (("HOST", "10.0.0.1"), ("SPATIAL_HOST", "127.0.0.2"), ("PORT", "1"), ("SPATIAL_PORT", "2")):
        monkeypatch.setenv(name, value)
    assert (Settings().host, Settings().port) == ("127.0.0.2", 2)


def test_a_host_that_is_not_known_is_told_in_words(env):
    done = run("serve", env={**env, "HOST": "nowhere.invalid"})
    assert done.exit_code == 1
    assert "nowhere.invalid" in done.stderr
    assert "Unknown error" not in done.stderr
    assert "PORT" not in done.stderr


def test_the_address_that_is_told_can_be_opened():
    assert _address("0.0.0.0", 80).startswith("http://localhost:80")
    assert _address("::1", 80) == "http://[::1]:80"


def test_nothing_usable_is_told_and_exits_1(env, paragraph, monkeypatch):
    reviser = Reviser(ScriptedEngine(fault=Fault("empty")), ScriptedScorer(), ScriptedMeaning())
    monkeypatch.setattr("app.cli._reviser", lambda _: reviser)
    done = run("revise", "--label", "Use an Analogy", "--json", paragraph, env=env)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing usable" in done.stderr
    assert "best there are" not in done.stderr


def test_a_taken_port_is_told_at_once(env):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", env={**env, "PORT": str(taken.getsockname()[1])})
    assert done.exit_code == 1
    assert "already in use" in done.stderr
    assert "PORT=" in done.stderr


def test_the_database_is_made_checked_backed_up_and_restored(empty_db_url, env, tmp_path):
    env = {**env, "SPATIAL_DATABASE_URL": empty_db_url}
    assert run("db", "check", env=env).exit_code == 1  # there is none yet
    assert run("db", "upgrade", env=env).exit_code == 0
    assert run("db", "upgrade", env=env).exit_code == 0
    checked = run("db", "check", env=env)
    assert (checked.exit_code, checked.stdout) == (0, "No findings.\n")
    backup = tmp_path / "backup"
    assert run("db", "backup", backup, env=env).exit_code == 0
    again = run("db", "backup", backup, env=env)
    assert (again.exit_code, "already there" in again.stderr) == (2, True)
    engine = create_engine(empty_db_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    engine.dispose()
    assert run("db", "check", env=env).exit_code == 1
    restored = run("db", "restore", backup, env={**env, "PWD": str(tmp_path)})
    assert restored.exit_code == 0, restored.output
    assert run("db", "check", env=env).exit_code == 0


def test_an_export_of_no_draft_says_where_ids_are(env, tmp_path):
    done = run("session", "export", "nobody", "--out", tmp_path / "out", env=env)
    assert done.exit_code == 2
    assert "address" in done.stderr
    assert not (tmp_path / "out").exists()
    done = run("session", "export", "--all", "--out", tmp_path / "out", env=env)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "manifest.json").exists()


# -- revise


def revise(engine=None, **wanted):
    reviser = Reviser(engine or ScriptedEngine(), ScriptedScorer(), ScriptedMeaning())
    given = {"n": 3, "seed": 1, "strategy": None, "own": "", **wanted}
    return revised(reviser, load_book().label("Use an Analogy"), PARAGRAPH, **given)


def test_revise_gives_the_parent_and_the_versions_best_first(capsys):
    result = revise()
    assert list(result) == ["parent", "versions"]
    assert list(result["parent"]) == ["exposition", "engagement", "spread"]
    assert len(result["versions"]) == 3
    for version in result["versions"]:
        assert list(version) == ["text", "placement", "strategy", "model_id", "tuned_id", "seed", "flags"]
        assert list(version["placement"]) == ["exposition", "engagement", "spread"]
        assert version["model_id"] == "scripted"
        assert version["text"] != PARAGRAPH
    moves = [v["placement"]["engagement"] for v in result["versions"] if not v["flags"]]
    assert moves == sorted(moves, reverse=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "Writing 3 versions" in said.err


def test_the_same_seed_gives_the_same_versions_and_another_gives_others():
    assert revise() == revise()
    assert revise() != revise(seed=2)


def test_a_strategy_the_label_lacks_is_refused_with_those_it_has():
    with pytest.raises(KeyError, match="everyday"):
        revise(strategy="hook")


@pytest.fixture
def model_env(tmp_path):
    """The unpacked model is shared with other runs, through the project's data directory."""
    models = PROJECT_ROOT / "data" / "models"
    models.mkdir(parents=True, exist_ok=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").symlink_to(models, target_is_directory=True)
    return {**os.environ, "SPATIAL_DATA_DIR": str(tmp_path / "data")}


@pytest.mark.model
def test_revise_prints_nothing_but_json_with_the_real_model(model_env):
    script = Path(sys.executable).with_name("spatialbalancing")
    command = [script, "revise", "--label", "use an analogy", "--json", "--candidates", "2", "-"]
    done = subprocess.run(
        command, input=PARAGRAPH, env=model_env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert 0 < len(result["versions"]) <= 2
    assert {version["model_id"] for version in result["versions"]} == {"SmolLM2-135M-Instruct"}
    assert all(0 < result["parent"][axis] < 100 for axis in ("exposition", "engagement"))
    assert all("0.5 mm" in version["text"] for version in result["versions"])
    wrong = subprocess.run(
        [*command, "--strategy", "hook"], input=PARAGRAPH, env=model_env, cwd=PROJECT_ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "One everyday comparison" in " ".join(wrong.stderr.split())


@pytest.mark.model
def test_serve_opens_at_once_and_ends_when_asked(model_env):
    script = Path(sys.executable).with_name("spatialbalancing")
    server = subprocess.Popen(
        [script, "serve"], env={**model_env, "PORT": "0"}, cwd=PROJECT_ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        url = server.stdout.readline().split()[3]
        assert url.startswith("http://127.0.0.1:")
        until = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        server.wait(120)
    finally:
        server.kill()
        server.communicate()
