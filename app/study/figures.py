"""Slope plots of an analysis, as Plotly's JSON and as one page that loads nothing from anywhere."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from app.study.analysis import Analysis, Finding

JITTER = 0.06
_TOKEN = re.compile(r"--([\w-]+):\s*(?:light-dark\(([^,()]+),[^()]*\)|([^;]+));")


def slopes(finding: Finding, named: Mapping[str, str]) -> dict[str, Any]:
    """A line for each participant, and their mean. Colours are names of the house's tokens ("token:accent"): the page
    puts those of its theme in, `painted` those for paper. Plotly's texts are pseudo-HTML, so what a facilitator wrote
    is escaped."""
    places = list(range(len(named)))
    many = max(len(finding.lines) - 1, 1)
    each = [
        {
            "type": "scatter", "mode": "lines+markers", "name": html.escape(person), "showlegend": False,
            # Lines that begin at the same value would hide each other's ends.
            "x": [place + JITTER * (2 * i / many - 1) for place in places], "y": list(own),
            "line": {"color": "token:n4", "width": 1}, "marker": {"color": "token:n5", "size": 5},
            "hovertemplate": f"{html.escape(person)}: %{{y}}<extra></extra>",
        }
        for i, (person, own) in enumerate(finding.lines)
    ]  # fmt: skip
    mean = {
        "type": "scatter", "mode": "lines+markers", "name": "mean", "showlegend": False, "x": places,
        "y": [summary.mean for summary in finding.summaries],
        "line": {"color": "token:accent", "width": 3}, "marker": {"color": "token:accent", "size": 10},
        "hovertemplate": "mean: %{y:.2f}<extra></extra>",
    }  # fmt: skip
    axis = {"gridcolor": "token:n3", "linecolor": "token:n4", "zeroline": False, "fixedrange": True}
    return {
        "data": [*each, mean] if finding.lines else [],
        "layout": {
            "height": 280, "margin": {"l": 56, "r": 16, "t": 16, "b": 40}, "hovermode": "closest",
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": "token:n7", "size": 13},
            "xaxis": {
                **axis, "showgrid": False, "tickmode": "array", "tickvals": places,
                "ticktext": [_told(name) for name in named.values()], "range": [-0.4, len(named) - 0.6],
            },
            "yaxis": {**axis, "title": {"text": _told(finding.outcome.unit), "font": {"size": 13}}},
        },
    }  # fmt: skip


def _told(text: str) -> str:
    """As a plot shows it, and never as the name of a token."""
    return html.escape(text).replace("token:", "token&#58;")


def painted(figure: Any, colours: Mapping[str, str] | None = None) -> Any:
    """The figure with colours for paper, as static/css/tokens.css has them for light."""
    colours = light_tokens() if colours is None else colours
    if isinstance(figure, dict):
        return {name: painted(part, colours) for name, part in figure.items()}
    if isinstance(figure, list):
        return [painted(part, colours) for part in figure]
    return colours[figure.removeprefix("token:")] if isinstance(figure, str) and figure[:6] == "token:" else figure


def light_tokens() -> dict[str, str]:
    text = (PROJECT_ROOT / "static" / "css" / "tokens.css").read_text("utf-8")
    return {name: (light or plain).strip() for name, light, plain in _TOKEN.findall(text)}


def document(analysis: Analysis, title: str) -> str:
    """One HTML page with all plots and sentences; it loads nothing from anywhere."""
    import plotly.io

    parts = []
    for i, finding in enumerate(analysis.findings):
        figure = painted(analysis.figure(finding.outcome.id))
        plot = plotly.io.to_html(
            figure, full_html=False, include_plotlyjs=i == 0, validate=False, config={"displayModeBar": False}
        )
        notes = [note for comparison in finding.comparisons for note in comparison.paired.notes]
        parts.append(
            f"<section><h2>{html.escape(finding.outcome.name)}</h2><p>{html.escape(finding.sentence)}</p>"
            f"{''.join(f'<p class=note>{html.escape(note)}</p>' for note in dict.fromkeys(notes))}{plot}</section>"
        )
    colours = light_tokens()
    style = (
        f"body{{font:16px/1.5 system-ui,sans-serif;max-width:720px;margin:32px auto;padding:0 16px;"
        f"color:{colours['n9']};background:{colours['n0']}}}h1{{font-size:22px}}h2{{font-size:16px;margin-top:32px}}"
        f".note{{color:{colours['n6']};font-size:13px}}"
    )
    count = len(analysis.counted)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1>"
        f"<p>{count} participant{'' if count == 1 else 's'}. Thin lines are participants, the thick one the mean.</p>"
        f"{''.join(parts)}</html>\n"
    )
