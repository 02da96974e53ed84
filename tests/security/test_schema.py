"""Every operation of the API, fed from its own schema and against it: no fault, every refusal a problem document."""

from __future__ import annotations

import os
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.reliability.server import Server

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "15"))


def ids(client: httpx2.Client) -> dict[str, list[str]]:
    """Real ids, so that requests get past the first look."""
    draft = client.post("/api/drafts", json={"title": "Fuzzed", "text": "One sentence.\n\nAnother one."}).json()
    label = client.get("/api/labels").json()["groups"][0]["labels"][0]["id"]
    body = {"version_id": draft["paragraphs"][0]["head"], "label": label}
    generation = client.post("/api/generations", json=body).json()
    return {"draft": [draft["id"]], "version": [v["id"] for v in draft["versions"]], "generation": [generation["id"]]}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.timeout(900)
def test_no_request_faults_the_server(mode: GenerationMode, server: Server, client: httpx2.Client) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 15
    known = ids(client)
    answers: dict[str, set[int]] = {}
    faults: list[str] = []

    for operation in operations:
        if operation.path.endswith("/stream") and mode is GenerationMode.NEGATIVE:
            continue

        def probe(case: schemathesis.Case[Any], real: bool) -> None:
            for name in case.path_parameters or {}:
                kind = name.split("_")[0]
                if real and kind in known:
                    case.path_parameters[name] = known[kind][0]
            answer = case.call(
                base_url=server.url, cookies=dict(client.cookies), headers={"Origin": server.url}, timeout=300
            )
            path = f"{case.method} {case.operation.path}"
            answers.setdefault(path, set()).add(answer.status_code)
            told = answer.headers.get("content-type", [""])[0]
            if answer.status_code >= 500 and answer.status_code != 503:
                faults.append(f"{path}: {answer.status_code} for {case.path_parameters} {case.body!r:.300}")
            elif answer.status_code >= 400 and not told.startswith(("application/problem+json", "text/html")):
                faults.append(f"{path}: {answer.status_code} as {told}")

        strategy = operation.as_strategy(generation_mode=mode)
        quiet = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        try:
            quiet(given(case=strategy, real=st.booleans())(probe))()
        except Unsatisfiable:  # nothing could be wrong with a request that has nothing in it
            if mode is GenerationMode.POSITIVE:
                raise
    assert faults == []
    assert len(answers) >= 15
    if mode is GenerationMode.POSITIVE:
        assert sum(any(status < 300 for status in told) for told in answers.values()) >= 8, answers
