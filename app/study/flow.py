"""A participant's way through a study. Each function is one transaction's work and raises Problem when it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.db.base import now
from app.study import clocks, design, erase, events, questionnaires, store
from app.study import views as v
from app.study.models import Answer, Consent, Participant, Progress, Receipt, Study
from app.study.protocol import Protocol, Topic, sha256
from app.study.questionnaires import Instrument, Item
from app.study.service import protocol_of
from app.study.types import Clock, Place
from app.web import security
from app.web.errors import Problem
from app.writing import goals, sources
from app.writing import service as writing
from app.writing import views as wv
from app.writing.models import Draft, Writer
from app.writing.models import Step as DraftStep
from app.writing.setting import Setting, Stamp

INTERVIEW = Instrument(
    id="interview",
    version="1",
    name="Interview",
    items=(
        Item(
            id="in-own-words",
            text="What went through your mind while you wrote, and what was different between the ways to work?",
            kind="text",
            required=False,
            lines=10,
        ),
    ),
)
TIME_UP_GRACE = 2.0
"""Seconds by which a browser's clock may run ahead of the server's when it says that the time is over."""


@dataclass(frozen=True)
class Here:
    """A participant at a step, and all that its page shows."""

    study: Study
    protocol: Protocol
    participant: Participant
    place: Place
    stay: Progress
    clock: Clock
    steps: int


# ── the link ───────────────────────────────────────────────────────────────────────────────────────────────────────


def linked(session: Session, token: str) -> tuple[Study, Participant]:
    """What a link leads to; nothing is changed by looking. Raises Problem 404, 410 revoked, 410 finished, 409."""
    participant = store.participant_by_link(session, security.token_hash(token))
    if participant is None:
        raise Problem(
            404,
            "unknown-link",
            "This link is not known. Copy it whole, or ask the person who gave it to you for a new one.",
        )
    study = store.study(session, participant.study_id)
    if participant.link_revoked_at is not None:
        raise Problem(410, "revoked", "This link no longer works. Ask the person who gave it to you for a new one.")
    if participant.state == "finished":
        raise Problem(410, "finished", "You have finished this study, so the link has done its work.")
    if participant.state == "withdrawn":
        raise Problem(410, "withdrawn", "You have stopped taking part in this study, so its link no longer works.")
    if study.state != "open":
        sentence = "is closed" if study.state == "closed" else "has not begun yet"
        raise Problem(409, "not-open", f"This study {sentence}. Ask the person who gave you the link.")
    return study, participant


def begin(session: Session, token: str, tab: str) -> tuple[Participant, str]:
    """Use the link: the first time the participant joins and gets a cell, later they come back. Gives the token of a
    session, which takes the place of any other browser's. Raises Problem as `linked`."""
    study, participant = linked(session, token)
    study = store.hold_study(session, study.id)
    participant = store.hold_participant(session, participant.id)
    if participant.writer_id is None:
        writer, cookie = writing.new_writer(session)
        participant.writer_id = writer.id
        _join(session, study, participant)
    else:
        cookie = security.new_token()
        session.get_one(Writer, participant.writer_id).token_hash = security.token_hash(cookie)
        events.note(session, participant, events.ParticipantReturned(by="link"))
    participant.holder, participant.seen_at = tab, now()
    session.flush()
    return participant, cookie


def _join(session: Session, study: Study, participant: Participant) -> None:
    protocol = protocol_of(study)
    cells = protocol.cells
    replaced = session.get(Participant, participant.replaces) if participant.replaces else None
    if replaced is not None and replaced.cell is not None:
        cell = next(c for c in cells if c.number == replaced.cell)
    else:
        cell = design.allot(cells, store.taken(session, study.id, participant.kind), protocol.seed)
    arms = [{"condition": arm.condition, "topic": arm.topic} for arm in cell.arms]
    participant.cell, participant.arms, participant.number = cell.number, arms, 0
    participant.state, participant.joined_at = "active", now()
    session.flush()
    stamp = Stamp(participant_id=participant.id)
    events.note(
        session, participant, events.ParticipantJoined(code=participant.code, cell=cell.number, arms=arms), stamp
    )
    _enter(session, protocol, participant, protocol.way(arms)[0])


