"""A real server in a process of its own, that can be killed like one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Row, create_engine, text

from app.settings import PROJECT_ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`module` is what `python -m` runs, with `options` and the settings `env`; its database is `database_url`,
    or SQLite in `data_dir`."""

    def __init__(
        self,
        data_dir: Path,
        database_url: str | None = None,
        *options: str,
        module: str = "tests.scripted",
        **env: str,
    ) -> None:
        self.options = options
        self.data_dir, self.module, self.port = data_dir, module, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url or f"sqlite:///{data_dir / 'spatialbalancing.sqlite3'}"
        self.env = {**os.environ, "SPATIAL_DATA_DIR": str(data_dir), "SPATIAL_DATABASE_URL": self.database_url, **env}
        self.log = data_dir / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.clients: list[httpx2.Client] = []

    def start(self, within: float = 180) -> float:
        """Seconds from the start of the process until /healthz answers, less those it stood in line for a processor:
        what it would have been on a machine with nothing else to do."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments()],
                cwd=PROJECT_ROOT, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        while time.perf_counter() - began < within:
            if self.process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.url}/healthz", timeout=1).status_code == 200:
                    return time.perf_counter() - began - self._in_line()
            except httpx2.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"The server did not come up within {within} s:\n{self.log.read_text()[-4000:]}")

    def _in_line(self) -> float:
        assert self.process
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9

    def arguments(self) -> list[str]:
        return ["--port", str(self.port), "--data-dir", str(self.data_dir), *self.options]

    def signal(self, number: int) -> None:
        """To the whole group: a helper process must not finish what the server began."""
        assert self.process
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process
        self.process.wait()

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, **kwargs: Any) -> httpx2.Client:
        """A browser of a new writer, as far as headers and cookies go."""
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        made = httpx2.Client(base_url=self.url, headers=headers, timeout=30, follow_redirects=True, **kwargs)
        self.clients.append(made)
        return made

    def rows(self, query: str, **parameters: Any) -> list[Row[Any]]:
        """Straight from the database, past the app."""
        engine = create_engine(self.database_url)
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(query), parameters))
        finally:
            engine.dispose()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The console script, on this server's database."""
        return subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", *arguments],
            cwd=PROJECT_ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def memory(self) -> int:
        """Resident bytes of the server process."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
