"""The page of a profile: what it draws lies where the axis is."""

from __future__ import annotations

from math import log10
from typing import Any

from app.zo import find_dominant_layer
from app.zo.outliers import LARGE, RATIO
from app.zo.report import _profile_figure


def test_bounds_are_named_at_their_lines(build: Any, letters: Any) -> None:
    profile = find_dominant_layer(build(), letters, [f"a text of some length, number {n}" for n in range(12)])
    figure = _profile_figure(profile)
    names = {note.text: note.y for note in figure.layout.annotations}
    assert figure.layout.yaxis.type == "log"
    assert names["100"] == log10(LARGE)
    assert names["1000"] == log10(RATIO)
    assert sorted(line.y0 for line in figure.layout.shapes if line.type == "line" and line.y0 == line.y1) == [
        LARGE,
        RATIO,
    ]
