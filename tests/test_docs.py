"""Documentation that the code can contradict is checked against it."""

import re
import subprocess

from app.settings import PROJECT_ROOT, Settings


def test_every_setting_has_a_heading_and_no_heading_lacks_its_setting():
    headings = set(re.findall(r"^### `(\w+)`$", (PROJECT_ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    names = {
        "HOST" if n == "host" else "PORT" if n == "port" else f"SPATIAL_{n.upper()}" for n in Settings.model_fields
    }
    assert headings == names


def test_every_default_is_told():
    sections = re.split(r"^### `(\w+)`$", (PROJECT_ROOT / "docs/settings.md").read_text(), flags=re.MULTILINE)
    told = dict(zip(sections[1::2], sections[2::2], strict=True))
    for name, field in Settings.model_fields.items():
        heading = {"host": "HOST", "port": "PORT"}.get(name, f"SPATIAL_{name.upper()}")
        if isinstance(field.default, (int, float)):
            assert f"{field.default:g}" in told[heading] or str(field.default) in told[heading], heading
        elif isinstance(field.default, str):
            assert f"`{field.default}`" in told[heading], heading


def test_make_without_a_target_lists_every_command():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout
    for command in ("setup", "run", "test", "bench", "lint", "soak", "clean"):
        assert re.search(rf"^  make {command} +[A-Z]", listed, re.MULTILINE)
