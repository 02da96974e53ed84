"""A small server that speaks the chat-completions protocol over real sockets, well or badly.

The model's name says how: `words` writes twenty words; `echo` repeats the prefill first; `strict` refuses fields that
are not OpenAI's; `thinks` thinks first; `logprobs` gives log-probabilities; `sentences` are of four words, and a
hundred times as many words; `FAULT@PLACE` goes wrong at that token, where FAULT is reset, stall, utf8, json, error,
close or 503 and PLACE is 0, 10 or last.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from typing import Any

WORDS = 20


def words(seed: int) -> list[str]:
    return [f" w{seed}x{i}" if i else f" Begin{seed}🧬" for i in range(WORDS)]


class ChatServer:
    """Runs in a thread of its own between `start` and `stop`; remembers what was asked of it."""

    def __init__(self, pause: float = 0.0, together: int = 1) -> None:
        """`pause` in seconds a word; `together`: no answer goes on after its first word before so many have begun."""
        self.pause, self.together = pause, together
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.hung_up: list[float] = []
        """Times at which a client went away in the middle of an answer."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> ChatServer:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        server.close()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.headers.append(head)
            lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            if head.startswith("GET /v1/models"):
                self._answer(writer, 200, {"data": [{"id": "words"}, {"id": "other"}]})
            elif head.startswith("POST /v1/chat/completions"):
                await self._chat(json.loads(body), reader, writer)
            else:
                self._answer(writer, 404, {"error": "no such page"})
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\ncontent-type: application/json\r\n\r\n"
        writer.write(head.encode() + data)

    async def _chat(self, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        how = request["model"]
        extras = {"continue_final_message", "add_generation_prompt", "repetition_penalty", "chat_template_kwargs"}
        extras &= set(request)
        if how == "strict" and extras:
            return self._answer(writer, 400, {"error": {"message": f"unknown fields {sorted(extras)}"}})
        fault, _, place = how.partition("@")
        at = {"0": 0, "10": 10, "last": WORDS, "": -1}[place]
        if fault == "503" and at == 0:
            return self._answer(writer, 503, {"error": {"message": "still loading"}})
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        pieces = words(request["seed"])[: request["max_tokens"]]
        if how == "echo":
            pieces = [request["messages"][-1]["content"], *pieces]
        if how == "thinks":
            pieces = ["<th", "ink>\nLet me ", "see.\n</thi", "nk>\n\n", *pieces]
        if how == "sentences":
            pieces = [(piece.upper(), piece, piece, f"{piece}.")[i % 4] for i, piece in enumerate(pieces * 100)]
        gone = asyncio.create_task(reader.read())
        for i, piece in enumerate([*pieces, None]):
            if i == at and await self._go_wrong(fault, writer):
                gone.cancel()
                return None
            ending = "length" if len(pieces) < WORDS else "stop"
            choice: dict[str, Any] = {"delta": {"content": piece} if piece else {}, "index": 0}
            choice["finish_reason"] = None if piece else ending
            if request.get("logprobs") and how == "logprobs" and piece:
                choice["logprobs"] = {"content": [{"token": piece, "logprob": -0.5}]}
            await self._event(writer, json.dumps({"choices": [choice]}, ensure_ascii=False).encode())
            while len(self.requests) < self.together:
                await asyncio.sleep(0.01)
            if self.pause:
                await asyncio.wait([gone], timeout=self.pause)
            if gone.done():
                self.hung_up.append(time.monotonic())
                return None
        gone.cancel()
        await self._event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")
        return None

    async def _event(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """One event in two pieces that part in the middle, be it of a letter."""
        line = b"data: " + data + b"\n\n"
        middle = line.find("🧬".encode()) + 2 if "🧬".encode() in line else len(line) // 2
        for part in (line[:middle], line[middle:]):
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()

    async def _go_wrong(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        match fault:
            case "reset":
                # What was sent has to arrive before the reset throws away the rest.
                await asyncio.sleep(0.1)
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return True
            case "stall":
                await asyncio.sleep(60)
            case "utf8":
                await self._event(writer, b'{"choices":[{"delta":{"content":"\xff\xfe"}}]}')
            case "json":
                await self._event(writer, b'{"choices":[{"delta":')
            case "error" | "503":
                await self._event(writer, b'{"error":{"message":"out of memory","code":503}}')
            case "close":
                writer.write(b"0\r\n\r\n")
                return True
        return False
