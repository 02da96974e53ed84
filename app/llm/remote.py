"""A model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama.

Each draw is one streaming request to `/chat/completions`; all of a batch run at once, and the server batches
them.

How an answer is made to begin with the prefill: the last message is the assistant's, with the prefill in it,
and `continue_final_message: true, add_generation_prompt: false` stand beside it. vLLM, SGLang and newer
llama.cpp need these two; older llama.cpp and Ollama ignore them and continue such a message anyway. A server
that refuses unknown fields (400 or 422) is asked again without them, and from then on. One that repeats the
prefill has it stripped.

Models that think before they answer are asked not to (`chat_template_kwargs`, known to vLLM, SGLang and llama.cpp);
thoughts that come all the same are left out.
"""

from __future__ import annotations

import asyncio
import json
import queue
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from app.llm.answer import Answer, Thoughts
from app.llm.types import Chunk, Draw, Engine, EngineError, EngineInfo, FinishReason

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.05
"""How soon a cancel is seen while no token comes."""
_LONGEST_LINE = 1_000_000
_MEND = "See that the server at SPATIAL_LLM_URL is running and has its model loaded, then try again."

_Item = Chunk | Exception


class RemoteEngine(Engine):
    """Safe to use from several threads. The key is sent with each request and shown nowhere."""

    def __init__(self, url: str, model: str, key: str | None = None, stall_deadline: float = 30.0) -> None:
        """`url` up to and including `/v1`; `model` as the server names it, `default` for the first it lists;
        `stall_deadline` in seconds, from the request to the first token and from token to token."""
        self._url, self._shown_url = url.rstrip("/"), _without_password(url)
        self._wish, self._key, self._stall = model, key, stall_deadline
        self._model: str | None = None
        self._plain = False
        """Whether the server refused the fields that are not OpenAI's."""

    def info(self) -> EngineInfo:
        try:
            with httpx2.Client(**self._client_settings(), timeout=_CONNECT_SECONDS) as client:
                response = client.get(f"{self._url}/models")
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._down(error) from error
        if response.status_code != 200:
            raise self._refused(response.status_code, response.content)
        try:
            names = [str(model["id"]) for model in json.loads(response.content)["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise self._bad_answer("its list of models can't be read") from error
        if self._wish == "default" and not names:
            raise EngineError("model-missing", f"The server at {self._shown_url} has no model.", _MEND)
        self._model = names[0] if self._wish == "default" else self._wish
        model_id, tuned_id = _named(self._model)
        return EngineInfo(model_id, tuned_id, "server", "unknown", None, "remote")

    def load(self) -> None:
        if self._model is None:
            self.info()

    def add(self, layer: Path) -> str:
        raise EngineError(
            "tuned-remote",
            f"{layer.name} can't be put on a model that another server holds ({self._shown_url}).",
            "Merge it into the model with `spatialbalancing zo merge`, and serve the result under the name it tells.",
        )

    def serve(self, tuned_id: str | None) -> None:
        raise EngineError(
            "tuned-remote",
            f"The tuned layer of the model at {self._shown_url} can't be changed from here.",
            "Serve the merged model (`spatialbalancing zo merge`) or the untuned one there.",
        )

    def close(self) -> None:
        """Nothing is held between streams."""

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        self.load()
        items: queue.Queue[_Item] = queue.Queue()
        requests = _Requests(self, draws, items)
        unfinished = set(range(len(draws)))
        requests.start()
        try:
            while unfinished and not cancel.is_set():
                try:
                    item = items.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(item, Exception):
                    raise item
                if item.finish:
                    unfinished.discard(item.index)
                yield item
        finally:
            requests.stop()
        for index in sorted(unfinished):
            yield Chunk(index, "", "cancelled")

    # -- one request

    async def _write(self, client: httpx2.AsyncClient, index: int, draw: Draw, items: queue.Queue[_Item]) -> None:
        """Put the chunks of one draw, or the error that ended it."""
        try:
            async with asyncio.timeout(self._stall) as deadline:
                async for chunk in self._chunks(client, index, draw):
                    deadline.reschedule(asyncio.get_running_loop().time() + self._stall)
                    items.put(chunk)
        except EngineError as error:
            items.put(error)
        except TimeoutError:
            what = f"The server at {self._shown_url} sent no word for {self._stall:g} seconds."
            items.put(EngineError("model-stalled", what, _MEND))
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            items.put(self._down(error))
        except Exception as error:  # a fault of our own: for the caller, who would otherwise wait for ever
            items.put(error)

    async def _chunks(self, client: httpx2.AsyncClient, index: int, draw: Draw) -> AsyncIterator[Chunk]:
        """Chunks as they come; an empty one tells that the server is alive."""
        answer, opening = Answer(draw.prompt.prefill, draw.sampling), _Opening(draw.prompt.prefill.rstrip())
        thoughts = Thoughts()
        if answer.text:
            yield Chunk(index, answer.text)
        tokens, logprob, finish = 0, 0.0, None
        async for event in self._events(client, draw):
            piece, count, weight, reason = _read_event(event)
            tokens, logprob = tokens + count, logprob + (weight or 0.0)
            text = answer.add(opening.add(thoughts.add(piece)))
            if answer.ended:
                finish = "stop"
            elif reason:
                text += answer.add(opening.add(thoughts.rest()) + opening.rest())
                finish = "length" if reason == "length" else "stop"
            if finish:
                text += answer.finish()
            has_weight = bool(text) and draw.sampling.logprobs and weight is not None
            yield Chunk(index, text, _finish(finish), logprob if has_weight else None, tokens if text else 0)
            if finish:
                return
            if text:
                tokens, logprob = 0, 0.0
        raise EngineError(
            "model-server-down",
            f"The server at {self._shown_url} broke off in the middle of an answer.",
            _MEND,
        )

    async def _events(self, client: httpx2.AsyncClient, draw: Draw) -> AsyncIterator[dict[str, Any]]:
        plain = self._plain
        request = client.build_request("POST", f"{self._url}/chat/completions", json=self._body(draw, plain))
        response = await client.send(request, stream=True)
        try:
            if response.status_code in (400, 422) and not plain:
                await response.aclose()
                request = client.build_request("POST", f"{self._url}/chat/completions", json=self._body(draw, True))
                response = await client.send(request, stream=True)
                self._plain = response.status_code == 200
            if response.status_code != 200:
                raise self._refused(response.status_code, await response.aread())
            async for line in self._lines(response):
                if line == "[DONE]":
                    return
                try:
                    event = json.loads(line)
                except ValueError as error:
                    raise self._bad_answer("it is not JSON") from error
                if not isinstance(event, dict):
                    raise self._bad_answer("it is not a JSON object")
                if "error" in event:
                    raise self._refused(500, line.encode())
                yield event
        finally:
            await response.aclose()

    async def _lines(self, response: httpx2.Response) -> AsyncIterator[str]:
        """The data of each server-sent event. Decoded here, since the client would hide what isn't UTF-8."""
        buffer = b""
        async for data in response.aiter_bytes():
            *lines, buffer = (buffer + data).split(b"\n")
            if len(buffer) > _LONGEST_LINE:
                raise self._bad_answer("it has no end of line")
            for line in lines:
                if line.startswith(b"data:"):
                    try:
                        yield line[5:].strip().decode()
                    except UnicodeDecodeError as error:
                        raise self._bad_answer("it is not UTF-8") from error

    def _body(self, draw: Draw, plain: bool) -> dict[str, Any]:
        wish, prefill = draw.sampling, draw.prompt.prefill.rstrip()
        messages = [{"role": m.role, "content": m.content} for m in draw.prompt.messages]
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "seed": draw.seed,
            "max_tokens": wish.max_tokens,
            "temperature": wish.temperature,
            "top_p": wish.top_p,
        }
        if wish.stop:
            body["stop"] = list(wish.stop[:4])  # the protocol takes four; Answer looks for all of them
        if wish.logprobs:
            body["logprobs"] = True
        if prefill:
            messages.append({"role": "assistant", "content": prefill})
        if not plain:
            body["chat_template_kwargs"] = {"enable_thinking": False}
            if prefill:
                body |= {"continue_final_message": True, "add_generation_prompt": False}
            if wish.repetition_penalty != 1.0:
                body["repetition_penalty"] = wish.repetition_penalty
        return body

    def _client_settings(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # Reached directly: a proxy of the environment is for the internet, not for the server in the next
        # room.
        return {"headers": headers, "trust_env": False}

    # -- errors

    def _down(self, error: Exception) -> EngineError:
        reason = self._without_key(str(error)) or type(error).__name__
        return EngineError("model-server-down", f"The server at {self._shown_url} can't be reached: {reason}.", _MEND)

    def _refused(self, status: int, body: bytes) -> EngineError:
        detail = self._without_key(body.decode(errors="replace")[:300])
        mend = "Check SPATIAL_LLM_KEY." if status in (401, 403) else _MEND
        if status == 404:
            mend = "Check SPATIAL_LLM_URL (it ends in /v1) and SPATIAL_MODEL (the name the server serves)."
        return EngineError("model-server-error", f"The server at {self._shown_url} refused ({status}): {detail}", mend)

    def _bad_answer(self, why: str) -> EngineError:
        what = f"The answer of the server at {self._shown_url} can't be read: {why}."
        return EngineError("model-bad-answer", what, "See that SPATIAL_LLM_URL is an OpenAI-compatible address.")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


class _Requests:
    """The requests of one batch, in an event loop of their own; stopping it closes their connections."""

    def __init__(self, engine: RemoteEngine, draws: Sequence[Draw], items: queue.Queue[_Item]) -> None:
        self._engine, self._draws, self._items = engine, draws, items
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="remote-model", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._write_all())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _write_all(self) -> None:
        timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
        limits = httpx2.Limits(max_connections=None)
        settings = self._engine._client_settings()
        async with httpx2.AsyncClient(**settings, timeout=timeout, limits=limits) as client:
            tasks = [
                asyncio.create_task(self._engine._write(client, i, draw, self._items))
                for i, draw in enumerate(self._draws)
            ]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Opening:
    """Joins the answer to its prefill: once, where the server repeats it; with a space between two words."""

    def __init__(self, prefill: str) -> None:
        self._prefill, self._held = prefill, ""
        self._decided = not prefill

    def add(self, piece: str) -> str:
        if self._decided:
            return piece
        self._held += piece
        begun = self._held.lstrip()
        if len(begun) < len(self._prefill) and self._prefill.startswith(begun):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is still held back, when nothing more comes."""
        text, self._held = self._held, ""
        if self._decided or not text:
            return text
        self._decided = True
        if text.lstrip().startswith(self._prefill):
            return text.lstrip()[len(self._prefill) :]
        return f" {text}" if text[0].isalnum() and self._prefill[-1].isalnum() else text


def _named(served: str) -> tuple[str, str | None]:
    """Model and tuned layer of a served name: `zo merge` names a merged model MODEL+ID."""
    found = re.fullmatch(r"(.+)\+(?:tuned-)?([0-9a-f]{12})", served)
    return (found[1], found[2]) if found else (served, None)


def _read_event(event: dict[str, Any]) -> tuple[str, int, float | None, str | None]:
    """Text, tokens, their summed log-probability, and why the answer ended, each if given."""
    try:
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        text = delta.get("content") or ""
        weights = (choices[0].get("logprobs") or {}).get("content") or []
        logprob = sum(float(weight["logprob"]) for weight in weights) if weights else None
        return str(text), len(weights) or int(bool(text)), logprob, choices[0].get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EngineError(
            "model-bad-answer",
            "The model server's answer does not have the shape of a chat completion.",
            "See that SPATIAL_LLM_URL is an OpenAI-compatible address.",
        ) from error


def _finish(reason: str | None) -> FinishReason | None:
    return None if reason is None else "length" if reason == "length" else "stop"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
