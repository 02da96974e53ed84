"""The figures of docs/axes.md: Plotly, drawn by headless Chromium to PNG."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.axes.evaluate import BINS
from app.axes.heads import STRATEGIES, Array
from app.axes.train import Annotations
from benchmarks.editor import CHROMIUM, chromium

WIDTH, HEIGHT = 760, 400
INK, BLUE, WARM, SAND = "#1f2933", "#2f6f9f", "#c2703d", "#e0b48f"
UNSEEN = {"unseen": "pairs_unseen", "unseen, 2": "pairs_unseen_2"}


def draw(report: dict[str, Any], probabilities: Array, quotes: Annotations, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "axes-strategies": strategies(report["held_out"]),
        "axes-calibration": calibration(probabilities, quotes),
        "axes-directions": directions(
            {"looked at": report["pairs"]} | {name: report[part] for name, part in UNSEEN.items() if part in report}
        ),
        "axes-twins": twins(report["invariance"]),
    }
    _photograph({folder / f"{name}.png": figure for name, figure in figures.items()})


def strategies(found: dict[str, Any]) -> go.Figure:
    """AUC by strategy with its 95 % interval over articles."""
    value = [found["auc"][name] for name in STRATEGIES]
    low, high = zip(*(found["interval"]["auc"][name] for name in STRATEGIES), strict=True)
    figure = go.Figure(
        go.Scatter(
            x=STRATEGIES, y=value, mode="markers", marker={"size": 11, "color": [BLUE] * 3 + [WARM] * 4},
            error_y={
                "array": np.subtract(high, value), "arrayminus": np.subtract(value, low), "symmetric": False,
                "color": INK, "thickness": 1,
            },
        )
    )  # fmt: skip
    figure.add_hline(y=0.8, line={"dash": "dot", "color": INK, "width": 1})
    return _dressed(figure, "Strategies on unseen articles", "area under the ROC curve", [0.6, 1.0])


def calibration(probabilities: Array, quotes: Annotations) -> go.Figure:
    """Share of positives against the mean probability, in bins of equal mass."""
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": INK, "dash": "dot", "width": 1}))
    for k, name in enumerate(STRATEGIES):
        bins = np.array_split(np.argsort(probabilities[:, k], kind="stable"), BINS)
        figure.add_scatter(
            x=[float(probabilities[b, k].mean()) for b in bins], y=[float(quotes.labels[b, k].mean()) for b in bins],
            mode="lines+markers", name=name, line={"width": 1.5},
        )  # fmt: skip
    figure.data[0].name = "as it should be"
    figure.update_layout(showlegend=True, xaxis_title="probability given")
    return _dressed(figure, "Calibration on unseen articles", "share of quotes with the strategy", [0, 1])


def directions(parts: dict[str, dict[str, Any]]) -> go.Figure:
    figure = go.Figure()
    for (part, found), colour in zip(parts.items(), (BLUE, WARM, SAND), strict=False):
        kinds = [kind for kind in found if kind != "all"]
        figure.add_bar(x=kinds, y=[found[kind]["right"] for kind in kinds], name=part, marker={"color": colour})
    figure.add_hline(y=0.85, line={"dash": "dot", "color": INK, "width": 1})
    figure.update_layout(barmode="group", showlegend=True)
    return _dressed(figure, "Minimal pairs that move the right way", "share", [0, 1.02])


def twins(found: dict[str, Any]) -> go.Figure:
    names = list(found)
    figure = go.Figure(go.Bar(x=names, y=[found[name]["within_spread"] for name in names], marker={"color": BLUE}))
    figure.add_hline(y=0.9, line={"dash": "dot", "color": INK, "width": 1})
    return _dressed(figure, "The same said otherwise: moves within the halo", "share of coordinates", [0, 1.02])


def _dressed(figure: go.Figure, title: str, y: str, bounds: list[float]) -> go.Figure:
    figure.update_layout(
        template="plotly_white", width=WIDTH, height=HEIGHT, title=title, yaxis_title=y, yaxis_range=bounds,
        font={"family": "sans-serif", "size": 13, "color": INK}, margin={"l": 60, "r": 20, "t": 50, "b": 60},
    )  # fmt: skip
    return figure


def _photograph(figures: dict[Path, go.Figure]) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for path, figure in figures.items():
            html = Path(folder) / f"{path.stem}.html"
            # The library's own copy of plotly.js: nothing is fetched.
            figure.write_html(html, include_plotlyjs=True, config={"staticPlot": True})
            page.goto(html.as_uri())
            page.wait_for_selector(".main-svg")
            page.locator(".plot-container").screenshot(path=path)
        browser.close()
