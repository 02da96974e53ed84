"""`spatialbalancing axes …`: place a text, fit the heads, say how good they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from app.axes.scorer import HeadScorer
    from app.axes.train import Annotations

app = typer.Typer(help="The axes: place a text, fit the scorer, evaluate it.", no_args_is_help=True)

_Data = Annotated[
    Path, typer.Option(help="Annotated quotes, JSONL: article, quote, strategy.", exists=True, dir_okay=False)
]


@app.command()
def score(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A text: .txt, .md, .docx; - reads standard input.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the shares of sentences and reasons.")
    ] = False,
) -> None:
    """Place each paragraph of a text between exposition and engagement."""
    from app.axes.types import Unplaceable
    from app.text import paragraphs

    texts = paragraphs.split(read_text(file))
    if not texts:
        raise typer.BadParameter("There is no text in it, so nothing can be placed.", param_hint="FILE")
    scorer = _scorer()
    placed: list[dict[str, Any]] = []
    for text in texts:
        try:
            placed.append({"text": text} | _explained(scorer, text))
        except Unplaceable as error:
            placed.append({"text": text, "unplaceable": str(error)})
    if as_json:
        typer.echo(json.dumps({"scorer_id": scorer.scorer_id, "paragraphs": placed}, ensure_ascii=False, indent=2))
        return
    for paragraph in placed:
        typer.echo(paragraph.get("unplaceable") or _line(paragraph))


def _explained(scorer: HeadScorer, text: str) -> dict[str, Any]:
    from dataclasses import asdict

    found = asdict(scorer.explain(text))
    placement: dict[str, Any] = found.pop("placement")
    placement.pop("scorer_id")
    return placement | found


def _line(paragraph: dict[str, Any]) -> str:
    start = paragraph["text"] if len(paragraph["text"]) < 60 else paragraph["text"][:59] + "…"
    return (
        f"exposition {paragraph['exposition']:5.1f}, engagement {paragraph['engagement']:5.1f}, "
        f"± {paragraph['spread']:.1f}: {start}"
    )


@app.command()
def train(
    data: _Data,
    out: Annotated[Path, typer.Option(help="Folder for base.safetensors and minilm.safetensors.", file_okay=False)],
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for sentence vectors: a run that was cut off goes on from them.", file_okay=False),
    ] = None,
) -> None:
    """Fit the placing heads (base model) and the independent heads (MiniLM): some minutes on 2 cores."""
    from app.axes import shipped
    from app.axes.train import MalformedData

    annotations = _annotations(data)
    try:
        for path in shipped.train(annotations, out, keep, lambda name: typer.echo(f"Fitting {name} …", err=True)):
            typer.echo(f"Written: {path}")
    except MalformedData as error:
        raise typer.BadParameter(str(error), param_hint="--data") from error
    except OSError as error:
        raise typer.BadParameter(f"{out} can't be written: {error.strerror or error}.", param_hint="--out") from error


@app.command()
def evaluate(
    data: _Data,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    weights: Annotated[
        Path | None,
        typer.Option(help="A base.safetensors of your own; else the shipped one.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Say how well the scorer tells strategies apart in annotated quotes, as it is: nothing is fitted to them."""
    from app.axes.evaluate import evaluate as measure

    annotations = _annotations(data)
    scorer = _scorer(weights)
    found = {"scorer_id": scorer.scorer_id} | measure(scorer.probabilities(annotations.quotes), annotations)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    interval = found["interval"]
    rows = [(name, value, interval["auc"][name]) for name, value in found["auc"].items()]
    rows += [(name, found[name], interval[name]) for name in ("macro_auc", "engagement_auc", "calibration_error")]
    for name, value, bounds in rows:
        known = "not known: one class only" if value is None else f"{value:.3f}  [{bounds[0]:.3f}, {bounds[1]:.3f}]"
        typer.echo(f"{name:18} {known}")
    typer.echo(f"{found['n']['quotes']} quotes of {found['n']['articles']} articles")


def _annotations(path: Path) -> Annotations:
    from app.axes.train import MalformedData, read

    try:
        return read(path)
    except MalformedData as error:
        raise typer.BadParameter(str(error), param_hint="--data") from error


def _scorer(weights: Path | None = None) -> HeadScorer:
    from safetensors import SafetensorError

    from app.axes.scorer import BaseScorer
    from app.llm.store import ModelStore
    from app.llm.types import EngineError
    from app.settings import Settings

    typer.echo("Loading the scorer …", err=True)
    try:
        scorer = BaseScorer(ModelStore(Settings()), weights)
        scorer.load()
        if weights is not None:
            scorer.score(["These heads fit the encoder."])
    except EngineError as error:
        _fail(f"{error.what} {error.mend}")
    except (SafetensorError, TypeError, ValueError) as error:
        if weights is None:
            raise
        reason = f"{weights} holds no heads for placing. Name a base.safetensors that `axes train` wrote."
        raise typer.BadParameter(reason, param_hint="--weights") from error
    return scorer


def read_text(file: str) -> str:
    """What a command's FILE holds; `-` is standard input. Raises typer.BadParameter in words."""
    from app.text import documents

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return documents.read("stdin.txt" if file == "-" else file, data).strip()
    except OSError as error:
        reason = f"{file} can't be read: {error.strerror or error}. Name a text file, or - for standard input."
        raise typer.BadParameter(reason, param_hint="FILE") from error
    except documents.Unreadable as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from error


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
