"""Layers learnt on this machine: a folder each in the data directory, named by the layer's id.

tuned/3f9a…/layer.safetensors   the layer        layer.zolog   the run that it came from
            learnt.json         from how much, when, on what, and its scorecard
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.settings import Settings

FACTS = "learnt.json"
_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Learnt:
    """`taught` are the paragraphs it learnt from, by id; no text is kept. `started_from` is the layer that it goes on
    from, None for the untuned model."""

    tuned_id: str
    model_id: str
    base_sha256: str
    made_at: str
    pairs: int
    taught: tuple[str, ...]
    started_from: str | None
    block: int
    rule: str
    steps: int
    best_step: int
    seconds: float
    scorecard: dict[str, Any] = field(default_factory=dict)


def folder(settings: Settings) -> Path:
    return settings.data_dir / "tuned"


def path(settings: Settings, tuned_id: str) -> Path | None:
    """Of a layer on the shelf; None where there is none of that id."""
    found = folder(settings) / tuned_id
    return found if _ID.fullmatch(tuned_id) and (found / FACTS).is_file() else None


def listed(settings: Settings) -> list[Learnt]:
    """Latest first; what can't be read is left out."""
    found = []
    for one in sorted(folder(settings).glob(f"*/{FACTS}")):
        try:
            facts = json.loads(one.read_text("utf-8"))
            learnt = Learnt(**{**facts, "taught": tuple(facts["taught"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if learnt.tuned_id == one.parent.name:
            found.append(learnt)
    return sorted(found, key=lambda learnt: learnt.made_at, reverse=True)


def keep(settings: Settings, work: Path, learnt: Learnt) -> Path:
    """Move a finished run's folder onto the shelf: it is there as a whole, or not at all."""
    note(work, learnt)
    target = folder(settings) / learnt.tuned_id
    if not target.exists():
        work.rename(target)
    return target


def note(where: Path, learnt: Learnt) -> None:
    partial = where / f".{FACTS}.{os.getpid()}"
    partial.write_text(json.dumps(asdict(learnt), indent=1, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(where / FACTS)