# ── entering and leaving ───────────────────────────────────────────────────────────────────────────────────────────


def _enter(
    session: Session, protocol: Protocol, participant: Participant, place: Place, load: str | None = None
) -> None:
    """Put the participant at a step: its time begins, and the desk has what the condition has."""
    step = protocol.step(place.step)
    stay = Progress(
        participant_id=participant.id,
        number=place.number,
        attempt=store.attempts(session, participant.id, place.number) + 1,
        step=place.step,
        kind=place.kind,
        period=place.period,
        condition=place.condition,
        topic=place.topic,
        seconds=round(step.minutes * 60) if step.minutes is not None else None,
        warned=False,
        load=load,
        blocked=False,
        entered_at=now(),
    )
    participant.number = place.number
    session.add(stay)
    session.flush()
    writer = session.get_one(Writer, participant.writer_id)
    stamp = Stamp(participant_id=participant.id, condition=place.condition, topic=place.topic, step=place.step)
    setting = Setting(stamp=stamp)
    if place.condition is not None:
        setting = Setting(stamp=stamp, switches=protocol.condition(place.condition).switches)
    writer.setting = setting.model_dump()
    session.flush()
    entered = events.StepEntered(
        number=place.number, kind=place.kind, period=place.period, attempt=stay.attempt, seconds=stay.seconds
    )
    events.note(session, participant, entered)
    if place.kind in ("practice", "task"):
        assert place.topic is not None
        draft = _seed(session, writer, setting, protocol.topic(place.topic))
        stay.draft_id = draft.id
        clocks.tell_desk(session, participant, stay, hard_stop=step.hard_stop)


def _seed(session: Session, writer: Writer, setting: Setting, topic: Topic) -> Draft:
    """The topic's draft with its sources and target. What it begins with is nothing that could be undone."""
    view = writing.create_draft(session, writer.id, wv.NewDraft(title=topic.title, text=topic.draft))
    draft = session.get_one(Draft, view.id)
    draft.stamp = setting.stamp.model_dump()
    writer.setting = setting.model_copy(update={"draft_id": draft.id}).model_dump()
    session.flush()
    for source in topic.sources:
        sources.add(session, writer.id, draft.id, wv.NewSource(title=source.title, text=source.text))
    if topic.target is not None and setting.switches.canvas:
        target = topic.target
        wanted = wv.NewGoal(audience=target.audience, engagement=target.engagement, exposition=target.exposition)
        goals.set_goal(session, writer.id, draft.id, wanted)
    session.flush()
    session.execute(delete(DraftStep).where(DraftStep.draft_id == draft.id))
    return draft


def leave(session: Session, participant: Participant, stay: Progress, outcome: str) -> None:
    """The stay is over; a pause ends with it."""
    for pause in store.pauses(session, stay.id):
        pause.ended_at = pause.ended_at or now()
    stay.left_at, stay.outcome = now(), outcome
    session.flush()
    spent = clocks.spent(stay, store.pauses(session, stay.id))
    events.note(session, participant, events.StepLeft(number=stay.number, outcome=outcome, spent_ms=int(spent * 1000)))


def _clear_desk(session: Session, participant: Participant) -> None:
    """Nothing may be written any more."""
    writer = session.get_one(Writer, participant.writer_id)
    writer.setting = Setting(stamp=Stamp(participant_id=participant.id)).model_dump()
    session.flush()


# ── where they are ─────────────────────────────────────────────────────────────────────────────────────────────────


def at(session: Session, participant: Participant) -> Here | None:
    """None before the beginning and after the end."""
    study = store.study(session, participant.study_id)
    stay = store.stay(session, participant)
    if participant.state != "active" or stay is None:
        return None
    protocol = protocol_of(study)
    way = protocol.way(participant.arms)
    clock = clocks.read(stay, store.pauses(session, stay.id), protocol.step(stay.step))
    return Here(study, protocol, participant, way[participant.number], stay, clock, len(way))


