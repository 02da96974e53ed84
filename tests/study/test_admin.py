"""The facilitator's doors: signing in, who is let in, bad input told, participants and their links."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import event, func, select
from starlette.testclient import TestClient

from app.db.base import Base, now
from app.settings import Settings
from app.study import addresses, auth, erase, service, store
from app.study.models import FacilitatorSession, Participant, Study
from app.study.roster import codes
from app.study.routes.admin import data, door, live, participants, studies
from app.web.errors import Problem
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import scripted_app
from tests.study.people import SHORT, Person

PASSWORD = "three words in a row"
PAGE = {**OWN_PAGE, "Accept": "text/html"}


@pytest.fixture
def db_url(sqlite_url: str) -> str:
    """SQL of these pages is SQLAlchemy's alone; the PostgreSQL round is in test_flow."""
    return sqlite_url


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id all the same, with parameters that a test can wait for."""
    from argon2 import PasswordHasher

    monkeypatch.setattr(auth, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    auth._nobody.cache_clear()


@pytest.fixture
def browser(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, ORIGIN, headers=PAGE, raise_server_exceptions=False) as client:
        with app.state.db.write() as session:
            auth.create(session, "Ada", PASSWORD)
        while app.state.studio.problem is not None:
            time.sleep(0.01)
        yield client


def sign_in(client: TestClient, password: str = PASSWORD, name: str = "ada", **more: str) -> Response:
    sent: Response = client.post(
        "/admin/sign-in", data={"name": name, "password": password, **more}, follow_redirects=False
    )
    return sent


@pytest.fixture
def admin(browser: TestClient) -> TestClient:
    assert sign_in(browser).status_code == 303
    return browser


@pytest.fixture
def study(admin: TestClient) -> str:
    """The id of a short study that is open."""
    made = admin.post("/admin/studies/import", data={"protocol": SHORT})
    assert made.status_code == 200, made.text
    study_id = re.search(r"/admin/studies/([0-9a-f-]{36})", str(made.url))
    assert study_id is not None
    assert admin.post(f"/admin/studies/{study_id[1]}/open").status_code == 200
    return study_id[1]


def told(response: Response) -> str:
    """What the page says went wrong."""
    found = re.search(r'role="alert">\s*<p>(.*?)</p>', response.text, re.S)
    return found[1] if found else ""


def links(client: TestClient, study: str, **form: str) -> list[str]:
    key = form.pop("key", "0" * 32)
    made = client.post(f"/admin/studies/{study}/participants", data={"how": "count", "count": "1", "key": key, **form})
    return re.findall(r"data-code=\"[^\"]*\">([^<]*)<", made.text)


# ── signing in ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_is_let_in_without_signing_in(browser: TestClient) -> None:
    """Every address of the facilitator's but the sign-in page."""
    checked = 0
    for part in (door, studies, participants, live, data):
        for route in part.router.routes:
            path = re.sub(r"\{\w+\}", "00000000-0000-0000-0000-000000000000", f"/admin{route.path}")  # type: ignore[attr-defined]
            for method in route.methods - {"HEAD"} if path != "/admin/sign-in" else ():  # type: ignore[attr-defined]
                answer = browser.request(method, path, follow_redirects=False)
                assert answer.status_code in (303, 401), (method, path, answer.status_code)
                checked += 1
    assert checked > 30
    assert browser.get("/admin", follow_redirects=False).status_code == 303


