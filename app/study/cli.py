"""The commands of studies: who may run them, protocols, exports. Those that need the whole application, or the model,
stand in app/cli.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import console

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.db.engine import Database
    from app.study.models import Facilitator

facilitators = typer.Typer(help="Who may run studies: create, password, list, disable.", no_args_is_help=True)
studies = typer.Typer(help="Studies: list, import, export, verify, simulate, record.", no_args_is_help=True)

# ── facilitators ───────────────────────────────────────────────────────────────────────────────────────────────────

Name = Annotated[str, typer.Argument(metavar="NAME", help="The facilitator's name, as they sign in.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, its first line.")
]


@facilitators.command("create")
def admin_create(name: Name, password_stdin: FromStdin = False) -> None:
    """Make a facilitator, who may run studies at /admin. Asks for a password."""
    from app.study import auth

    settings, password = console.settings(), _password(password_stdin)
    with refusals(), console.database(settings) as db:
        console.upgrade(db)
        with db.write() as session:
            made = auth.create(session, name, password)
    typer.echo(f"{made.name} may sign in at /admin.")


@facilitators.command("password")
def admin_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Set another password; ends all of their sessions, and lets a disabled facilitator in again."""
    from app.study import auth

    settings, password = console.settings(), _password(password_stdin)
    with refusals(), console.database(settings) as db:
        console.upgrade(db)
        with db.write() as session:
            found = _named(session, name)
            auth.set_password(session, found, password)
    typer.echo(f"{found.name} has a new password.")


@facilitators.command("disable")
def admin_disable(name: Name) -> None:
    """Let a facilitator in no more, and sign them out everywhere; their notes keep their name."""
    from app.study import auth

    with console.database(console.settings()) as db:
        console.upgrade(db)
        with db.write() as session:
            found = _named(session, name)
            auth.disable(session, found)
    typer.echo(f"{found.name} is signed out and may not sign in.")


@facilitators.command("list")
def admin_list() -> None:
    """The facilitators there are."""
    from app.study import auth

    with console.database(console.settings()) as db:
        console.upgrade(db)
        with db.read() as session:
            for one in auth.listed(session):
                typer.echo(f"{one.name}\t{'disabled' if one.disabled_at else 'active'}\t{one.created_at:%Y-%m-%d}")


def _named(session: Session, name: str) -> Facilitator:
    from app.study import auth

    return auth.named(session, name) or console.fail(f"There is no facilitator {name}. `admin list` names them.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        console.fail("There is no terminal to ask for a password at. Use --password-stdin.", 2)
    told: str = typer.prompt("Password", hide_input=True, confirmation_prompt="The same again")
    return told


@contextmanager
def refusals() -> Iterator[None]:
    """What a use case refuses is told as its sentence."""
    from app.web.errors import Problem

    try:
        yield
    except Problem as problem:
        console.fail(str(problem.detail))


# ── studies ────────────────────────────────────────────────────────────────────────────────────────────────────────

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Its short name, or its id.")]


@studies.command("list")
def study_list() -> None:
    """The studies there are."""
    from app.study import store

    with console.database(console.settings()) as db:
        console.upgrade(db)
        with db.read() as session:
            for study in store.studies(session):
                typer.echo(f"{study.name}\t{study.state}\t{study.title}")


@studies.command("template")
def study_template(name: Annotated[str, typer.Argument(metavar="[NAME]", help="Its name.")] = "") -> None:
    """Print a ready protocol, to be edited; without a NAME, the names there are."""
    from app.study.protocol import templates

    known = templates()
    if name and name not in known:
        raise typer.BadParameter(f"There is no template {name}. There are: {', '.join(known)}.", param_hint="NAME")
    typer.echo(known[name] if name else "\n".join(known), nl=not name)


@studies.command("import")
def study_import(file: Annotated[Path, typer.Argument(metavar="FILE", help="A protocol: YAML.")]) -> None:
    """Make a study from a protocol, as a draft. What is wrong in it is told with its line."""
    from app.study import service

    text = read_protocol(file)
    with refusals(), console.database(console.settings()) as db:
        console.upgrade(db)
        with db.write() as session:
            made = service.create(session, text)
    typer.echo(f"{made.name} is there as a draft; open it at /admin/studies/{made.id}")


def read_protocol(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise typer.BadParameter(f"{file} can't be read: {reason}.", param_hint="FILE") from error


@studies.command("export")
def study_export(
    study: StudyName,
    out: Annotated[Path, typer.Option(help="A new .zip file.")],
) -> None:
    """Write everything of a study into one zip, which ends in a manifest."""
    with console.database(console.settings()) as db:
        console.upgrade(db)
        counts = export_to(db, study, out)
    typer.echo(f"{counts['events.jsonl']:,} events of {counts['participants.csv']} participants are in {out}.")


def export_to(db: Database, study: str, out: Path) -> dict[str, int]:
    from rich.console import Console
    from rich.progress import Progress

    from app.study.export import export
    from app.writing.export import ExportError, WrongPath

    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("Writing the log", total=None)
            return export(db, study, out, lambda done, total: bar.update(task, completed=done, total=total))
    except WrongPath as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    except ExportError as error:
        console.fail(str(error))


def named_protocol(name: str) -> str:
    from app.study.protocol import templates

    known = templates()
    return known[name] if name in known else read_protocol(Path(name))


@studies.command("verify")
def study_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A zip that `study export` wrote.")],
) -> None:
    """Check an export from the zip alone: whole, unchanged, every event there, replay and statistics equal."""
    from app.study.verify import verify

    findings = verify(file)
    for finding in findings:
        typer.echo(finding)
    if findings:
        console.fail(f"{len(findings)} finding(s) in {file}.")
    typer.echo(f"{file}: no findings.")