def state(session: Session, participant: Participant, page: v.Page) -> v.StateView:
    here = at(session, participant)
    study = here.study if here else store.study(session, participant.study_id)
    if here is None:
        return v.StateView(
            state=participant.state,
            number=participant.number,
            of=participant.number + 1,
            place=participant.state,
            step="",
            kind="",
            period=None,
            periods=len(participant.arms),
            clock=None,
            blocked=False,
            elsewhere=participant.holder != page.tab,
            study_open=study.state == "open",
        )
    clock = here.clock
    return v.StateView(
        state=participant.state,
        number=here.place.number,
        of=here.steps,
        place=here.stay.id,
        step=here.place.step,
        kind=here.place.kind,
        period=here.place.period,
        periods=len(participant.arms),
        clock=v.ClockView(
            spent=clock.spent, left=clock.left, warn=clock.warn, hard_stop=clock.hard_stop, paused=clock.paused
        ),
        blocked=here.stay.blocked,
        elsewhere=participant.holder != page.tab or here.stay.load not in (None, page.load),
        study_open=study.state == "open",
    )


def arrive(session: Session, writer_id: str, page: v.Here) -> v.StateView:
    """A document was opened. Another tab that acts goes on acting unless this one takes over; a step that was opened
    before goes on, begins again or is blocked, as its policy says. Raises Problem 404."""
    participant = store.hold_participant_of(session, writer_id)
    participant.seen_at = now()
    here = at(session, participant)
    if participant.holder != page.tab:
        if participant.holder is not None and not page.take:
            return state(session, participant, page)
        if participant.holder is not None and here is not None:
            events.note(session, participant, events.ParticipantReturned(by="window"))
        participant.holder = page.tab
        session.flush()
    if here is None or here.study.state != "open" or page.number != here.place.number:
        return state(session, participant, page)
    stay, policy = here.stay, here.protocol.step(here.stay.step).policy
    if stay.load is None:
        stay.load = page.load
    elif stay.load != page.load:
        if policy == "restart":
            leave(session, participant, stay, "restarted")
            _enter(session, here.protocol, participant, here.place)
        elif policy == "block":
            stay.blocked = True
        stay.load = page.load
    session.flush()
    return state(session, participant, page)


def look(session: Session, writer_id: str, page: v.Told) -> v.StateView:
    """How things stand; called every few seconds. Raises Problem 404."""
    participant = store.hold_participant_of(session, writer_id)
    participant.seen_at = now()
    _count(participant, page.recorders)
    here = at(session, participant)
    if here is not None and here.clock.warn and not here.stay.warned:
        here.stay.warned = True
        events.note(session, participant, events.StepWarned(number=here.place.number))
    session.flush()
    return state(session, participant, page)


def _count(participant: Participant, recorders: Mapping[str, int]) -> None:
    told = {key: max(count, participant.recorders.get(key, 0)) for key, count in recorders.items()}
    if any(participant.recorders.get(key) != count for key, count in told.items()):
        participant.recorders = {**participant.recorders, **told}


def _acting(session: Session, writer_id: str, page: v.Page) -> Here:
    """The step that this page shows and may act on. Raises Problem 404, 409."""
    participant = store.hold_participant_of(session, writer_id)
    here = at(session, participant)
    if here is None:
        raise Problem(409, "over", "Your part in this study is over.")
    if here.study.state != "open":
        raise Problem(409, "not-open", "This study is closed. What you did is kept; ask the person who runs it.")
    if page.number < here.place.number:
        raise Problem(409, "past", "That step is done and can’t be changed any more. The study goes on where you were.")
    if page.number > here.place.number:
        raise Problem(409, "ahead", "That step has not come yet. The study goes on where you were.")
    if participant.holder != page.tab or here.stay.load not in (None, page.load):
        raise Problem(409, "elsewhere", "The study goes on in another window. Go on there, or take over here.")
    if here.stay.blocked:
        raise Problem(409, "blocked", "This step can’t be gone on with by itself. Ask the person who runs the study.")
    if here.clock.paused is not None:
        raise Problem(409, "paused", "The study is paused. It goes on when the person who runs it says so.")
    participant.seen_at = now()
    return here


# ── consent and answers ────────────────────────────────────────────────────────────────────────────────────────────


