"""A tiny model, comparisons, and one layer tuned on these, each made once."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from app.learn.comparisons import Comparison, Written
from app.llm.types import Message
from app.settings import Settings
from tests.learn.session import NAMES, tiny_model
from tests.llm.conftest import one_thread  # noqa: F401  (a fixture)

STRATEGIES = ("everyday-comparison", "shared-experience")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


def _written(name: str, response: str, strategy: str) -> Written:
    system = Message("system", "You help science writers.")
    user = Message("user", f"{name} change. They slow down.\n\nWrite one sentence.")
    return Written(
        version=str(uuid.uuid5(uuid.NAMESPACE_OID, name + response)),
        strategy=strategy,
        messages=(system, user),
        prefill="It is like",
        response=response,
        ended=False,
    )


@pytest.fixture(scope="session")
def comparisons() -> list[Comparison]:
    """Of ten paragraphs: a lamp is always the better comparison."""
    return [
        Comparison(
            generation=str(uuid.UUID(int=100 + i)),
            paragraph=str(uuid.UUID(int=i)),
            label="use-analogy",
            model_id="tiny",
            tuned_id=None,
            chosen=_written(name, " a lamp at night, as long as it lasts.", STRATEGIES[i % 2]),
            rejected=tuple(_written(name, f" {k} rivers. So it goes.", STRATEGIES[k % 2]) for k in (2, 3)),
        )
        for i, name in enumerate(NAMES)
    ]


@pytest.fixture(scope="session")
def tuned(tiny_folder: Path, comparisons: list[Comparison], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(settings, what was learnt, what was told), of a real run of the trainer."""
    import torch

    from app.learn.training import Bench, Options, tune

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = Settings(data_dir=tmp_path_factory.mktemp("shelf"), model=str(tiny_folder), device="cpu")
    told: list[str] = []
    learnt = tune(Bench(settings), comparisons, Options(20, 1e-2, 4), None, tell=told.append)
    torch.set_num_threads(threads)
    return settings, learnt, told
