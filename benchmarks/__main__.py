"""`make bench`: what the README and docs/ state of speed and size. Each part in a process of its own, as JSON."""

from __future__ import annotations

import subprocess
import sys

for part in ("scoring", "engine", "editor", "canvas"):
    print(f"# benchmarks.{part}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], check=True)
