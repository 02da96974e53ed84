"""One page for a reader, whole in itself: Plotly's script is in it, nothing is fetched."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

from app.zo.outliers import LARGE, RATIO, LayerProfile

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:32px auto;padding:0 16px;color:#1f2328}"
    "pre{background:#f6f8fa;padding:16px;overflow:auto;font-size:13px}"
)


def profile_page(model_id: str, profile: LayerProfile, path: Path) -> None:
    """Largest magnitude and ratio of every block's output, and which block was chosen by which rule."""
    facts = profile.as_json()
    write(path, f"Dominant layer of {model_id}", profile.explanation, [_profile_figure(profile)], facts)


def sweep_page(model_id: str, profile: LayerProfile, runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Validation loss reached by tuning each block, beside the activations; runs that diverged have none."""
    from plotly.graph_objects import Figure, Scatter

    ended = [run for run in runs if run["loss"] is not None]
    losses = {
        layer: min(run["loss"] for run in ended if run["layer"] == layer)
        for layer in sorted({run["layer"] for run in ended})
    }
    figure = Figure([Scatter(x=[*losses], y=[*losses.values()], mode="lines+markers", name="validation loss")])
    _titled(figure, "Validation loss after tuning that block alone (best rate)", "block", "loss")
    told = f"The finder names block {profile.layer}; " + (
        f"the lowest validation loss is at block {min(losses, key=losses.__getitem__)}."
        if losses
        else "every run diverged, so nothing can be compared: sweep again at lower rates."
    )
    write(path, f"Sweep over the blocks of {model_id}", told, [figure, _profile_figure(profile)], {"runs": list(runs)})


def run_page(title: str, result: Mapping[str, Any], path: Path) -> None:
    """Validation loss over the steps."""
    from plotly.graph_objects import Figure, Scatter

    points = result["validations"]
    figure = Figure([Scatter(x=[v["step"] for v in points], y=[v["loss"] for v in points], mode="lines+markers")])
    _titled(figure, "Validation loss", "step", "loss")
    write(path, title, f"Best at step {result['best_step']} of {result['steps']}.", [figure], result)


def bench_page(found: Mapping[str, Any], path: Path) -> None:
    """Seconds of a step by part, for each regime."""
    from plotly.graph_objects import Bar, Figure

    names = [*found["regimes"]]
    parts = sorted({p for n in names for p in found["regimes"][n]} - {"total", "processor"})
    bars = [Bar(name=p, x=names, y=[found["regimes"][n].get(p, 0) for n in names]) for p in parts]
    figure = Figure(bars)
    figure.update_layout(barmode="stack")
    _titled(figure, "Seconds of a step, by part", "", "seconds")
    told = ", ".join(
        f"{k.replace('_', ' ')} {v}" for k, v in found.items() if k.startswith("ratio") and "proc" not in k
    )
    write(path, "What a step costs", told, [figure], found)


def write(path: Path, title: str, told: str, figures: Sequence[Any], facts: Mapping[str, Any]) -> None:
    drawn = "".join(
        figure.to_html(full_html=False, include_plotlyjs=i == 0, config={"displaylogo": False})
        for i, figure in enumerate(figures)
    )
    raw = html.escape(json.dumps(facts, indent=2, ensure_ascii=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(told)}</p>{drawn}"
        f"<details><summary>All numbers</summary><pre>{raw}</pre></details></html>\n",
        "utf-8",
    )


def _profile_figure(profile: LayerProfile) -> Any:
    from plotly.graph_objects import Figure, Scatter

    blocks = [block.block for block in profile.blocks]
    figure = Figure(
        [
            Scatter(x=blocks, y=[b.largest for b in profile.blocks], mode="lines+markers", name="largest |h|"),
            Scatter(x=blocks, y=[b.ratio for b in profile.blocks], mode="lines+markers", name="largest / median"),
        ]
    )
    for bound in (LARGE, RATIO):
        figure.add_hline(y=bound, line_dash="dot")
        # On a logarithmic axis Plotly takes a line's place in data, and an annotation's as its logarithm.
        figure.add_annotation(
            text=f"{bound:g}", x=1, xref="paper", xanchor="right", y=log10(bound), yanchor="bottom", showarrow=False
        )
    text = f"block {profile.layer} ({profile.rule})"
    figure.add_vline(x=profile.layer, line_dash="dash", annotation_text=text, annotation_position="bottom right")
    figure.update_yaxes(type="log")
    _titled(figure, "Activations at each block's output", "block", "magnitude")
    return figure


def _titled(figure: Any, title: str, x: str, y: str) -> None:
    figure.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white", height=420)
