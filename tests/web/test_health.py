import time

from starlette.testclient import TestClient

from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import ScriptedEngine, scripted_app


def ready(client, within=60.0):
    until = time.monotonic() + within
    while (answer := client.get("/readyz")).status_code != 200 and time.monotonic() < until:
        time.sleep(0.02)
    return answer


def test_health_answers_whatever_the_model_does(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_names_the_model_once_it_answers(client):
    answer = ready(client)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["model_id"] == "scripted"


def test_a_model_on_its_way_is_told(settings, tmp_path):
    (tmp_path / "hold").touch()
    engine = ScriptedEngine(hold=tmp_path / "hold")
    with TestClient(scripted_app(settings, engine), ORIGIN, headers=OWN_PAGE) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "model-loading")
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/").status_code == 200  # the editor, meanwhile
        (tmp_path / "hold").unlink()
        assert ready(client).status_code == 200


def test_a_model_that_fails_is_told_with_how_to_mend_it_and_may_be_tried_again(settings):
    with TestClient(scripted_app(settings, ScriptedEngine(broken=1)), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        until = time.monotonic() + 60
        while client.get("/api/model").json()["status"] == "loading" and time.monotonic() < until:
            time.sleep(0.02)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "model-missing")
        assert "make setup" in answer.json()["detail"]
        assert client.post("/api/model/retry").status_code == 202
        assert ready(client).status_code == 200


def test_a_policy_report_is_taken_and_bounded(client, capfd):
    answer = client.post("/csp-report", content=b'{"csp-report": "' + b"x" * 100_000 + b'"}')
    assert (answer.status_code, answer.content) == (204, b"")
    written = capfd.readouterr().err
    assert "csp-report" in written
    assert len(written) < 10_000