def test_signing_in_leads_back_to_where_one_was_and_never_elsewhere(browser: TestClient) -> None:
    asked = browser.get("/admin/account", follow_redirects=False)
    assert asked.headers["location"] == "/admin/sign-in?next=/admin/account"
    for wanted, led in (
        ("/admin/account", "/admin/account"),
        ("https://evil.example/admin", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/drafts/1", "/admin"),
    ):
        assert sign_in(browser, next=wanted).headers["location"] == led, wanted


def test_signing_in_works_over_plain_http_where_browsers_tell_only_the_origin(browser: TestClient) -> None:
    assert browser.get("/admin/sign-in").headers["referrer-policy"] == "same-origin"
    del browser.headers["Sec-Fetch-Site"]
    assert sign_in(browser).status_code == 303
    browser.headers["Origin"] = "null"
    assert sign_in(browser).status_code == 403


def test_a_wrong_name_and_a_wrong_password_are_told_alike(browser: TestClient) -> None:
    for name, password in (("ada", "not the password"), ("nobody", PASSWORD), ("", "")):
        answer = sign_in(browser, password, name)
        assert answer.status_code == 401
        assert told(answer) == auth.WRONG
        assert "set-cookie" not in answer.headers


def test_guessing_is_held_back_by_name_whatever_the_name_s_case(browser: TestClient) -> None:
    for _ in range(5):
        assert sign_in(browser, "guess", "Ada").status_code == 401
    held = sign_in(browser, PASSWORD, " aDA ")
    assert held.status_code == 429
    assert int(held.headers["retry-after"]) > 60
    assert "Try again in 15 minutes" in told(held)


def test_guessing_is_held_back_by_address(browser: TestClient) -> None:
    answers = [sign_in(browser, "guess", f"name {i}").status_code for i in range(31)]
    assert answers == [401] * 30 + [429]


def test_the_password_is_kept_as_argon2id_and_the_session_as_a_hash(admin: TestClient, app: FastAPI) -> None:
    token = admin.cookies[auth.COOKIE]
    with app.state.db.read() as session:
        found = auth.named(session, "Ada")
        assert found is not None
        assert found.password_hash.startswith("$argon2id$")
        kept = session.scalars(select(FacilitatorSession.token_hash)).all()
    assert token not in kept
    assert len(token) >= 43  # 256 bits


def test_the_cookie_is_out_of_reach_for_scripts_and_other_pages(browser: TestClient) -> None:
    cookie = sign_in(browser).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/admin" in cookie


def test_a_session_ends_by_signing_out_by_another_browser_and_by_a_new_password(
    admin: TestClient, app: FastAPI
) -> None:
    other = TestClient(app, ORIGIN, headers=PAGE)
    sign_in(other)
    assert other.get("/admin").status_code == 200
    with app.state.db.read() as session:
        found = auth.named(session, "Ada")
        assert found is not None
        ids = [s.id for s in auth.sessions(session, found.id)]
        mine = auth.who(session, admin.cookies[auth.COOKIE])
    assert mine is not None
    theirs = next(i for i in ids if i != mine[0].session_id)
    admin.post(f"/admin/account/sessions/{theirs}/end")
    assert "Sign in" in other.get("/admin").text
    sign_in(other)
    changed = admin.post(
        "/admin/account/password", data={"password": PASSWORD, "new": "quite another one", "again": "quite another one"}
    )
    assert "The password is changed" in changed.text
    assert "Sign in" in other.get("/admin").text
    token = admin.cookies[auth.COOKIE]
    admin.post("/admin/sign-out")
    admin.cookies.set(auth.COOKIE, token, path="/admin")
    assert "Sign in" in admin.get("/admin").text


def test_a_session_that_nobody_uses_is_over(admin: TestClient, app: FastAPI) -> None:
    for idle, status in ((auth.IDLE - timedelta(minutes=1), 200), (auth.IDLE + timedelta(minutes=1), 303)):
        with app.state.db.write() as session:
            session.scalars(select(FacilitatorSession)).one().seen_at = now() - idle
        assert admin.get("/admin", follow_redirects=False).status_code == status


def test_a_form_from_another_site_is_refused(admin: TestClient, study: str) -> None:
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert admin.post(f"/admin/studies/{study}/close", headers=foreign).status_code == 403


def test_a_participant_is_no_facilitator(admin: TestClient, app: FastAPI, study: str) -> None:
    [link] = links(admin, study)
    person = Person(app, link.rsplit("/", 1)[1])
    person.begin()
    assert person.client.get(f"/admin/studies/{study}/live.json").status_code == 401
    assert person.client.get("/admin", headers=PAGE, follow_redirects=False).status_code == 303


# ── studies ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("template", ["two-conditions", "ablation-without-muse"])
def test_the_form_makes_the_study_that_the_template_says(admin: TestClient, app: FastAPI, template: str) -> None:
    """All that the form does not change comes through it as it was."""
    from app.study import protocol, wizard

    form = {**wizard.fields(template), "name": "made-by-form"}
    assert "created" in str(admin.post("/admin/studies/new", data=form).url)
    with app.state.db.read() as session:
        made = session.scalars(select(Study)).one()
    wanted = protocol.parse(protocol.templates()[template]).model_dump()
    assert protocol.parse(made.protocol).model_dump() == {**wanted, "name": "made-by-form"}


def test_a_mistake_in_the_form_names_the_line_and_keeps_what_was_written(admin: TestClient) -> None:
    from app.study import wizard

    form = {**wizard.fields("two-conditions"), "title": "Mine & <b>only</b>", "consent": "We keep nothing."}
    refused = admin.post("/admin/studies/new", data=form)
    assert refused.status_code == 422
    assert re.match(r"Line \d+: .*keystrokes", told(refused))
    assert 'class="wrong"' in refused.text
    assert 'value="Mine &amp; &lt;b&gt;only&lt;/b&gt;"' in refused.text


@pytest.mark.parametrize(("count", "shown"), [("²", 3), ("9" * 5000, 3), ("", 3), ("0", 2), ("3", 4), ("99", 24)])
def test_a_topic_more_whatever_number_was_sent(admin: TestClient, count: str, shown: int) -> None:
    page = admin.post("/admin/studies/new", data={"topics": count, "add-topic": "1"})
    assert page.status_code == 200
    assert page.text.count('data-topic="t') == shown
    assert admin.post("/admin/studies/new", data={"topics": count}).status_code == 422


def test_a_mistake_in_a_protocol_names_its_line_and_keeps_the_text(admin: TestClient) -> None:
    text = SHORT.replace("seed: 7", "sead: 7")
    refused = admin.post("/admin/studies/import", data={"protocol": text})
    assert refused.status_code == 422
    assert told(refused).startswith("Line 6: There is no key `sead` here.")
    assert '<li value="6" class="wrong"><code>sead: 7</code>' in refused.text
    assert "sead: 7\nparticipants: 4" in refused.text


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"\xff\xfe\x00binary", "not text"),
        (b"format: x\0y", "not text"),
        (b"- a list", "Line 1: A protocol is a list of keys and values"),
        (b"a: [1", "This is not YAML"),
        (b"", "A protocol is a list"),
    ],
)
def test_a_file_that_is_no_protocol_is_refused_in_words(admin: TestClient, file: bytes, says: str) -> None:
    refused = admin.post("/admin/studies/import", data={"protocol": ""}, files={"file": ("p.yaml", file)})
    assert refused.status_code == 422
    assert says in told(refused)


