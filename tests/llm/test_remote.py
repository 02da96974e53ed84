"""RemoteEngine against a real server, well and badly behaved."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.llm.remote import RemoteEngine
from app.llm.types import Chunk, Draw, EngineError, Sampling

from .chat_server import WORDS, ChatServer, words
from .conftest import prompt
from .test_local import finishes, texts

NEVER = threading.Event()


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    server = ChatServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def slow_server() -> Iterator[ChatServer]:
    server = ChatServer(pause=0.1).start()
    yield server
    server.stop()


@pytest.fixture
def crawling_server() -> Iterator[ChatServer]:
    """No answer ends while a test looks."""
    server = ChatServer(pause=30).start()
    yield server
    server.stop()


@pytest.fixture
def joint_server() -> Iterator[ChatServer]:
    """No answer goes on before three have begun."""
    server = ChatServer(together=3).start()
    yield server
    server.stop()


def whole(seed: int) -> str:
    return "".join(words(seed)).strip()


def test_several_draws_stream_at_once_in_their_own_seeds(joint_server: ChatServer) -> None:
    engine = RemoteEngine(joint_server.url, "words")
    chunks = list(engine.stream([Draw(prompt("q"), seed) for seed in (1, 2, 3)], NEVER))
    assert texts(chunks) == [whole(1), whole(2), whole(3)]
    assert finishes(chunks) == {0: "stop", 1: "stop", 2: "stop"}
    assert sum(chunk.tokens for chunk in chunks) == 3 * WORDS
    assert len(joint_server.requests) == 3, "side by side, not one after another: the first would still be waiting"


def test_the_request_carries_the_sampling(server: ChatServer) -> None:
    sampling = Sampling(temperature=0.3, top_p=0.8, repetition_penalty=1.1, max_tokens=4, stop=("a", "b"))
    chunks = list(RemoteEngine(server.url, "words").stream([Draw(prompt("q", "It is "), 5, sampling)], NEVER))
    request = server.requests[-1]
    assert {k: request[k] for k in ("model", "seed", "temperature", "top_p", "max_tokens", "stop", "stream")} == {
        "model": "words", "seed": 5, "temperature": 0.3, "top_p": 0.8, "max_tokens": 4, "stop": ["a", "b"],
        "stream": True,
    }  # fmt: skip
    assert request["repetition_penalty"] == 1.1
    assert request["messages"][-1] == {"role": "assistant", "content": "It is"}
    assert (request["continue_final_message"], request["add_generation_prompt"]) == (True, False)
    assert finishes(chunks) == {0: "length"}


@pytest.mark.parametrize("how", ["words", "echo", "strict"])
def test_the_answer_begins_with_the_prefill_once_whatever_the_server(server: ChatServer, how: str) -> None:
    engine = RemoteEngine(server.url, how)
    for _ in range(2):
        chunks = list(engine.stream([Draw(prompt("q", "Begin with Begin"), 1)], NEVER))
        assert chunks[0] == Chunk(0, "Begin with Begin")
        assert texts(chunks) == ["Begin with Begin " + whole(1)]


def test_a_server_that_refused_extra_fields_is_not_asked_with_them_again(server: ChatServer) -> None:
    engine = RemoteEngine(server.url, "strict")
    before = len(server.requests)
    for _ in range(2):
        list(engine.stream([Draw(prompt("q", "p"), 1)], NEVER))
    assert ["continue_final_message" in r for r in server.requests[before:]] == [True, False, False]


def test_a_model_that_thinks_is_asked_not_to_and_its_thoughts_are_left_out(server: ChatServer) -> None:
    for prefill in ("", "Begin with Begin"):
        chunks = list(RemoteEngine(server.url, "thinks").stream([Draw(prompt("q", prefill), 1)], NEVER))
        assert texts(chunks) == [f"{prefill} {whole(1)}".strip()]
    assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_stop_strings_are_kept_to_even_by_a_server_that_ignores_them(server: ChatServer) -> None:
    chunks = list(RemoteEngine(server.url, "words").stream([Draw(prompt("q"), 1, Sampling(stop=("x3",)))], NEVER))
    assert texts(chunks) == ["Begin1🧬 w1x1 w1x2 w1"]


def test_log_probabilities_where_the_server_gives_them(server: ChatServer) -> None:
    draw = Draw(prompt("q"), 1, Sampling(logprobs=True, max_tokens=8))
    given = list(RemoteEngine(server.url, "logprobs").stream([draw], NEVER))
    assert sum(chunk.logprob or 0 for chunk in given) == pytest.approx(-4.0)
    not_given = list(RemoteEngine(server.url, "words").stream([draw], NEVER))
    assert {chunk.logprob for chunk in not_given} == {None}


FAULTS = {
    "reset": "model-server-down",
    "close": "model-server-down",
    "stall": "model-stalled",
    "utf8": "model-bad-answer",
    "json": "model-bad-answer",
    "error": "model-server-error",
    "503": "model-server-error",
}


@pytest.mark.parametrize("place", ["0", "10", "last"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_typed_in_time_and_what_came_is_kept(server: ChatServer, fault: str, place: str) -> None:
    engine = RemoteEngine(server.url, f"{fault}@{place}", stall_deadline=2 if fault == "stall" else 60)
    kept: list[Chunk] = []
    with pytest.raises(EngineError) as caught:
        kept.extend(engine.stream([Draw(prompt("q"), 1)], NEVER))
    assert caught.value.code == FAULTS[fault]
    assert caught.value.mend
    count = {"0": 0, "10": 10, "last": WORDS}[place]
    assert "".join(chunk.text for chunk in kept) == "".join(words(1)[:count]).strip()
    again = list(RemoteEngine(server.url, "words").stream([Draw(prompt("q"), 1)], NEVER))
    assert texts(again) == [whole(1)], "a retry works"


def test_cancel_is_seen_by_the_server(crawling_server: ChatServer) -> None:
    cancel = threading.Event()
    stream = RemoteEngine(crawling_server.url, "words").stream([Draw(prompt("q"), s) for s in (1, 2, 3)], cancel)
    before = _first_words(stream)
    cancel.set()
    after = list(stream)
    assert finishes([*before, *after]) == {0: "cancelled", 1: "cancelled", 2: "cancelled"}
    _wait_for_hang_ups(crawling_server, 3)


def test_closing_the_stream_is_seen_by_the_server(crawling_server: ChatServer) -> None:
    stream = RemoteEngine(crawling_server.url, "words").stream([Draw(prompt("q"), s) for s in (1, 2, 3)], NEVER)
    _first_words(stream)
    stream.close()  # type: ignore[attr-defined]
    _wait_for_hang_ups(crawling_server, 3)


def _first_words(stream: Iterator[Chunk]) -> list[Chunk]:
    """Until each of three answers has begun."""
    chunks = [next(stream)]
    while {chunk.index for chunk in chunks} != {0, 1, 2}:
        chunks.append(next(stream))
    return chunks


def _wait_for_hang_ups(server: ChatServer, count: int) -> None:
    until = time.monotonic() + 60
    while len(server.hung_up) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert len(server.hung_up) == count


def test_one_sentence_ends_the_request_early(slow_server: ChatServer) -> None:
    slow_server.hung_up.clear()
    draw = Draw(prompt("q"), 1, Sampling(one_sentence=True))
    chunks = list(RemoteEngine(slow_server.url, "sentences").stream([draw], NEVER))
    assert texts(chunks) == ["BEGIN1🧬 w1x1 w1x2 w1x3."]
    assert finishes(chunks) == {0: "stop"}
    _wait_for_hang_ups(slow_server, 1)


def test_no_server_is_told_at_once() -> None:
    engine = RemoteEngine("http://127.0.0.1:1/v1", "words")
    with pytest.raises(EngineError) as caught:
        engine.info()
    assert caught.value.code == "model-server-down"
    assert "SPATIAL_LLM_URL" in caught.value.mend


def test_a_wrong_address_is_told_as_such(server: ChatServer) -> None:
    with pytest.raises(EngineError) as caught:
        RemoteEngine(server.url.removesuffix("/v1"), "words").info()
    assert caught.value.code == "model-server-error"
    assert "/v1" in caught.value.mend


def test_info_names_the_model_and_default_is_the_servers_first(server: ChatServer) -> None:
    info = RemoteEngine(server.url, "default").info()
    assert (info.model_id, info.sha256, info.kind) == ("words", None, "remote")
    assert RemoteEngine(server.url, "other").info().model_id == "other"


def test_the_key_is_sent_and_never_shown(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    engine = RemoteEngine(server.url, "503@0", key="sk-secret")
    with pytest.raises(EngineError) as caught:
        list(engine.stream([Draw(prompt("q"), 1)], NEVER))
    assert "authorization: bearer sk-secret" in server.headers[-1].lower()
    assert "sk-secret" not in str(caught.value) + repr(engine) + caplog.text
    with pytest.raises(EngineError) as caught:
        RemoteEngine("http://user:sk-secret@127.0.0.1:1/v1", "words").info()
    assert "sk-secret" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("served", "model_id", "tuned_id"),
    [
        ("SmolLM2-135M-Instruct+0123456789ab", "SmolLM2-135M-Instruct", "0123456789ab"),
        ("SmolLM2-135M-Instruct+tuned-0123456789ab", "SmolLM2-135M-Instruct", "0123456789ab"),
        ("a+b/c+d", "a+b/c+d", None),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", None),
        ("+0123456789ab", "+0123456789ab", None),
    ],
)
def test_a_served_name_tells_the_tuned_layer(
    server: ChatServer, served: str, model_id: str, tuned_id: str | None
) -> None:
    engine = RemoteEngine(server.url, served)
    info = engine.info()
    assert (info.model_id, info.tuned_id) == (model_id, tuned_id)
    list(engine.stream([Draw(prompt("q"), 1)], NEVER))
    assert server.requests[-1]["model"] == served, "asked for by its whole name"
    for attempt in (lambda: engine.serve(None), lambda: engine.add(Path("layer.safetensors"))):
        with pytest.raises(EngineError) as caught:
            attempt()
        assert caught.value.code == "tuned-remote"