def consent(session: Session, writer_id: str, given: v.ConsentIn) -> v.StateView:
    """Kept with the text that was shown. Without it the participant's part is over. Raises Problem 409, 422."""
    here = _acting(session, writer_id, given)
    text = here.protocol.consent
    if here.place.kind != "consent":
        raise Problem(409, "past", "Consent was asked for at the beginning. The study goes on where you were.")
    if given.version != text.version:
        raise Problem(409, "other-text", "The consent text was changed meanwhile. Reload the page and read it again.")
    participant = here.participant
    session.add(Consent(participant_id=participant.id, version=text.version, text=text.text, agreed=given.agreed))
    session.flush()
    noted = events.ConsentGiven(version=text.version, text_sha256=sha256(text.text), agreed=given.agreed)
    events.note(session, participant, noted)
    if not given.agreed:
        _end(session, here)
    return state(session, participant, given)


def instruments(here: Here) -> list[Instrument]:
    """What the step asks."""
    if here.place.kind == "interview":
        return [INTERVIEW]
    return here.protocol.asked(here.protocol.step(here.place.step), here.place.condition)


def items(here: Here, instrument: Instrument) -> tuple[Item, ...]:
    """In this participant's order, the same after a reload."""
    return instrument.ordered(here.protocol.seed, here.participant.code, here.place.number)


def answer(session: Session, writer_id: str, given: v.AnswersIn) -> v.Stored:
    """Keep answers, all or none; one that is as before makes no revision. Raises Problem 409, 422 bad-answer."""
    here = _acting(session, writer_id, given)
    asked = {instrument.id: instrument for instrument in instruments(here)}
    known = store.answers(session, here.stay.id)
    conditions = tuple(arm["condition"] for arm in here.participant.arms)
    stored, wrong = [], []
    for one in given.answers:
        instrument = asked.get(one.instrument)
        item = instrument.item(one.item) if instrument else None
        if instrument is None or item is None:
            raise Problem(422, "no-item", f"There is no question “{one.item}” at this step. Reload the page.")
        try:
            value = None if one.value is None else questionnaires.checked(item, one.value, conditions)
        except ValueError as error:
            wrong.append({"instrument": one.instrument, "item": one.item, "problem": str(error)})
            continue
        before = known.get((instrument.id, item.id))
        if before is None or before.value != value:
            revision = before.revision + 1 if before else 1
            kept = Answer(
                participant_id=here.participant.id,
                progress_id=here.stay.id,
                instrument=instrument.id,
                instrument_version=instrument.version,
                item=item.id,
                value=value,
                revision=revision,
            )
            session.add(kept)
            known[instrument.id, item.id] = kept
            noted = events.AnswerGiven(
                instrument=instrument.id, version=instrument.version, item=item.id, value=value, revision=revision
            )
            events.note(session, here.participant, noted)
        stored.append(v.AnswerIn(instrument=instrument.id, item=item.id, value=value))
    if wrong:
        raise Problem(422, "bad-answer", wrong[0]["problem"], wrong=wrong)
    session.flush()
    return v.Stored(stored=stored)


def missing(session: Session, here: Here) -> list[dict[str, str]]:
    """Required items without an answer, in the order shown."""
    given = store.answers(session, here.stay.id)
    found = []
    for instrument in instruments(here):
        for item in items(here, instrument):
            kept = given.get((instrument.id, item.id))
            if item.required and (kept is None or questionnaires.is_blank(kept.value)):
                found.append({"instrument": instrument.id, "item": item.id, "problem": "Please answer this one, too."})
    return found


# ── on and on ──────────────────────────────────────────────────────────────────────────────────────────────────────


