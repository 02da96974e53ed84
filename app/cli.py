"""The console script `spatialbalancing`: each command calls one function of one room."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.axes import cli as axes_cli
from app.console import database as _database
from app.console import fail as _fail
from app.console import settings as _settings
from app.console import upgrade as _upgrade
from app.learn import cli as learn_cli
from app.llm import cli as model_cli
from app.study import cli as study_cli
from app.zo import cli as zo_cli

if TYPE_CHECKING:
    import socket

    from app.axes.types import Placement
    from app.settings import Settings
    from app.writing.revise import Reviser
    from app.writing.strategies import Label

main = typer.Typer(
    help="SpatialBalancing: revise science writing on a plane between exposition and engagement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
database = typer.Typer(help="The database: upgrade, check, backup, restore.", no_args_is_help=True)
session = typer.Typer(help="Writing sessions: export.", no_args_is_help=True)
main.add_typer(model_cli.app, name="model")
main.add_typer(axes_cli.app, name="axes")
main.add_typer(database, name="db")
main.add_typer(session, name="session")
main.add_typer(learn_cli.app, name="learn")


def _find_model(name: str) -> zo_cli.Found:
    from app.llm.store import ModelStore
    from app.llm.types import EngineError

    try:
        model = ModelStore(_settings()).resolve(name)
    except EngineError as error:
        _fail(f"{error.what} {error.mend}")
    return zo_cli.Found(model.model_id, model.folder, model.sha256)


main.add_typer(zo_cli.commands(_find_model), name="zo")
main.add_typer(study_cli.facilitators, name="admin")
main.add_typer(study_cli.studies, name="study")


@main.callback()
def _first() -> None:
    # For the sub-commands of other rooms too: a setting that can't be right is told before anything is done.
    _settings()


@main.command()
def serve() -> None:
    """Serve the editor; HOST and PORT say where (127.0.0.1:8000)."""
    settings = _settings()
    listener = _listen(settings)
    with _database(settings) as db:
        _upgrade(db)

    import uvicorn

    from app.main import create_app

    typer.echo(f"SpatialBalancing is at {_address(*listener.getsockname()[:2])} (Ctrl+C stops it).")
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        # Long enough for a save under way; a stream still open then is cut off, and its generation is cancelled.
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    """Before anything is loaded: a taken port should be known at once."""
    import errno
    import os
    import socket

    try:
        # create_server tells an unknown name by a number that nothing explains.
        socket.getaddrinfo(settings.host, settings.port)
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
        )
    except socket.gaierror as error:
        _fail(f"HOST={settings.host} is no address that is known here: {error.strerror}. {_HOSTS}")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        mend = _HOSTS if error.errno == errno.EADDRNOTAVAIL else "Choose another port, or a free one: PORT=0 make run"
        _fail(f"{settings.host}:{settings.port} can't be served at: {reason}. {mend}")


_HOSTS = "Use 127.0.0.1 for this computer alone, 0.0.0.0 to let others in."


def _address(host: str, port: int) -> str:
    """Where a browser finds it: the address that stands for all of them can't be opened everywhere."""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return f"http://localhost:{port}, and at port {port} of this machine's other addresses"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@database.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this release's schema; makes it where there is none."""
    with _database(_settings()) as db:
        _upgrade(db)
    typer.echo(f"The database is up to date: {db.url.render_as_string()}")


@database.command("check")
def db_check() -> None:
    """Look for damage: the file, the schema, and what must hold of drafts, versions and the log."""
    import app.study.invariants
    import app.writing.invariants  # noqa: F401  (each adds its room's rules to the check)
    from app.db.check import check

    with _database(_settings()) as db:
        findings = check(db)
    for finding in findings:
        typer.echo(finding)
    if findings:
        _fail(f"{len(findings)} finding(s). `spatialbalancing db restore FILE` puts a backup back.")
    typer.echo("No findings.")


