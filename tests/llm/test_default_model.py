"""The default model as it is shipped."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from app.llm import layers
from app.llm.local import LocalEngine
from app.llm.store import DEFAULT_SHA256
from app.llm.types import Draw, Message, Prompt, Sampling
from app.settings import Settings

from .test_local import finishes, texts

pytestmark = pytest.mark.model


def test_it_writes_one_sentence_each_from_the_prefill(default_engine: LocalEngine) -> None:
    prompt = Prompt(
        (
            Message("system", "You compare science to everyday things. Answer with one sentence."),
            Message("user", "A virus needs a cell to multiply."),
            Message("assistant", "It is like a recipe without a kitchen: nothing is cooked until it gets inside."),
            Message("user", "Telomeres shorten each time a cell divides."),
        ),
        "It is like",
    )
    draws = [Draw(prompt, seed, Sampling(one_sentence=True, max_tokens=60, logprobs=True)) for seed in range(3)]
    chunks = list(default_engine.stream(draws, threading.Event()))
    answers = texts(chunks)
    assert len(chunks) > 20, "it streams"
    assert all(answer.startswith("It is like ") for answer in answers)
    assert len(set(answers)) > 1
    for i, finish in finishes(chunks).items():
        if finish == "stop":
            assert answers[i][-1] in '.!?"', answers[i]
    weights = [chunk.logprob for chunk in chunks if chunk.tokens]
    assert all(weight is not None and weight < 0 for weight in weights)
    assert texts(list(default_engine.stream(draws, threading.Event()))) == answers, "the same again"


def test_info_on_the_command_line_is_json_and_quick_to_import() -> None:
    code = "import sys, app.llm.cli; assert 'torch' not in sys.modules; app.llm.cli.app(['info', '--json'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=500)
    facts = json.loads(done.stdout)
    assert facts["sha256"] == DEFAULT_SHA256
    ships = layers.configured(Settings())
    assert facts["tuned_id"] == (layers.read(ships, DEFAULT_SHA256).tuned_id if ships else None)
    assert set(facts) == {"model_id", "tuned_id", "device", "dtype", "sha256", "kind"}


def test_nothing_is_printed_while_it_writes() -> None:
    code = (
        "import threading\n"
        "from app.llm.factory import make_engine\n"
        "from app.llm.types import Draw, Message, Prompt, Sampling\n"
        "from app.settings import Settings\n"
        "prompt = Prompt((Message('user', 'Say hello.'),))\n"
        "engine = make_engine(Settings())\n"
        "assert list(engine.stream([Draw(prompt, 0, Sampling(max_tokens=5))] * 2, threading.Event()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
