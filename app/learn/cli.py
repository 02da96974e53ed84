"""`spatialbalancing learn …`: from what writers confirmed to a tuned layer, and into service."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app import console

if TYPE_CHECKING:
    from app.learn.comparisons import Comparison
    from app.settings import Settings
    from app.zo.trainer import Progress

app = typer.Typer(
    help="Learn from what writers confirm: export, tune, compare, serve. Only with their consent.", no_args_is_help=True
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[
    Path | None, typer.Option(help="A file of `learn export`; without it, what the database has now.", exists=True)
]
TOLD_EVERY = 5.0
NICE = 10


@app.command()
def export(out: Annotated[Path, typer.Option(help="A new file, .jsonl.")]) -> None:
    """Write what consenting writers confirmed, against what they discarded, one comparison a line.

    Their drafts' text is in it: the file is readable by you alone.

    Example: spatialbalancing learn export --out confirmed.jsonl
    """
    from app.learn import comparisons as pairing

    found = _stored(console.settings())
    try:
        pairing.write(found, out)
    except FileExistsError as error:
        raise typer.BadParameter(f"{out} is there already; name a new file.", param_hint="--out") from error
    except OSError as error:
        console.fail(f"{out} can't be written: {error.strerror or error}.")
    typer.echo(f"{len(found)} confirmed versions against {pairing.pairs(found)} discarded ones are in {out}.")
    lack = pairing.too_few(found)
    if lack:
        typer.echo(lack, err=True)


@app.command()
def tune(
    data: Data = None,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="Steps of two forward passes each.")] = 400,
    rate: Annotated[
        float | None, typer.Option(min=1e-12, max=1.0, help="How large a step is; without it, it is measured.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Comparisons a step.")] = 8,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same layer.")] = 0,
    from_base: Annotated[bool, typer.Option(help="Begin with the untuned model, whatever is in service.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with the run that was interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Tune a layer on what writers confirmed, and compare it on paragraphs that it has not seen.

    Ctrl+C stops it; --resume goes on. It gives way to other work on this machine and changes nothing in service:
    `learn serve ID`, or the page /learn, does that.

    Example: spatialbalancing learn tune --steps 400
    """
    from app.learn import comparisons as pairing

    settings = console.settings()
    comparisons = _comparisons(settings, data)
    lack = pairing.too_few(comparisons)
    if lack:  # told before torch is loaded, which takes seconds
        console.fail(lack)

    from app.learn.training import Bench, Options, TuningError
    from app.learn.training import tune as run
    from app.llm.types import EngineError
    from app.zo.types import ZOError

    _give_way()
    typer.echo("Loading the model …", err=True)
    try:
        learnt = run(
            Bench(settings),
            comparisons,
            Options(steps, rate, batch_size, seed, from_base, resume),
            _in_service(settings),
            _reporter(),
            lambda words: typer.echo(words, err=True),
        )
    except KeyboardInterrupt:
        console.fail("Stopped. The same command with --resume goes on from here.", 130)
    except (EngineError, ZOError, TuningError) as error:
        console.fail(str(error))
    if as_json:
        typer.echo(json.dumps(asdict(learnt), indent=2, ensure_ascii=False))
        return
    typer.echo(f"The layer {learnt.tuned_id} is on the shelf, from {learnt.pairs} pairs.")
    _show(learnt.scorecard)
    typer.echo(f"Put it in service with `spatialbalancing learn serve {learnt.tuned_id}`, or on the page /learn.")