def advance(session: Session, writer_id: str, page: v.Advance) -> v.StateView:
    """The step is done, on to the next. Raises Problem 409 (past, ahead, elsewhere, not-yet), 422 unanswered."""
    here = _acting(session, writer_id, page)
    participant, clock = here.participant, here.clock
    _count(participant, page.recorders)
    over = clock.left is not None and clock.left <= TIME_UP_GRACE and clock.hard_stop
    if page.time_up and not over:
        raise Problem(409, "not-yet", "There is still time for this step.", left=clock.left)
    if here.place.kind == "consent":
        given = store.consented(session, participant.id)
        if given is None or not given.agreed:
            raise Problem(409, "no-consent", "Say first whether you agree.")
    if here.place.kind == "debrief":
        raise Problem(409, "last", "This is the last page.")
    unanswered = [] if over else missing(session, here)
    if unanswered:
        left = len(unanswered)
        sentence = "One question is still open." if left == 1 else f"{left} questions are still open."
        raise Problem(422, "unanswered", sentence, wrong=unanswered)
    leave(session, participant, here.stay, "time-up" if page.time_up else "done")
    _enter(session, here.protocol, participant, here.protocol.way(participant.arms)[here.place.number + 1])
    return state(session, participant, page)


def finish(session: Session, writer_id: str, page: v.Told) -> v.Finished:
    """The completion code, once everything that the browser numbered is in the log. Raises Problem 409 events-missing
    (`missing` says how many)."""
    participant = store.hold_participant_of(session, writer_id)
    if participant.state == "finished":
        assert participant.completion_code is not None
        return v.Finished(code=participant.completion_code)
    here = _acting(session, writer_id, page)
    if here.place.kind != "debrief":
        raise Problem(409, "ahead", "The study is not at its end yet. It goes on where you were.")
    _count(participant, page.recorders)
    session.flush()
    stored = store.stored(session, participant.recorders)
    lacking = sum(max(0, count - stored.get(recorder, 0)) for recorder, count in participant.recorders.items())
    if lacking:
        raise Problem(
            409,
            "events-missing",
            f"{lacking:,} of your actions are still on their way to the server. Keep this page open.",
            missing=lacking,
            headers={"Retry-After": "2"},
        )
    return v.Finished(code=_finish(session, here, "done"))


def release(session: Session, participant_id: str) -> str:
    """A facilitator gives the completion code though events are missing, as when a browser broke. Raises Problem 404,
    409 where the participant is not at the end."""
    participant = store.hold_participant(session, participant_id)
    here = at(session, participant)
    if here is None or here.place.kind != "debrief":
        raise Problem(409, "not-at-end", f"{participant.code} is not at the last page.")
    return _finish(session, here, "moved")


def _finish(session: Session, here: Here, outcome: str) -> str:
    participant = here.participant
    count = sum(participant.recorders.values())
    events.note(session, participant, events.ParticipantFinished(events=count))
    leave(session, participant, here.stay, outcome)
    participant.state, participant.finished_at = "finished", now()
    participant.completion_code = erase.code()
    _clear_desk(session, participant)
    return participant.completion_code


def move_on(session: Session, participant_id: str) -> Participant:
    """A facilitator takes a participant past a step they can't end. Raises Problem 404, 409."""
    participant = store.hold_participant(session, participant_id)
    here = at(session, participant)
    if here is None or here.place.kind in ("consent", "debrief"):
        raise Problem(409, "not-there", f"{participant.code} is at no step that can be passed over.")
    leave(session, participant, here.stay, "moved")
    _enter(session, here.protocol, participant, here.protocol.way(participant.arms)[here.place.number + 1])
    return participant


# ── stopping ───────────────────────────────────────────────────────────────────────────────────────────────────────


def withdraw(session: Session, writer_id: str, *, keep: bool) -> Receipt:
    """A participant stops taking part. What was kept so far stays, marked as withdrawn, or is erased. Raises Problem
    404, 409."""
    participant = store.hold_participant_of(session, writer_id)
    here = at(session, participant)
    if here is None:
        raise Problem(409, "over", "Your part in this study is over already.")
    if not keep:
        return erase.erase(session, participant, "withdrawn-erase")
    receipt = Receipt(study_id=participant.study_id, code=erase.code(), kind="withdrawn-keep", counts={})
    session.add(receipt)
    _end(session, here)
    return receipt


def _end(session: Session, here: Here) -> None:
    events.note(session, here.participant, events.ParticipantWithdrew())
    leave(session, here.participant, here.stay, "withdrawn")
    here.participant.state = "withdrawn"
    _clear_desk(session, here.participant)
