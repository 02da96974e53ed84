"""Participants: adding them, their links, and what a facilitator does about one of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as FromPath
from fastapi.responses import Response
from sqlalchemy.orm import Session

from app.db.base import new_id
from app.study import addresses, clocks, erase, flow, roster, service, snapshots, store
from app.study.models import Participant, Progress
from app.study.routes.admin.shared import NO_STORE, Admin, Id, Key, TheForm, to, tried
from app.study.routes.admin.studies import cells, shared
from app.web.errors import Problem

router = APIRouter()
Name = Annotated[str, FromPath(pattern=r"^before-delete-[0-9T]{15,24}Z\.(sqlite3|dump)$")]
LONGEST_NUMBER = 9
"""Digits; Python refuses to read one of thousands."""


# ── the table ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _participants(
    admin: Admin, study_id: str, problem: Problem | None = None, kept: dict[str, str] | None = None
) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "participants")
        steps = len(context["protocol"].way([vars(arm) for arm in context["protocol"].cells[0].arms]))
        context |= {
            "people": store.people(session, study.id),
            "cells": cells(session, study, context["protocol"]),
            "steps": steps,
            "offered": admin.offered,
            "loopback": addresses.is_loopback,
            "kept": kept or {},
            "key": new_id(),
            "snapshots": snapshots.listed(admin.settings.data_dir),
        }
    return admin.page("participants", context, problem=problem)


@router.get("/studies/{study_id}/participants")
def participants(admin: Admin, study_id: Id) -> Response:
    return _participants(admin, study_id)


@router.post("/studies/{study_id}/participants")
def add(admin: Admin, study_id: Id, form: TheForm) -> Response:
    """So many, or those of a list; or one by their code."""
    kept = {name: form.one(name) for name in ("count", "codes", "code", "base")}
    try:
        wanted = _wanted(
            form.one("how"), form.one("count"), form.one("code"), form.one("codes"), form.files.get("file")
        )
        key = _key(form.one("key"))
        base = _base(admin, form.one("base"))

        def make() -> dict[str, Any]:
            with admin.database.write() as session:
                made = service.add_participants(session, study_id, wanted)
                links = [{"code": p.code, "id": p.id, "link": f"{base}/s/{token}"} for p, token in made]
            return {"study_id": study_id, "links": links}

        admin.desk.shown.once(admin.who.session_id, key, make)
    except Problem as problem:
        if problem.code == "no-study":
            raise
        return _participants(admin, study_id, problem, kept)
    return to(f"/admin/studies/{study_id}/links/{key}")


def _wanted(how: str, count: str, code: str, codes: str, file: bytes | None) -> list[str | None]:
    if how == "list":
        return list(roster.codes(roster.decode(file) if file else codes))
    if how == "one":
        return [code.strip() or None]
    if not count.strip().isdecimal() or len(count) > LONGEST_NUMBER or not 1 <= int(count) <= service.MOST_AT_ONCE:
        raise Problem(422, "how-many", f"Write how many to add: a number from 1 to {service.MOST_AT_ONCE:,}.")
    return [None] * int(count)


def _key(key: str) -> str:
    if not 8 <= len(key) <= 64 or not all(c in "0123456789abcdef-" for c in key):
        raise Problem(422, "invalid", "The form is not whole. Reload the page and send it again.")
    return key


def _base(admin: Admin, wanted: str) -> str:
    """One of the addresses that were offered: a link must lead to nowhere else."""
    return wanted if wanted in admin.offered else admin.offered[0]


def _links(admin: Admin, study_id: str, key: str) -> list[dict[str, str]] | None:
    kept = admin.desk.shown.get(admin.who.session_id, key)
    return kept["links"] if kept and kept["study_id"] == study_id else None


@router.get("/studies/{study_id}/links/{key}.csv")
def links_csv(admin: Admin, study_id: Id, key: Key) -> Response:
    found = _links(admin, study_id, key)
    if found is None:
        raise Problem(410, "gone", "These links were shown and are not kept. Make new ones for whom you need them.")
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["code", "link"])
    writer.writerows([one["code"], one["link"]] for one in found)
    headers = {"Content-Disposition": 'attachment; filename="links.csv"', **NO_STORE}
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/studies/{study_id}/links/{key}")
def links(admin: Admin, study_id: Id, key: Key) -> Response:
    with admin.database.read() as session:
        context = shared(session, store.study(session, study_id), "participants")
    found = _links(admin, study_id, key)
    local = found is not None and addresses.is_loopback(found[0]["link"])
    return admin.page("links", {**context, "links": found, "key": key, "local": local})


# ── one of them ────────────────────────────────────────────────────────────────────────────────────────────────────


def _person(
    admin: Admin, participant_id: str, problem: Problem | None = None, kept: dict[str, str] | None = None
) -> Response:
    with admin.database.read() as session:
        person = store.participant(session, participant_id)
        study = store.study(session, person.study_id)
        context = shared(session, study, "participants")
        protocol = context["protocol"]
        stays = list(store.stays(session, person.id))
        here = flow.at(session, person)
        context |= {
            "person": person,
            "way": protocol.way(person.arms) if person.arms else [],
            "stays": stays,
            "here": here,
            "notes": store.notes_about(session, person.id),
            "names": {c.id: c.name for c in protocol.conditions},
            "titles": {t.id: t.title for t in protocol.every_topic},
            "steps": {step.id: step for step in protocol.flow.steps},
            "seconds": {stay.id: _spent(session, stay) for stay in stays},
            "taker": store.replacement(session, person.id),
            "offered": admin.offered,
            "loopback": addresses.is_loopback,
            "kept": kept or {},
            "key": new_id(),
        }
    return admin.page("participant", context, problem=problem)


def _spent(session: Session, stay: Progress) -> float:
    return clocks.spent(stay, store.pauses(session, stay.id))


@router.get("/participants/{participant_id}")
def participant(admin: Admin, participant_id: Id) -> Response:
    return _person(admin, participant_id)


def _done(admin: Admin, participant_id: str, form: TheForm, said: str, work: Callable[[Session], object]) -> Response:
    """Back to where the form was: the monitor, or the participant's page."""
    _, problem = tried(admin.database, work)
    if problem is not None:
        return _person(admin, participant_id, problem, form.kept())
    back = form.one("back")
    return to(back if back.startswith("/admin/studies/") else f"/admin/participants/{participant_id}", said)