@app.command()
def compare(
    tuned_id: Annotated[str, typer.Argument(metavar="ID", help="A layer of `learn list`.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare a layer with the untuned model and with what is in service, on paragraphs it has not learnt from.

    Example: spatialbalancing learn compare 3f9a0c12de45
    """
    from app.learn import comparisons as pairing
    from app.learn import shelf

    settings = console.settings()
    learnt = next((one for one in shelf.listed(settings) if one.tuned_id == tuned_id), None)
    if learnt is None:
        raise typer.BadParameter(_no_layer(settings, tuned_id), param_hint="ID")
    unseen = pairing.unseen(_comparisons(settings, data), learnt.taught)
    if not unseen:
        console.fail("The layer has learnt from all paragraphs there are. Confirm versions of further ones first.")

    from app.learn.training import Bench, TuningError, scorecard
    from app.llm.types import EngineError
    from app.zo.types import ZOError

    _give_way()
    try:
        bench = Bench(settings)
        unseen = bench.fitting(unseen)
        if not unseen:
            console.fail("All that the layer has not learnt from is longer than the model reads.")
        service = _in_service(settings)
        candidate = bench.layer(shelf.folder(settings) / tuned_id)
        card = scorecard(bench, unseen, bench.layer(service) if service else None, candidate)
    except (EngineError, ZOError, TuningError) as error:
        console.fail(str(error))
    if as_json:
        typer.echo(json.dumps(card, indent=2, ensure_ascii=False))
    else:
        _show(card)


@app.command()
def serve(
    choice: Annotated[
        str,
        typer.Argument(metavar="ID|off|default", help="A layer of `learn list`, the untuned model, or the settings'."),
    ],
) -> None:
    """Put a layer in service, or take it back; a running server takes it up within seconds.

    Example: spatialbalancing learn serve off
    """
    from app.learn import service, shelf, store
    from app.llm import layers
    from app.llm.store import ModelStore
    from app.llm.types import EngineError

    settings = console.settings()
    reason = service.fixed(settings)
    if reason:
        console.fail(reason)
    if choice not in ("default", "off"):
        path = shelf.path(settings, choice)
        if path is None:
            raise typer.BadParameter(_no_layer(settings, choice), param_hint="ID")
        try:
            layers.read(path, ModelStore(settings).identify(settings.model).sha256)
        except EngineError as error:
            console.fail(str(error))
    with console.database(settings) as db:
        console.upgrade(db)
        with db.write() as session:
            store.choose(session, choice, None)
    told = {"off": "The untuned model writes", "default": "What the settings name writes"}
    typer.echo(f"{told.get(choice, f'The layer {choice} writes')} from now on.")


@app.command("list")
def list_layers(as_json: Json = False) -> None:
    """The layers that were learnt on this machine, latest first."""
    from app.learn import shelf
    from app.learn.service import verdict

    found = shelf.listed(console.settings())
    if as_json:
        typer.echo(json.dumps([asdict(learnt) for learnt in found], indent=2, ensure_ascii=False))
        return
    for learnt in found:
        words = verdict(learnt.scorecard).words
        typer.echo(f"{learnt.tuned_id}\t{learnt.made_at}\t{learnt.pairs} pairs\t{words}")
    if not found:
        typer.echo("None yet. `spatialbalancing learn tune` makes one.")


def _stored(settings: Settings) -> list[Comparison]:
    from app.learn import store
    from app.writing.strategies import load_book

    with console.database(settings) as db:
        console.upgrade(db)
        with db.read() as session:
            return store.comparisons(session, load_book())


def _comparisons(settings: Settings, data: Path | None) -> list[Comparison]:
    from app.learn.comparisons import BadFile, read

    if data is None:
        return _stored(settings)
    try:
        return read(data)
    except BadFile as error:
        raise typer.BadParameter(str(error), param_hint="--data") from error


def _in_service(settings: Settings) -> Path | None:
    from app.learn import service, store
    from app.llm.types import EngineError

    try:
        if not service.changeable(settings):
            return service.file_of(settings, "default")
        with console.database(settings) as db, db.read() as session:
            served = store.served(session)
        return service.file_of(settings, served.choice if served else "default")
    except EngineError as error:
        console.fail(str(error))


def _no_layer(settings: Settings, tuned_id: str) -> str:
    from app.learn import shelf

    known = ", ".join(learnt.tuned_id for learnt in shelf.listed(settings))
    return f"There is no layer “{tuned_id}” on this machine. " + (
        f"There are {known}." if known else "There is none yet."
    )


def _give_way() -> None:
    """Writers on this machine go first."""
    if hasattr(os, "nice"):
        os.nice(NICE)


def _reporter() -> Callable[[Progress], None]:
    told = 0.0

    def report(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if progress.validation is None and now - told < TOLD_EVERY and progress.step < progress.steps:
            return
        told = now
        checked = f", on the paragraphs that choose {progress.validation.loss:.4f}" if progress.validation else ""
        left = f"{progress.seconds_left:.0f} s left" if progress.step < progress.steps else "done"
        typer.echo(f"Step {progress.step} of {progress.steps}: loss {progress.loss:.4f}{checked}; {left}.", err=True)

    return report


def _show(card: dict[str, Any]) -> None:
    from app.learn.service import verdict

    typer.echo(verdict(card).words)
    names = {"untuned": "untuned", "in_service": "in service", "candidate": "this layer"}
    shown = {name: words for name, words in names.items() if name in card}
    rows = [("all strategies", card), *card["strategies"].items()]
    typer.echo(f"{'':<28}{'pairs':>7}" + "".join(f"{words:>22}" for words in shown.values()))
    for title, row in rows:
        figures = "".join(f"{row[n]['margin']:>+12.3f} nats {row[n]['accuracy']:>4.0%}" for n in shown)
        typer.echo(f"{title:<28}{row['pairs']:>7}{figures}")
