"""What every figure needs beside it: the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str]:
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    versions = " ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return {"cpu": f"{cpu}, {os.cpu_count()} cores", "python": platform.python_version(), "versions": versions}