@router.post("/participants/{participant_id}/pause")
def pause(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(
        admin, participant_id, form, "paused",
        lambda session: service.pause(session, participant_id, form.one("reason"), admin.who.name),
    )  # fmt: skip


@router.post("/participants/{participant_id}/resume")
def resume(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(admin, participant_id, form, "resumed", lambda session: service.resume(session, participant_id))


@router.post("/participants/{participant_id}/unblock")
def unblock(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(admin, participant_id, form, "unblocked", lambda session: service.unblock(session, participant_id))


@router.post("/participants/{participant_id}/move-on")
def move_on(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(admin, participant_id, form, "moved", lambda session: flow.move_on(session, participant_id))


@router.post("/participants/{participant_id}/release")
def release(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(admin, participant_id, form, "released", lambda session: flow.release(session, participant_id))


@router.post("/participants/{participant_id}/exclude")
def exclude(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    wanted = form.one("excluded") == "yes"
    return _done(
        admin, participant_id, form, "excluded" if wanted else "included",
        lambda session: service.exclude(session, participant_id, excluded=wanted, why=form.one("why")),
    )  # fmt: skip


@router.post("/participants/{participant_id}/note")
def note(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    def work(session: Session) -> None:
        person = store.hold_participant(session, participant_id)
        service.write_note(
            session, person.study_id, form.one("text"), participant_id=person.id, facilitator_id=admin.who.id
        )

    return _done(admin, participant_id, form, "noted", work)


@router.post("/participants/{participant_id}/revoke")
def revoke(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    return _done(admin, participant_id, form, "revoked", lambda session: service.revoke_link(session, participant_id))


@router.post("/participants/{participant_id}/link")
def new_link(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    """A resume link: it leads to the step they are at, with the text as it was; the one before stops working."""
    return _linked(admin, participant_id, form, lambda session: service.new_link(session, participant_id))


@router.post("/participants/{participant_id}/replace")
def replace(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    """Somebody else, in the cell of who dropped out."""

    def work(session: Session) -> tuple[Participant, str]:
        dropped = store.hold_participant(session, participant_id)
        code = form.one("code").strip() or None
        return service.add_participants(session, dropped.study_id, [code], replaces=dropped.id)[0]

    return _linked(admin, participant_id, form, work)


def _linked(
    admin: Admin, participant_id: str, form: TheForm, work: Callable[[Session], tuple[Participant, str]]
) -> Response:
    try:
        key, base = _key(form.one("key")), _base(admin, form.one("base"))

        def make() -> dict[str, Any]:
            with admin.database.write() as session:
                person, token = work(session)
                links = [{"code": person.code, "id": person.id, "link": f"{base}/s/{token}"}]
                return {"study_id": person.study_id, "links": links}

        made = admin.desk.shown.once(admin.who.session_id, key, make)
    except Problem as problem:
        return _person(admin, participant_id, problem, form.kept())
    return to(f"/admin/studies/{made['study_id']}/links/{key}")


# ── deleting ───────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/participants/{participant_id}/delete")
def delete(admin: Admin, participant_id: Id, form: TheForm) -> Response:
    """Wholly, at any moment, after their code was typed. A snapshot of the whole database is taken first; it goes, with
    all that were left before, as soon as nothing of them is left anywhere else."""
    with admin.database.read() as session:
        person = store.participant(session, participant_id)
    if form.one("typed").strip() != person.code:
        told = f"Nothing was deleted. To delete, type the code {person.code} into the field."
        return _person(admin, participant_id, Problem(422, "not-typed", told), form.kept())
    try:
        snapshots.take(admin.database, admin.settings.data_dir)
        with admin.database.write() as session:
            receipt = erase.delete_participant(session, participant_id)
        erase.scrub(admin.database)
        snapshots.forget(admin.settings.data_dir)
    except Problem as problem:
        if problem.code == "no-participant":
            raise
        return _person(admin, participant_id, problem, form.kept())
    return to(f"/admin/studies/{person.study_id}/receipts/{receipt.id}")


@router.get("/studies/{study_id}/receipts/{receipt_id}")
def receipt(admin: Admin, study_id: Id, receipt_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        found = store.receipt(session, study_id, receipt_id)
        context = shared(session, study, "participants")
    return admin.page("receipt", {**context, "receipt": found})


@router.post("/studies/{study_id}/snapshots/{name}/delete")
def delete_snapshot(admin: Admin, study_id: Id, name: Name) -> Response:
    snapshots.forget(admin.settings.data_dir, name)
    return to(f"/admin/studies/{study_id}/participants", "snapshot-gone")