def test_an_opened_study_is_frozen_and_exported_as_it_was_given(admin: TestClient, study: str) -> None:
    assert admin.get(f"/admin/studies/{study}/protocol.yaml").text == SHORT
    refused = admin.post(f"/admin/studies/{study}/protocol", data={"protocol": SHORT})
    assert refused.status_code == 409
    copied = admin.post(f"/admin/studies/{study}/copy")
    assert "name: short-2" in copied.text


def test_a_study_of_recorded_answers_is_not_opened_on_a_model(admin: TestClient) -> None:
    text = SHORT.replace("seed: 7", "seed: 7\nresponses: recorded")
    made = admin.post("/admin/studies/import", data={"protocol": text})
    refused = admin.post(f"{str(made.url).partition('?')[0]}/open")
    assert refused.status_code == 409
    assert "SPATIAL_MODEL=recorded" in told(refused)


# ── participants ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_links_are_made_once_however_often_the_form_is_sent(admin: TestClient, app: FastAPI, study: str) -> None:
    first, again = links(admin, study, count="3"), links(admin, study, count="3")
    assert first == again
    assert len(first) == 3
    with app.state.db.read() as session:
        assert len(store.codes(session, study)) == 3
        kept = " ".join(session.scalars(select(Participant.link_hash)))
    assert not any(link.rsplit("/", 1)[1] in kept for link in first)


