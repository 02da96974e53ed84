"""Studies: the list, a new one by form, template or file, its protocol, opening and closing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.orm import Session

from app.study import protocol as protocols
from app.study import service, store, wizard
from app.study.models import Study
from app.study.protocol import Protocol
from app.study.routes.admin.shared import NO_STORE, Admin, Form, Id, TheForm, to, tried
from app.study.types import Frozen
from app.web.errors import Problem

router = APIRouter()
AROUND = 3
"""Lines shown before and after the one that is wrong."""
FROZEN = (
    ("model_id", "Model"),
    ("tuned_id", "Tuned layer"),
    ("backend", "Runs"),
    ("device", "Device"),
    ("dtype", "Numbers"),
    ("responses", "Responses"),
    ("strategies_sha256", "Strategies (SHA-256)"),
    ("prompts_sha256", "Prompts (SHA-256)"),
    ("scorer_id", "Scorer"),
    ("protocol_sha256", "Protocol (SHA-256)"),
    ("app_version", "Release"),
    ("opened_at", "Opened"),
)


def excerpt(text: str, problem: Problem | None) -> list[tuple[int, str, bool]]:
    """The line that a refusal names, with those around it: (number, text, whether it is the one)."""
    line = problem.extra.get("line") if problem else None
    if not isinstance(line, int):
        return []
    lines = text.split("\n")
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    return [(n, lines[n - 1], n == line) for n in range(first, last + 1)]


# ── the list ───────────────────────────────────────────────────────────────────────────────────────────────────────


def studies(admin: Admin) -> Response:
    with admin.database.read() as session:
        found, counts = store.studies(session), store.people_by_state(session)
    return admin.page("studies", {"studies": found[::-1], "counts": counts, "templates": _templates()})


def _templates() -> list[dict[str, Any]]:
    found = []
    for name, text in protocols.templates().items():
        parsed = protocols.parse(text)
        found.append(
            {
                "name": name,
                "title": parsed.title,
                "conditions": [c.name for c in parsed.conditions],
                "topics": [t.title for t in parsed.topics],
                "cells": len(parsed.cells),
            }
        )
    return sorted(found, key=lambda one: (len(one["conditions"]), one["name"]))


# ── a new one ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _new(admin: Admin, values: dict[str, str], problem: Problem | None = None, text: str = "") -> Response:
    known = wizard.basis(values["template"]).data
    context = {
        "f": values,
        "conditions": range(len(known["conditions"])),
        "topics": range(wizard.topic_count(values.get("topics", ""))),
        "switches": wizard.SWITCHES,
        "instruments": wizard.instruments(),
        "templates": _templates(),
        "excerpt": excerpt(text, problem),
        "yaml": text,
    }
    return admin.page("new", context, problem=problem)


@router.get("/studies/new")
def new_form(admin: Admin) -> Response:
    return _new(admin, wizard.fields(admin.request.query_params.get("template", "")))


@router.post("/studies/new")
def new(admin: Admin, form: TheForm) -> Response:
    values = form.kept()
    values.setdefault("template", "")
    if form.on("add-topic"):  # without JavaScript: the same form, one topic longer
        values["topics"] = str(wizard.topic_count(values.get("topics", "")) + 1)
        return _new(admin, values)
    text = wizard.protocol(lambda name: values.get(name, ""))
    made, problem = tried(admin.database, lambda session: service.create(session, text, admin.who.id))
    if made is None:
        return _new(admin, values, problem, text)
    return to(f"/admin/studies/{made.id}", "created")


def _import(admin: Admin, text: str, problem: Problem | None = None) -> Response:
    return admin.page(
        "import", {"text": text, "excerpt": excerpt(text, problem), "templates": _templates()}, problem=problem
    )


@router.get("/studies/import")
def import_form(admin: Admin) -> Response:
    wanted = admin.request.query_params.get("template", "")
    return _import(admin, protocols.templates().get(wanted, ""))


def _given(form: Form) -> str:
    """A chosen file before what was pasted. Raises Problem 422 for one that is not text."""
    data = form.files.get("file", b"")
    if not data:
        return form.one("protocol")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Problem(422, "bad-protocol", "This file is not text in UTF-8. Choose a protocol (.yaml).") from error
    if "\0" in text:
        raise Problem(422, "bad-protocol", "This file is not text. Choose a protocol (.yaml).")
    return text


@router.post("/studies/import")
def import_protocol(admin: Admin, form: TheForm) -> Response:
    try:
        text = _given(form)
    except Problem as problem:
        return _import(admin, form.one("protocol"), problem)
    made, refused = tried(admin.database, lambda session: service.create(session, text, admin.who.id))
    if made is None:
        return _import(admin, text, refused)
    return to(f"/admin/studies/{made.id}", "created")


@router.get("/templates/{name}.yaml")
def template(admin: Admin, name: str) -> Response:
    found = protocols.templates().get(name)
    if found is None:
        raise Problem(404, "not-found", "There is no such template.")
    return _yaml(found, name)


def _yaml(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"', **NO_STORE}
    return Response(text, media_type="application/yaml", headers=headers)


# ── one study ──────────────────────────────────────────────────────────────────────────────────────────────────────


def cells(session: Session, study: Study, protocol: Protocol) -> list[dict[str, Any]]:
    """Each order, with how many people hold it; in a pilot without any, how many simulated ones."""
    people = service.taken(session, study.id) or service.taken(session, study.id, "simulated")
    names = {c.id: c.name for c in protocol.conditions}
    titles = {t.id: t.title for t in protocol.topics}
    return [
        {
            "number": cell.number,
            "arms": [{"condition": names[a.condition], "topic": titles[a.topic]} for a in cell.arms],
            "people": people.get(cell.number, 0),
        }
        for cell in protocol.cells
    ]


def shared(session: Session, study: Study, tab: str) -> dict[str, Any]:
    """What every page of a study shows."""
    return {"study": study, "protocol": service.protocol_of(study), "tab": tab}


@router.get("/studies/{study_id}")
def overview(admin: Admin, study_id: Id) -> Response:
    return _overview(admin, study_id)


def _overview(admin: Admin, study_id: str, problem: Problem | None = None) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "overview")
        protocol: Protocol = context["protocol"]
        context |= {
            "cells": cells(session, study, protocol),
            "states": Counter(person.state for person in store.people(session, study.id)),
            "frozen": [(name, study.frozen.get(field)) for field, name in FROZEN] if study.frozen else [],
            "today": _today(admin, study),
            "steps": _steps(protocol),
        }
    return admin.page("study", context, problem=problem)


def _today(admin: Admin, study: Study) -> tuple[Frozen | None, Problem | None]:
    """What a draft study would be run with now, or why that can't be said."""
    if study.frozen is not None:
        return None, None
    try:
        return service.freeze(admin.studio, study.protocol), None
    except Problem as problem:
        return None, problem


