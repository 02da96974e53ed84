"""The app with the mistake put back that the kill test is there to find: the answer goes out before the commit.

FastAPI's default for a dependency with `yield` is just that, by some milliseconds; here it is long enough to be hit by
a few kills instead of thousands. Only for tests/reliability/test_kill.py; nothing in app/ knows of it.
"""

from __future__ import annotations

import runpy
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

import app.main
from app.writing.deps import Db, write_session

LATE_SECONDS = 0.1


def write_late(database: Db) -> Iterator[Session]:
    block = database.write()
    session = block.__enter__()
    try:
        yield session
        session.flush()
    except BaseException as problem:
        block.__exit__(type(problem), problem, problem.__traceback__)
        raise
    threading.Timer(LATE_SECONDS, block.__exit__, (None, None, None)).start()


if __name__ == "__main__":
    create_app = app.main.create_app

    def create_late_app(*given: Any, **named: Any) -> Any:
        made = create_app(*given, **named)
        made.dependency_overrides[write_session] = write_late
        return made

    app.main.create_app = create_late_app
    runpy.run_module("tests.scripted", run_name="__main__")