def test_links_are_shown_only_to_who_made_them(admin: TestClient, app: FastAPI, study: str) -> None:
    [link] = links(admin, study, key="a" * 32)
    with app.state.db.write() as session:
        auth.create(session, "Bob", PASSWORD)
    other = TestClient(app, ORIGIN, headers=PAGE)
    sign_in(other, name="Bob")
    assert link not in other.get(f"/admin/studies/{study}/links/{'a' * 32}").text
    assert other.get(f"/admin/studies/{study}/links/{'a' * 32}.csv").status_code == 410


def test_links_lead_to_no_address_that_was_not_offered(settings: Settings, tmp_path: Path) -> None:
    """The settings' own address comes first, a proxy's claims count for nothing."""
    app = scripted_app(settings.model_copy(update={"allowed_origins": ["https://study.example.org/"]}))
    with TestClient(app, ORIGIN, headers={**PAGE, "X-Forwarded-Host": "evil.example"}) as client:
        with app.state.db.write() as session:
            auth.create(session, "Ada", PASSWORD)
            study = service.create(session, SHORT).id
        sign_in(client)
        for wanted in ("", "https://evil.example"):
            [link] = links(client, study, key=f"{len(wanted):032}", base=wanted)
            assert link.startswith("https://study.example.org/s/")
        [own] = links(client, study, key="f" * 32, base=ORIGIN)
        assert own.startswith(f"{ORIGIN}/s/")


def test_links_are_offered_for_addresses_that_are_listened_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "machine_addresses", lambda: ["192.0.2.7", "2001:db8::7"])

    def offered(host: str) -> list[str]:
        return addresses.offered(settings.model_copy(update={"host": host}), "http://127.0.0.1:8000")

    assert offered("127.0.0.1") == ["http://127.0.0.1:8000"]
    assert offered("0.0.0.0") == ["http://192.0.2.7:8000", "http://127.0.0.1:8000"]
    assert offered("::") == ["http://192.0.2.7:8000", "http://[2001:db8::7]:8000", "http://127.0.0.1:8000"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("P1\nP2\n", ["P1", "P2"]),
        ("name;code\r\nJane Doe;A-1\r\nJohn Roe;A-2\r\n", ["A-1", "A-2"]),
        ("Code\tmail\nX1\tx@example.org\n\n\n", ["X1"]),
        ('"Q1","a ""quoted"" cell, with a comma"\n"Q2",""\n', ["Q1", "Q2"]),
    ],
)
def test_codes_are_read_from_the_right_column(text: str, wanted: list[str]) -> None:
    assert codes(text) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('P1\n=HYPERLINK("http://evil")\n', "Line 2: “=HYPERLINK"),
        ("P1\n@SUM(A1)\n", "Line 2"),
        ("P1\nP2\nP1\n", "Line 3: P1 stands in line 1 already"),
        ("name,code\nJane,\n", "Line 2: there is no code"),
        ("code\n", "no code under it"),
        ("  \n", "There is no code in it"),
        (",,\n,,\n", "There is no code in it"),
        ('P1\n"P2\n', "can't be read as CSV"),
    ],
)
def test_codes_that_are_none_are_refused_with_their_line(text: str, says: str) -> None:
    with pytest.raises(Problem) as refused:
        codes(text)
    assert says in str(refused.value.detail)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"PK\x03\x04", "Save it as CSV"),
        (b"P1,\xff\x00\x01", "not text"),
        ("Zoë\n".encode("utf-16"), "can&#39;t be a code"),
    ],
)
def test_a_file_that_is_no_list_is_refused_and_nobody_is_added(
    admin: TestClient, app: FastAPI, study: str, file: bytes, says: str
) -> None:
    form = {"how": "list", "key": "b" * 32}
    refused = admin.post(f"/admin/studies/{study}/participants", data=form, files={"file": ("p.csv", file)})
    assert refused.status_code == 422
    assert says in told(refused)
    with app.state.db.read() as session:
        assert not store.codes(session, study)


