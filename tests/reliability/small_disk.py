"""The scripted server on a database that may not grow beyond the pages named in DIR/max_pages (a full disk, to SQLite).

Only for tests/reliability/test_storage.py; nothing in app/ knows of it.
"""

from __future__ import annotations

import runpy
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

if __name__ == "__main__":
    control = Path(sys.argv[sys.argv.index("--data-dir") + 1]) / "max_pages"

    @event.listens_for(Pool, "checkout")
    def _bound(connection: sqlite3.Connection, _record: Any, _proxy: Any) -> None:
        pages = int(control.read_text()) if control.exists() else 1_073_741_823
        connection.execute(f"PRAGMA max_page_count={pages}")

    runpy.run_module("tests.scripted", run_name="__main__")
