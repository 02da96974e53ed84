from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.reliability.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), None, "--delay", "0") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    """A new writer."""
    with server.client() as writer:
        writer.get("/")
        yield writer
