"""Both databases, the settings of a fresh data directory, and the app behind a client that looks like its own page."""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from sqlalchemy import create_engine, make_url, text
from starlette.testclient import TestClient

from app.db import schema
from app.db.engine import Database
from app.settings import Settings
from tests.scripted import ScriptedEngine, scripted_app

ORIGIN = "http://testserver"
OWN_PAGE = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}

# The same examples each time, however slow the machine is: what chance finds belongs into a test of its own.
hypothesis.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright leaves an event loop running in the thread, and asyncio starts no other."""
    browser = Path(__file__).parent / "browser"
    items.sort(key=lambda item: browser in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def _no_outside_settings() -> Iterator[None]:
    """What is set in the shell of whoever runs the tests must not change them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("SPATIAL_") or name in ("HOST", "PORT"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_work_by_the_clock() -> Iterator[None]:
    """What a running app does every few seconds is not to come in between; tests that are about it do it themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FOLLOW_SECONDS", "TIDY_SECONDS"):
            patch.setattr(f"app.main.{name}", 24 * 3600.0)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """What is made once for several tests comes before the seeds of any of them, and has its own, by its name."""
    if fixturedef.scope == "function":
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        name = f"{fixturedef.baseid}::{fixturedef.argname}"
        patch.setattr(secrets, "randbits", random.Random(name).getrandbits)
        return (yield)


@pytest.fixture(autouse=True)
def _the_same_seeds_each_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeds that generations are given, by the test's name; tokens and ids stay random."""
    monkeypatch.setattr(secrets, "randbits", random.Random(request.node.nodeid).getrandbits)


def postgresql_program(name: str) -> Path | None:
    """From PATH, else the newest of Debian's, which are not on it."""
    if found := shutil.which(name):
        return Path(found)
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return installed[-1] if installed else None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server of our own, on a free port, gone afterwards."""
    initdb, control = postgresql_program("initdb"), postgresql_program("pg_ctl")
    if initdb is None or control is None:
        reason = "PostgreSQL is not installed; `apt-get install postgresql` brings it."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(*command: object) -> None:
        done = subprocess.run(
            [*as_user, *map(str, command)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

    data = folder / "data"
    # Only the app is killed in these tests, never this server: it need not wait for the disk.
    options = f"-c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c max_connections=300"
    try:
        run(initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with socket.socket() as probe:  # as late as can be, so that nobody takes it meanwhile
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        run(control, "-D", data, "-w", "-l", folder / "log", "-o", f"{options} -p {port}", "start")
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}"
        run(control, "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _new_database(server: str, template: str = "template1") -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    maintenance = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with maintenance.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    maintenance.dispose()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A new, empty database."""
    with _new_database(postgresql_server) as url:
        yield url


def _sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spatialbalancing.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of either kind in turn, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{_sqlite_file(tmp_path)}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


def _bring_up(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables: copies are quicker than migrations, and most tests need one."""
    file = tmp_path_factory.mktemp("template") / "template.sqlite3"
    _bring_up(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a database with all tables."""
    with _new_database(postgresql_server) as url:
        _bring_up(url)
        yield str(make_url(url).database)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A new database with all tables."""
    file = _sqlite_file(tmp_path)
    file.parent.mkdir()
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database of either kind in turn, with all tables."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server, template = (request.getfixturevalue(f"postgresql_{part}") for part in ("server", "template"))
    with _new_database(server, template) as url:
        yield url


@pytest.fixture
def settings(db_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=db_url)


@pytest.fixture
def engine() -> ScriptedEngine:
    """The writer behind `app`; its delay and fault may be set while it runs."""
    return ScriptedEngine()


@pytest.fixture
def app(settings: Settings, engine: ScriptedEngine) -> FastAPI:
    return scripted_app(settings, engine)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A new writer on the running app: the start page was opened, so there is a session and the sample draft."""
    with TestClient(app, ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False) as writer:
        writer.get("/")
        yield writer
