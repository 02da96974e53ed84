"""A finished study. It is made once for each database, since making it takes seconds, and only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.settings import Settings
from tests.scripted import scripted_app
from tests.study import made
from tests.study.made import Made


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Four participants, one in each cell, on SQLite."""
    app = scripted_app(Settings(data_dir=tmp_path_factory.mktemp("study")))
    with TestClient(app, made.ORIGIN):
        yield made.study(app)


@pytest.fixture
def finished_elsewhere(postgresql_url: str, tmp_path: object) -> Iterator[Made]:
    """One participant, on PostgreSQL."""
    app = scripted_app(Settings(data_dir=tmp_path, database_url=postgresql_url))
    with TestClient(app, made.ORIGIN):
        yield made.study(app, 1)
