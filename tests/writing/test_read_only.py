"""Who only reads is answered though nothing can be written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from tests.writing.desk import Desk, refused

FULL = "CREATE TRIGGER full_{0} BEFORE {1} ON {0} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
def test_a_full_disk_still_opens_and_exports_a_draft(client: TestClient) -> None:
    desk = Desk(client, "A cell divides.")
    with client.app.state.db.write() as session:  # type: ignore[attr-defined]
        session.execute(text("UPDATE writer SET seen_at = :then"), {"then": datetime(2020, 1, 1, tzinfo=UTC)})
        session.execute(text(FULL.format("writer", "UPDATE")))
        session.execute(text(FULL.format("event", "INSERT")))
    assert desk.texts() == ["A cell divides."]
    assert client.get(f"/drafts/{desk.id}").status_code == 200
    exported = client.get(f"/api/drafts/{desk.id}/export.md")
    assert (exported.status_code, exported.text) == (200, "# A draft\n\nA cell divides.\n")
    paragraph = desk.paragraphs()[0]
    edit = {"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": "Two."}
    refused(desk.try_save(edit), 507, "disk-full")
