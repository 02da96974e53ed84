"""`spatialbalancing model …`: which models there are, which one is used, and getting one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.llm.types import EngineError

if TYPE_CHECKING:
    from app.settings import Settings

app = typer.Typer(help="Language models: list, info, pull.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """The models on this machine that SPATIAL_MODEL can name."""
    from app.llm.store import ModelStore

    found = ModelStore(_settings()).available()
    if as_json:
        typer.echo(json.dumps([{**asdict(model), "location": str(model.location)} for model in found], indent=2))
        return
    for model in found:
        state = "ready" if model.ready else "unpacked at first use"
        typer.echo(f"{model.name}\t{model.source}\t{state}\t{model.location}")
    if not found:
        typer.echo("None. Run `make setup` for the default model, or `spatialbalancing model pull NAME`.")


@app.command()
def info(as_json: Json = False) -> None:
    """The model in use; its weights are found and hashed, not loaded."""
    from app.llm.factory import make_engine

    try:
        facts = asdict(make_engine(_settings()).info())
    except EngineError as error:
        _fail(error)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        typer.echo(f"{name}\t{'—' if value is None else value}")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="`default`, a Hugging Face id or a folder.")] = "",
) -> None:
    """Make a model ready to be used: NAME, or the one SPATIAL_MODEL names."""
    from app.llm.store import ModelStore

    settings = _settings()
    if settings.llm_url and not name:
        raise typer.BadParameter("SPATIAL_LLM_URL is set: the server has its own model. Give a NAME to pull.")
    try:
        model = ModelStore(settings).pull(name or settings.model)
    except EngineError as error:
        _fail(error)
    typer.echo(f"{model.model_id} is ready in {model.folder} (sha256 {model.sha256}).")


def _settings() -> Settings:
    from app.settings import Settings  # a tenth of a second that --help need not wait for

    return Settings()


def _fail(error: EngineError) -> NoReturn:
    typer.echo(f"{error.what} {error.mend}", err=True)
    raise typer.Exit(1)
