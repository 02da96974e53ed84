"""The command line: every example in a --help runs as printed; two processes train the same layer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import main
from app.settings import PROJECT_ROOT
from app.zo.layer import LOG_NAME, SeedLog, TunedLayer
from tests.zo.conftest import tiny

COMMANDS = ["locate", "tune", "evaluate", "replay", "merge", "sweep", "bench"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a tiny Llama and the default model's tokenizer."""
    from transformers import AutoTokenizer

    from app.llm.store import ModelStore
    from app.settings import Settings

    folder = tmp_path_factory.mktemp("small")
    tokenizer = AutoTokenizer.from_pretrained(ModelStore(Settings()).default_folder())
    tiny(vocab_size=len(tokenizer), num_hidden_layers=12).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run(*arguments):
    return CliRunner().invoke(main, ["zo", *map(str, arguments)], env={"COLUMNS": "300"})


def example(command):
    printed = re.sub(r"[│\s]+", " ", run(command, "--help").stdout)
    found = re.search(r"Example: `(spatialbalancing zo .*?)`", printed)
    assert found, printed
    return found[1].split()[2:]


def test_every_help_has_an_example_and_it_runs_as_printed(small, tmp_path, monkeypatch):
    """In this order each finds what the one before it wrote. `default` stands for the tiny model here: that the
    default model goes through the same commands is shown by `make bench`."""
    shutil.copytree(PROJECT_ROOT / "docs/examples", tmp_path / "docs/examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    for command in COMMANDS:
        arguments = [str(small) if word == "default" else word for word in example(command)]
        assert arguments[0] == command
        # The bench starts itself anew for memory, which only needs to be seen once in a while.
        done = run(*arguments, *(["--no-memory"] if command == "bench" else []))
        assert done.exit_code == 0, (arguments, done.output)
        assert done.stdout
    log = SeedLog.load(tmp_path / "tuned/first")
    assert len(log.gradients) == 20
    assert (tmp_path / "tuned/sweep/sweep.html").stat().st_size > 1_000_000
    merged = json.loads((tmp_path / "tuned/merged/config.json").read_text())
    assert merged["tuned_id"] == TunedLayer.load(tmp_path / "tuned/first").tuned_id


def test_what_a_program_reads_is_json(small, tmp_path):
    found = json.loads(run("locate", small, "--json", "--report", tmp_path / "page.html").stdout)
    assert {"layer", "rule", "profile"} <= set(found)
    assert len(found["profile"]) == 12
    page = (tmp_path / "page.html").read_text()
    assert "Plotly.newPlot" in page
    assert not re.search(r'<script[^>]+src=|<link[^>]+href="http', page)
    done = run("tune", small, PROJECT_ROOT / "docs/examples/reviews.tsv", "--out", tmp_path / "run", "--layer", 1,
               "--steps", 2, "--batch-size", 4, "--json", "--report", tmp_path / "run.html")  # fmt: skip
    assert json.loads(done.stdout)["steps"] == 2
    assert "Plotly.newPlot" in (tmp_path / "run.html").read_text()
    times = json.loads(run(
        "bench", "--model", small, "--data", PROJECT_ROOT / "docs/examples/reviews.tsv", "--batch-size", 4,
        "--rounds", 1, "--json", "--no-memory", "--regimes", "ours,mezo,paper,tuned-mezo",
    ).stdout)  # fmt: skip
    assert {"ratio_vs_mezo", "ratio_vs_paper", "ratio_vs_tuned_mezo"} <= set(times)
    assert {"noise", "forward", "update", "total"} <= set(times["regimes"]["ours"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tune", "{small}", "{data}", "--out", "{out}", "--rate", "0"], "rate"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--epsilon", "nan"], "epsilon"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--layer", "x"], "--layer"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--layer", "12"], "0 to 11"),
        (["tune", "{small}", "{out}/nothing.jsonl", "--out", "{out}"], "No such file"),
        (["tune", "/nowhere", "{data}", "--out", "{out}"], "not on this machine"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--resume", "--batch-size", "4"], "no run to resume"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--batch-size", "99"], "more than the 16 examples"),
        (["replay", "{small}", "{out}"], "can't be read"),
        (["tune", "{small}", "{data}", "--out", "{data}/below", "--layer", "1", "--batch-size", "4"], "can't be used"),
        (["tune", "{small}", "{data}", "--out", "{out}", "--device", "abacus"], "no device abacus"),
        (["bench", "--model", "{small}", "--data", "{data}", "--regimes", "magic"], "tuned-mezo"),
        (["bench", "--model", "{small}", "--data", "{data}", "--layer", "1,2"], "--layer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_told_in_a_sentence(small, tmp_path, arguments, told):
    names = {"small": small, "data": PROJECT_ROOT / "docs/examples/analogies.jsonl", "out": tmp_path / "out"}
    done = run(*[argument.format(**names) for argument in arguments])
    assert done.exit_code in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_two_processes_train_the_layer_that_one_trains(small, tmp_path):
    """Over gloo, two floats a step. The sums are rounded otherwise, so that gradients agree to float32 only."""
    data = PROJECT_ROOT / "docs/examples/reviews.tsv"
    options = ["--layer", "1", "--steps", "6", "--batch-size", "8", "--rate", "1e-3", "--epsilon", "1e-2"]
    one = run("tune", small, data, "--out", tmp_path / "one", *options)
    assert one.exit_code == 0, one.output
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone",
         "-m", "app", "zo", "tune", str(small), str(data), "--out", str(tmp_path / "two"), *options],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    logs = [SeedLog.load(tmp_path / name / LOG_NAME) for name in ("one", "two")]
    assert len(logs[1].gradients) == 6
    for (alone,), (together,) in zip(*(log.gradients for log in logs), strict=True):
        assert together == pytest.approx(alone, rel=1e-3, abs=1e-3)
    assert logs[0].initial == logs[1].initial
