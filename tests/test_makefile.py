"""What `make` would do, by its own dry run."""

import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CPU, CUDA = (f"https://download.pytorch.org/whl/{build}" for build in ("cpu", "cu126"))


def would_do(venv: Path, **given: str) -> str:
    command = ["make", "--dry-run", "setup", f"VENV={venv}", *(f"{name}={value}" for name, value in given.items())]
    environment = {k: v for k, v in os.environ.items() if k not in ("TORCH_INDEX_URL", "MAKEFLAGS")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_another_torch_is_installed_into_an_environment_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    runtime = tmp_path / ".runtime"
    runtime.touch()
    assert "install" not in would_do(tmp_path), "all is there"
    first = would_do(tmp_path, TORCH_INDEX_URL=CPU)
    assert f"--force-reinstall --index-url {CPU} torch" in first
    stamp = next(line.split()[1] for line in first.splitlines() if line.startswith(f"touch {tmp_path}/.torch"))
    Path(stamp).touch()
    later = time.time() + 10
    os.utime(runtime, (later, later))
    assert "install" not in would_do(tmp_path, TORCH_INDEX_URL=CPU), "the same again"
    assert "install" not in would_do(tmp_path), "what was chosen stays"
    assert f"--index-url {CUDA} torch" in would_do(tmp_path, TORCH_INDEX_URL=CUDA)