@database.command("backup")
def db_backup(path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that isn't there yet.")]) -> None:
    """Write a checked copy of the database to PATH; the server may go on running."""
    from app.db.backup import BackupError, WrongPath, backup

    try:
        with _database(_settings()) as db:
            backup(db, path)
    except WrongPath as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from error
    except BackupError as error:
        _fail(str(error))
    typer.echo(f"Backed up to {path}.")


@database.command("restore")
def db_restore(path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that `db backup` wrote.")]) -> None:
    """Put the database back to what PATH holds; what it replaces is kept. Stop the server first."""
    from app.db.backup import BackupError, WrongPath, restore

    settings = _settings()
    try:
        with _database(settings) as db:
            before = restore(db, path, settings.data_dir)
            _upgrade(db)
    except WrongPath as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from error
    except BackupError as error:
        _fail(str(error))
    typer.echo(f"Restored from {path}." + (f" What was there before is in {before}." if before else ""))


@session.command("export")
def session_export(
    out: Annotated[Path, typer.Option(help="A new folder, or a new .zip file.")],
    draft: Annotated[str, typer.Argument(metavar="[DRAFT]", help="The draft's id, as in the editor's address.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All drafts of all writers.")] = False,
) -> None:
    """Write the event log and all versions as JSONL and CSV, with a codebook."""
    if bool(draft) == everything:
        raise typer.BadParameter("Name one DRAFT by its id, or say --all for all of them.")

    from app.writing.export import ExportError, UnknownDraft, WrongPath, export

    try:
        with _database(_settings()) as db:
            _upgrade(db)
            counts = export(db, out, draft or None)
    except UnknownDraft as error:
        raise typer.BadParameter(str(error), param_hint="DRAFT") from error
    except WrongPath as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    except ExportError as error:
        _fail(str(error))
    typer.echo(f"{counts['events.csv']} events and {counts['versions.csv']} versions are in {out}.")


@axes_cli.app.command("rescore")
def axes_rescore(
    draft: Annotated[str, typer.Option(help="One draft's id, as in the editor's address; all of them without.")] = "",
) -> None:
    """Measure what an earlier scorer placed again; the old places are kept with each version."""
    from app.axes.scorer import BaseScorer
    from app.llm.store import ModelStore
    from app.llm.types import EngineError
    from app.web.errors import Problem
    from app.writing import rescore

    settings = _settings()
    scorer = BaseScorer(ModelStore(settings))
    try:
        scorer.load()
        with _database(settings) as db:
            _upgrade(db)
            looked_at = rescore.run(db, scorer, draft or None)
    except EngineError as error:
        _fail(f"{error.what} {error.mend}")
    except Problem as problem:
        raise typer.BadParameter(f"There is no draft {draft}.", param_hint="--draft") from problem
    for draft_id, versions in looked_at.items():
        typer.echo(f"{draft_id}: {versions} version(s) looked at.")
    typer.echo("Every version is on the scale in use." if not looked_at else f"{len(looked_at)} draft(s) are done.")


# ── studies ────────────────────────────────────────────────────────────────────────────────────────────────────────


@study_cli.studies.command("simulate")
def study_simulate(
    out: Annotated[Path, typer.Option(help="A new .zip file for the export.")],
    participants: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 16,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Answers that were recorded before, in place of the model.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed, the same behaviour.")] = 0,
    protocol: Annotated[str, typer.Option(help="A protocol's file, or the name of a template.")] = "two-conditions",
    at_once: Annotated[
        int | None, typer.Option(min=1, help="How many at the same time; all of them if left out.")
    ] = None,
    pace: Annotated[float, typer.Option(min=0, help="Seconds they think before each action, on average.")] = 0.0,
    keep: Annotated[
        Path | None, typer.Option(help="A new folder that keeps the database, to look at with SPATIAL_DATA_DIR.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play a whole study with scripted participants over HTTP, in a database of its own, and export it."""
    import tempfile

    from app.study.pilot import PilotError

    if out.exists():
        raise typer.BadParameter(f"{out} is already there. Name a file that isn't.", param_hint="--out")
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(f"{keep} is not empty. Name a folder that isn't there.", param_hint="--keep")
    settings, text = _settings(), study_cli.named_protocol(protocol)
    with tempfile.TemporaryDirectory(prefix="study-") as scratch, study_cli.refusals():
        folder = keep or Path(scratch)
        try:
            told = _simulated(
                settings, text, folder, out,
                n=participants, recorded=recorded, seed=seed, at_once=at_once, pace=pace,
            )  # fmt: skip
        except PilotError as error:
            _fail(str(error))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(
            f"{told['finished']} of {told['participants']} participants finished in {told['seconds']:.0f} s: "
            f"{told['events_sent']:,} events sent (received after {told['receipt_ms']['median']} ms at the median), "
            f"{told['presses']} presses of the model. The export is {out}."
        )
        if keep is not None:
            there = f"SPATIAL_DATA_DIR={keep}"
            typer.echo(
                "Look at it, where no other server runs:\n"
                f"  {there} spatialbalancing admin create NAME\n"
                f"  {there}{' SPATIAL_MODEL=recorded' if recorded else ''} spatialbalancing serve"
            )
    if told["problems"]:
        _fail("\n".join(told["problems"]))


def _simulated(
    settings: Settings,
    text: str,
    folder: Path,
    out: Path,
    *,
    n: int,
    recorded: bool,
    seed: int,
    at_once: int | None,
    pace: float,
) -> dict[str, Any]:
    from app.db.engine import Database
    from app.main import create_app
    from app.study import pilot

    folder.mkdir(parents=True, exist_ok=True)
    own: dict[str, Any] = {
        "data_dir": settings.data_dir,
        "database_url": f"sqlite:///{folder / 'spatialbalancing.sqlite3'}",
        "model": "recorded" if recorded and not settings.recorded else settings.model,
        "queue_bound": max(settings.queue_bound, n),
    }
    engine = None
    if own["model"].partition(":")[0] == "recorded":
        from app.llm.recorded import RecordedEngine, path_of

        engine = RecordedEngine(path_of(own["model"]), word_seconds=0)  # nobody watches the words arrive
    app = create_app(settings.model_copy(update=own), engine=engine)
    if app.state.settings.recorded:
        text = pilot.with_responses(text, "recorded")
    typer.echo("Loading the model …", err=True)
    study_id, report = pilot.run(
        app, text, n, seed=seed, at_once=at_once, pace=pace,
        say=lambda one: typer.echo(
            f"{one.who}: {one.problem or f'finished after {one.seconds:.0f} s'}", err=True
        ),
    )  # fmt: skip
    db = Database(app.state.settings.db_url)
    try:
        study_cli.export_to(db, study_id, out)
    finally:
        db.close()
    return report.as_json()


@study_cli.studies.command("record")
def study_record(
    out: Annotated[Path, typer.Option(help="A file: .jsonl.gz")],
    protocols: Annotated[
        list[str] | None, typer.Argument(metavar="[PROTOCOL]...", help="Files or templates; all templates if left out.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(min=1, help="Press each label on so many paragraphs; on all of them if left out.")
    ] = None,
) -> None:
    """Ask the model all that the desk could ask about a study's texts, and keep it for SPATIAL_MODEL=recorded."""
    from app.llm.recorded import Recorder
    from app.llm.types import EngineError
    from app.study import protocol
    from app.study.record import record

    settings = _settings()
    if settings.recorded:
        _fail("SPATIAL_MODEL names a recording: there is no model to record.", 2)
    names = protocols or list(protocol.templates())
    try:
        parsed = [protocol.parse(study_cli.named_protocol(name)) for name in names]
    except protocol.Mistake as mistake:
        _fail(str(mistake))
    reviser = _reviser(settings)
    recorder = Recorder(reviser.engine)
    try:
        recording = dataclasses.replace(reviser, engine=recorder)
        for count in record(recording, parsed, lambda told: typer.echo(told, err=True), passes):
            recorder.write(out, f"spatialbalancing study record {' '.join(names)}")
            typer.echo(f"{count} answers", err=True)
    except EngineError as error:
        _fail(f"{error.what} {error.mend}")
    typer.echo(f"{len(recorder.lines)} answers of {recorder.info().model_id} are in {out}.")


@main.command()
def revise(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A paragraph: .txt, .md, .docx; - reads standard input.")],
    label: Annotated[str, typer.Option(help='A label\'s name, e.g. "Use an Analogy".')],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    strategy: Annotated[str | None, typer.Option(help="One of the label's strategies.")] = None,
    prompt: Annotated[str, typer.Option(help="Your own instruction, for the label that takes one.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same versions.")] = 0,
    candidates: Annotated[int | None, typer.Option(min=1, max=8, help="How many versions.")] = None,
) -> None:
    """Write new versions of a paragraph, best first."""
    from app.axes.types import Unplaceable
    from app.llm.types import EngineError

    settings = _settings()
    chosen = _label(label, prompt, strategy, full=settings.full_plans)
    text = axes_cli.read_text(file)
    try:
        result = revised(
            _reviser(settings), chosen, text,
            n=candidates or settings.candidates, seed=seed, strategy=strategy, own=prompt,
        )  # fmt: skip
    except Unplaceable as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from error
    except EngineError as error:
        _fail(f"{error.what} {error.mend}")
    if not result["versions"]:
        _fail("The model wrote nothing usable. Try another --seed or --strategy, or a larger model (SPATIAL_MODEL).")
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        _show(result)


def _label(name: str, prompt: str, strategy: str | None, *, full: bool) -> Label:
    """The label, after a look at whether it takes that prompt and has that strategy."""
    from app.writing.strategies import load_book

    try:
        label = load_book().label(name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--label") from error
    takes_prompt = any("{prompt}" in strategy.full for strategy in label.strategies)
    if takes_prompt != bool(prompt.strip()):
        raise typer.BadParameter(
            f'“{label.name}” needs your instruction: --prompt "…".'
            if takes_prompt
            else f"“{label.name}” takes no instruction of your own. Leave --prompt out, or use the label own-prompt.",
            param_hint="--prompt",
        )
    try:
        label.usable(strategy, full=full)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--strategy") from error
    return label


def _reviser(settings: Settings) -> Reviser:
    """Raises EngineError."""
    from app.axes.scorer import BaseScorer, MiniLM
    from app.llm.factory import make_engine
    from app.llm.store import ModelStore
    from app.writing.revise import Reviser

    typer.echo("Loading the model …", err=True)
    store, engine = ModelStore(settings), make_engine(settings)
    engine.load()
    meaning, tuned_id = MiniLM(store.minilm_folder()), engine.info().tuned_id
    return Reviser(engine, BaseScorer(store), meaning, settings.full_plans, tuned_id=tuned_id)


def revised(
    reviser: Reviser, label: Label, text: str, *, n: int, seed: int, strategy: str | None, own: str
) -> dict[str, Any]:
    """`{"parent": placement, "versions": […]}`, best first; progress goes to stderr.

    Raises KeyError for a strategy the label lacks, EngineError, Unplaceable.
    """
    from app.writing.revise import Dropped, Finished, Landed, Started

    origin = reviser.scorer.score([text])[0]
    info = reviser.engine.info()
    landed: dict[int, dict[str, Any]] = {}
    order: tuple[int, ...] = ()
    for event in reviser.revise(label, text, n=n, seed=seed, strategy=strategy, own=own):
        match event:
            case Started():
                typer.echo(f"Writing {len(event.slots)} versions …", err=True)
            case Dropped():
                again = "; writing another" if event.again else ""
                typer.echo(f"Version {event.index + 1} was unusable ({event.reason}){again}.", err=True)
            case Landed(candidate):
                typer.echo(f"Version {candidate.index + 1} is there.", err=True)
                landed[candidate.index] = {
                    "text": candidate.text,
                    "placement": _placed(candidate.placement),
                    "strategy": candidate.strategy,
                    "model_id": info.model_id,
                    "tuned_id": candidate.tuned_id,
                    "seed": candidate.seed,
                    "flags": list(candidate.flags),
                }
            case Finished():
                order = event.order
                if order and not event.moved:
                    typer.echo("None moved the way the label aims; these are the best there are.", err=True)
    return {"parent": _placed(origin), "versions": [landed[index] for index in order]}


def _placed(placement: Placement) -> dict[str, float]:
    return {
        "exposition": placement.exposition,
        "engagement": placement.engagement,
        "spread": placement.spread,
    }


def _show(result: dict[str, Any]) -> None:
    for name, version in [("Yours", {"placement": result["parent"]}), *enumerate(result["versions"], start=1)]:
        place = version["placement"]
        typer.echo(f"{name}: exposition {place['exposition']:.1f}, engagement {place['engagement']:.1f}")
        if "text" in version:
            flags = f" · {', '.join(version['flags'])}" if version["flags"] else ""
            typer.echo(f"   {version['strategy']}{flags}\n\n{version['text']}\n")
