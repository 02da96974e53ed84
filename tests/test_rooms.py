"""Rules of the rooms that import-linter can't tell."""

from __future__ import annotations

import ast

from app.settings import PROJECT_ROOT


def test_routes_speak_no_sql() -> None:
    """Statements are made in store.py and its like; a route may hold a session, and hand it on."""
    files = [path for path in (PROJECT_ROOT / "app").rglob("*.py") if "routes" in (path.stem, *path.parts)]
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            spoken = isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
            assert not spoken, f"{path.relative_to(PROJECT_ROOT)}, line {node.lineno}"