def test_pause_note_exclude_and_a_new_link(admin: TestClient, app: FastAPI, study: str) -> None:
    [link] = links(admin, study)
    person = Person(app, link.rsplit("/", 1)[1])
    person.begin()
    with app.state.db.read() as session:
        found = session.scalars(select(Participant)).one().id
    here = f"/admin/participants/{found}"
    assert admin.post(f"{here}/pause", data={"reason": " "}).status_code == 422
    assert "paused: fire alarm" in admin.post(f"{here}/pause", data={"reason": "fire alarm"}).text
    row = admin.get(f"/admin/studies/{study}/live.json").json()["participants"][0]
    assert row["at"]["paused"] == "fire alarm"
    assert admin.post(f"{here}/resume").status_code == 200
    noted = admin.post(f"{here}/note", data={"text": "asked for <b>water</b>"})
    assert "asked for &lt;b&gt;water&lt;/b&gt;" in noted.text
    assert admin.post(f"{here}/exclude", data={"excluded": "yes", "why": ""}).status_code == 422
    assert "excluded: pilot" in admin.post(f"{here}/exclude", data={"excluded": "yes", "why": "pilot"}).text
    assert admin.post(f"{here}/exclude", data={"excluded": "no"}).status_code == 200
    fresh = re.findall(r"data-code=\"[^\"]*\">([^<]*)<", admin.post(f"{here}/link", data={"key": "c" * 32}).text)
    gone = Person(app, link.rsplit("/", 1)[1])
    assert gone.post("begin", {"token": gone.token, "tab": gone.tab}).status_code == 404
    again = Person(app, fresh[0].rsplit("/", 1)[1])
    assert again.begin()["step"] == "consent"
    assert admin.post(f"{here}/revoke").status_code == 200
    assert again.post("state", again.page()).status_code == 401


