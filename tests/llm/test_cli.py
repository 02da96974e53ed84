"""`spatialbalancing model …` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.llm.cli import app


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_list_names_the_default(tmp_path: Path) -> None:
    code, out, _ = run("list", "--json", SPATIAL_DATA_DIR=str(tmp_path))
    assert code == 0
    [default] = [model for model in json.loads(out) if model["name"] == "default"]
    assert default["ready"] is False


def test_info_of_a_folder(tiny_folder: Path, tmp_path: Path) -> None:
    code, out, _ = run("info", "--json", SPATIAL_MODEL=str(tiny_folder), SPATIAL_DATA_DIR=str(tmp_path))
    assert code == 0
    assert json.loads(out)["model_id"] == tiny_folder.name


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = run("info", SPATIAL_MODEL="nobody/nothing", SPATIAL_DATA_DIR=str(tmp_path))
    assert code == 1
    assert "model pull nobody/nothing" in err


@pytest.mark.parametrize("arguments", [["infoo"], ["info", "--jsn"], ["pull", "a", "b"], ["list", "extra"]])
def test_bad_arguments_exit_2_and_say_so(arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage" in err


def test_pull_beside_a_server_wants_a_name() -> None:
    code, _, err = run("pull", SPATIAL_LLM_URL="http://127.0.0.1:1/v1")
    assert code == 2
    assert "NAME" in err
