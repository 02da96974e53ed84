"""What a participant's pages show, as the templates need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.study import flow, store
from app.study.flow import Here
from app.study.models import Participant, Study
from app.study.questionnaires import Instrument, Item
from app.study.service import protocol_of


def begin(study: Study, participant: Participant) -> dict[str, Any]:
    protocol = protocol_of(study)
    return {"study_title": protocol.title, "contact": protocol.contact, "returning": participant.joined_at is not None}


def over(participant: Participant) -> dict[str, Any]:
    return {"finished": participant.state == "finished", "code": participant.completion_code}


def _frame(here: Here) -> dict[str, Any]:
    """What stands around every step."""
    step = here.protocol.step(here.place.step)
    condition = here.protocol.condition(here.place.condition) if here.place.condition else None
    return {
        "study_title": here.protocol.title,
        "contact": here.protocol.contact,
        "number": here.place.number,
        "of": here.steps,
        "place": here.stay.id,
        "kind": here.place.kind,
        "title": step.name(condition.name if condition else ""),
        "text": step.text.replace("{condition}", condition.name if condition else ""),
        "period": here.place.period,
        "periods": len(here.participant.arms),
        "condition": condition.name if condition else "",
        "switches": condition.switches if condition else None,
        "timed": step.minutes is not None,
        "minutes": step.minutes,
    }


def desk(here: Here) -> dict[str, Any]:
    """For the study bar of the editor."""
    assert here.place.topic is not None
    topic = here.protocol.topic(here.place.topic)
    return {**_frame(here), "topic": topic.title, "brief": topic.brief}


def step(session: Session, here: Here) -> dict[str, Any]:
    context = _frame(here)
    match here.place.kind:
        case "consent":
            context |= {"consent": here.protocol.consent}
        case "form" | "interview":
            given = store.answers(session, here.stay.id)
            values = {key: answer.value for key, answer in given.items()}
            context |= {"forms": [_form(here, instrument, values) for instrument in flow.instruments(here)]}
    return context


def _form(here: Here, instrument: Instrument, values: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    asked = [
        {"item": item, "value": values.get((instrument.id, item.id)), "options": _options(here, item)}
        for item in flow.items(here, instrument)
    ]
    return {"instrument": instrument, "asked": asked}


def _options(here: Here, item: Item) -> list[dict[str, Any]]:
    if item.kind == "likert":
        return [{"value": n, "label": str(n)} for n in range(int(item.low), int(item.high) + 1)]
    if item.kind == "condition":
        arms = [here.protocol.condition(arm["condition"]) for arm in here.participant.arms]
        order = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
        return [{"value": c.id, "label": f"{c.name} (the {order[i]})"} for i, c in enumerate(arms)]
    return [{"value": option.value, "label": option.label} for option in item.options]