def _steps(protocol: Protocol) -> list[dict[str, Any]]:
    flow = protocol.flow
    parts = (
        ("Before", flow.before), (f"Each of {len(protocol.conditions)} periods", flow.each),
        ("Between periods", flow.between), ("After", flow.after),
    )  # fmt: skip
    return [{"name": name, "steps": steps} for name, steps in parts if steps]


@router.post("/studies/{study_id}/open")
def open_study(admin: Admin, study_id: Id) -> Response:
    try:
        with admin.database.read() as session:
            text = store.study(session, study_id).protocol
        frozen = service.freeze(admin.studio, text)
        with admin.database.write() as session:
            service.open_study(session, study_id, frozen)
    except Problem as problem:
        if problem.code == "no-study":
            raise
        return _overview(admin, study_id, problem)
    return to(f"/admin/studies/{study_id}", "opened")


@router.post("/studies/{study_id}/close")
def close_study(admin: Admin, study_id: Id) -> Response:
    _, problem = tried(admin.database, lambda session: service.close_study(session, study_id))
    if problem:
        return _overview(admin, study_id, problem)
    return to(f"/admin/studies/{study_id}", "closed")


# ── its protocol ───────────────────────────────────────────────────────────────────────────────────────────────────


def _protocol(admin: Admin, study_id: str, text: str | None = None, problem: Problem | None = None) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "protocol")
        shown = study.protocol if text is None else text
    return admin.page("protocol", {**context, "text": shown, "excerpt": excerpt(shown, problem)}, problem=problem)


@router.get("/studies/{study_id}/protocol")
def protocol(admin: Admin, study_id: Id) -> Response:
    return _protocol(admin, study_id)


@router.post("/studies/{study_id}/protocol")
def change_protocol(admin: Admin, study_id: Id, form: TheForm) -> Response:
    text = form.one("protocol")
    _, problem = tried(admin.database, lambda session: service.change_protocol(session, study_id, text))
    if problem:
        return _protocol(admin, study_id, text, problem)
    return to(f"/admin/studies/{study_id}/protocol", "saved")


@router.get("/studies/{study_id}/protocol.yaml")
def export_protocol(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
    return _yaml(study.protocol, study.name)


@router.post("/studies/{study_id}/copy")
def copy(admin: Admin, study_id: Id) -> Response:
    """A new draft with the same protocol, to be changed: a study that was opened never changes."""

    def work(session: Session) -> Study:
        text = store.study(session, study_id).protocol
        name = protocols.parse(text).name
        number = 2
        while store.study_named(session, fresh := f"{name[:36].rstrip('-')}-{number}") is not None:
            number += 1
        return service.create(session, protocols.renamed(text, fresh), admin.who.id)

    made, problem = tried(admin.database, work)
    return to(f"/admin/studies/{made.id}/protocol", "created") if made else _protocol(admin, study_id, None, problem)