def test_the_monitor_asks_the_database_as_often_for_many_as_for_one(
    admin: TestClient, app: FastAPI, study: str
) -> None:
    said: list[str] = []

    def look() -> int:
        said.clear()
        assert admin.get(f"/admin/studies/{study}/live.json").status_code == 200
        return len(said)

    def join(count: int) -> None:
        with app.state.db.write() as session:
            made = service.add_participants(session, study, [None] * count)
        for person, token in made:
            Person(app, token).begin()
            admin.post(f"/admin/participants/{person.id}/pause", data={"reason": "coffee"})

    event.listen(app.state.db.engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    join(1)
    for_one = look()
    join(4)
    assert look() == for_one <= 10


def test_deleting_asks_for_the_code_and_leaves_nothing_in_any_file(
    admin: TestClient, app: FastAPI, settings: Settings, study: str
) -> None:
    [link] = links(admin, study)
    person = Person(app, link.rsplit("/", 1)[1])
    person.begin()
    person.do()
    person.try_answer(effort__why="a sentence that only they wrote")
    with app.state.db.read() as session:
        found = session.scalars(select(Participant)).one()
    here = f"/admin/participants/{found.id}"
    refused = admin.post(f"{here}/delete", data={"typed": "p01"})
    assert refused.status_code == 422
    gone = admin.post(f"{here}/delete", data={"typed": found.code})
    assert "Deleted wholly" in gone.text
    with app.state.db.read() as session:
        for table in Base.metadata.tables.values():
            for row in session.execute(select(table)):
                assert "only they wrote" not in str(row)
                assert found.id not in map(str, row), table.name
    assert not any(b"only they wrote" in path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    assert admin.get(here).status_code == 404


def test_a_deletion_that_breaks_off_leaves_a_snapshot_and_the_next_one_takes_it_away(
    admin: TestClient, app: FastAPI, settings: Settings, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    links(admin, study, count="2")
    with app.state.db.read() as session:
        first, second = session.scalars(select(Participant).order_by(Participant.code)).all()

    def snapshots() -> list[Path]:
        return list((settings.data_dir / "backups").glob("*"))

    with monkeypatch.context() as broken:
        broken.setattr(erase, "scrub", lambda _: 1 / 0)
        assert admin.post(f"/admin/participants/{first.id}/delete", data={"typed": first.code}).status_code == 500
    [left] = snapshots()
    page = admin.get(f"/admin/studies/{study}/participants").text
    assert "A deletion broke off" in page
    assert left.name in page
    assert first.id.encode() in left.read_bytes()
    assert admin.post(f"/admin/participants/{second.id}/delete", data={"typed": second.code}).status_code == 200
    assert snapshots() == []
    left.write_text("one that is deleted by hand")
    assert admin.post(f"/admin/studies/{study}/snapshots/{left.name}/delete").status_code == 200
    assert snapshots() == []


def test_a_snapshot_s_name_can_t_lead_out_of_its_folder(admin: TestClient, settings: Settings, study: str) -> None:
    victim = settings.data_dir / "victim"
    victim.write_text("here")
    for name in ("..%2Fvictim", "before-delete-..%2F..%2Fvictim", "spatialbalancing.sqlite3"):
        assert admin.post(f"/admin/studies/{study}/snapshots/{name}/delete").status_code == 404
    assert victim.exists()


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_page_of_a_study_opens_and_ids_that_are_none_are_404(admin: TestClient, study: str) -> None:
    for path in ("", "/participants", "/check", "/live", "/analysis", "/sessions", "/export", "/protocol"):
        page = admin.get(f"/admin/studies/{study}{path}")
        assert page.status_code == 200, path
        # Else a browser sends no origin with a form, and over plain HTTP nothing else tells where it comes from.
        assert page.headers["referrer-policy"] == "same-origin", path
        for wrong in ("not-an-id", "00000000-0000-0000-0000-000000000000"):
            assert admin.get(f"/admin/studies/{wrong}{path}").status_code == 404, path


def test_the_readiness_check_presses_the_model(admin: TestClient, study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.study.selftest.SLOW_WRITE", 60)
    form = {"browser-ms": str(time.time_ns() // 1_000_000 - 60_000)}
    answer = admin.post(f"/admin/studies/{study}/check", data=form, headers={"Accept": "application/json"})
    found = {check["id"]: check for check in answer.json()}
    assert set(found) == {"model", "database", "clock", "disk", "addresses", "study"}
    assert "wrote" in found["model"]["told"]
    assert found["database"]["state"] == "ok"
    assert found["clock"]["state"] == "bad"
    assert "behind the server's" in found["clock"]["told"]
    assert found["addresses"]["state"] == "bad"  # nobody serves http://testserver
    assert found["study"]["state"] == "ok"


def test_a_dry_run_goes_all_the_way_and_leaves_no_row(admin: TestClient, app: FastAPI, study: str) -> None:
    def rows() -> dict[str, int]:
        with app.state.db.read() as session:
            return {
                name: session.scalar(select(func.count()).select_from(table)) or 0
                for name, table in Base.metadata.tables.items()
            }

    before = rows()
    assert admin.post(f"/admin/studies/{study}/dry-run").status_code == 200
    end = time.monotonic() + 240
    while (run := admin.get(f"/admin/studies/{study}/dry-run.json").json())["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert run["state"] == "passed", run
    assert [one["step"] for one in run["steps"]][-1] == "debrief"
    assert run["erased"] > 50
    assert rows() == before
