"""Audiences with the regions suggested for them, read from a YAML file: data, not code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

DEFAULT = Path(__file__).with_name("audiences.yaml")


class Audience(BaseModel):
    """`engagement` and `exposition` are [low, high] in points: a suggestion, not a measurement of readers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reason: str
    engagement: tuple[float, float]
    exposition: tuple[float, float]


@cache
def load_audiences(path: Path = DEFAULT) -> tuple[Audience, ...]:
    """Raises pydantic.ValidationError or yaml.YAMLError, each naming the place."""
    return TypeAdapter(tuple[Audience, ...]).validate_python(yaml.safe_load(path.read_text("utf-8")))
