"""What a facilitator does with studies and participants. Each function is one transaction's work and raises Problem
when it refuses. What a participant does is in flow.py, erasing in erase.py."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

import app
from app.db.base import now
from app.study import clocks, events, store
from app.study.models import Note, Participant, Pause, Progress, Study
from app.study.protocol import Mistake, Protocol, parse, sha256
from app.study.types import Frozen, Kind
from app.web import security
from app.web.errors import Problem
from app.writing import candidates, join, questions, strategies
from app.writing.models import Writer
from app.writing.studio import Studio

MOST_AT_ONCE = 1_000
LONGEST_REASON = 2_000
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_PROMPTS = (strategies.DEFAULT, questions.DEFAULT, *(Path(str(m.__file__)) for m in (candidates, join, questions)))
"""What prompts are made from: the two data files, and the code that puts them together."""


# ── studies ────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(session: Session, protocol_yaml: str, facilitator_id: str | None = None) -> Study:
    """A study in state draft. Raises Problem 422 bad-protocol (its detail names the line; `line` is beside it) and 409
    name-taken."""
    protocol = _parsed(protocol_yaml)
    _refuse_taken(session, protocol.name, None)
    study = Study(
        name=protocol.name, title=protocol.title, protocol=protocol_yaml, created_by=facilitator_id, state="draft"
    )
    session.add(study)
    session.flush()
    return study


def change_protocol(session: Session, study_id: str, protocol_yaml: str) -> Study:
    """Only while nobody has joined and the study is a draft. Raises Problem 404, 409 frozen, 422 bad-protocol."""
    study = store.hold_study(session, study_id)
    if study.state != "draft":
        raise Problem(
            409,
            "frozen",
            "This study was opened, so its protocol is frozen. Make a new study from the protocol and change that.",
        )
    protocol = _parsed(protocol_yaml)
    _refuse_taken(session, protocol.name, study.id)
    study.name, study.title, study.protocol = protocol.name, protocol.title, protocol_yaml
    session.flush()
    return study


def _parsed(protocol_yaml: str) -> Protocol:
    try:
        return parse(protocol_yaml)
    except Mistake as mistake:
        raise Problem(422, "bad-protocol", str(mistake), line=mistake.line) from mistake


def _refuse_taken(session: Session, name: str, study_id: str | None) -> None:
    other = store.study_named(session, name)
    if other is not None and other.id != study_id:
        raise Problem(409, "name-taken", f"There is a study named “{name}” already. Give this one another `name`.")


def protocol_of(study: Study) -> Protocol:
    """The frozen one when the study was opened, else what the YAML says."""
    if study.frozen is not None:
        return _frozen_protocol(study.id, study.frozen)
    return parse(study.protocol)


_known: dict[tuple[str, str], Protocol] = {}


def _frozen_protocol(study_id: str, frozen: dict[str, Any]) -> Protocol:
    """Checked once: it never changes, and every step of every participant asks for it."""
    key = (study_id, frozen["protocol_sha256"])
    if key not in _known:
        if len(_known) > 50:
            _known.clear()
        _known[key] = Protocol.model_validate(frozen["protocol"])
    return _known[key]


@lru_cache(maxsize=1)
def _hashes() -> tuple[str, str]:
    digest = hashlib.sha256()
    for path in _PROMPTS:
        digest.update(path.read_bytes() + b"\0")
    return hashlib.sha256(strategies.DEFAULT.read_bytes()).hexdigest(), digest.hexdigest()


def freeze(studio: Studio, protocol_yaml: str) -> Frozen:
    """What the study would be run with now. Raises Problem 503 while the model or the scorer is not ready, and 409
    responses where the protocol asks for a model and a recording answers, or the other way round."""
    protocol, info, scorer = _parsed(protocol_yaml), studio.info, studio.scorer
    if (info.kind == "recorded") != (protocol.responses == "recorded"):
        found = "this server gives recorded ones" if info.kind == "recorded" else "this server's come from a model"
        mend = "without" if info.kind == "recorded" else "with"
        raise Problem(
            409,
            "responses",
            f"The protocol says responses are {protocol.responses}, and {found}. Write `responses: "
            f"{'recorded' if info.kind == 'recorded' else 'live'}`, or start the server {mend} SPATIAL_MODEL=recorded.",
        )
    used = sorted({i for step in protocol.flow.steps for i in step.instruments})
    # Instruments of the app's are written down with the study's own: a later release may change them.
    whole = protocol.model_copy(update={"instruments": tuple(protocol.instrument(i) for i in used)})
    strategies_sha256, prompts_sha256 = _hashes()
    return Frozen(
        protocol=whole.model_dump(mode="json", by_alias=True),
        protocol_sha256=sha256(protocol_yaml),
        app_version=app.__version__,
        model_id=info.model_id,
        model_sha256=info.sha256,
        backend=info.kind,
        device=info.device,
        dtype=info.dtype,
        tuned_id=info.tuned_id,
        strategies_sha256=strategies_sha256,
        prompts_sha256=prompts_sha256,
        scorer_id=scorer.scorer_id,
        responses=protocol.responses,
        opened_at=now().isoformat(timespec="seconds"),
    )


_HELD_FAST = {
    "model_id": "the model",
    "tuned_id": "the tuned layer",
    "strategies_sha256": "the strategies",
    "prompts_sha256": "the prompts",
    "scorer_id": "the scorer",
}


def changed(then: Frozen, today: Frozen) -> list[str]:
    """What a study would be run with that is not as it was frozen."""
    return [name for field, name in _HELD_FAST.items() if getattr(then, field) != getattr(today, field)]


def open_study(session: Session, study_id: str, frozen: Frozen) -> Study:
    """From now on participants may join. An open one stays as it is; a closed one opens again with what was frozen
    first, and is refused (409 changed) when model, prompts, strategies or scorer are others than then."""
    study = store.hold_study(session, study_id)
    if study.frozen is None:
        if frozen.protocol_sha256 != sha256(study.protocol):
            raise Problem(409, "changed", "The protocol was changed meanwhile. Look at it, then open the study again.")
        study.frozen, study.opened_at = frozen.model_dump(mode="json"), now()
    elif study.state == "closed":
        other = changed(Frozen.model_validate(study.frozen), frozen)
        if other:
            raise Problem(
                409,
                "changed",
                f"This study began with other settings: {', '.join(other)} would not be the same. Start the server as "
                "it was then, or make a new study.",
            )
    study.state, study.closed_at = "open", None
    session.flush()
    return study


def holds_the_layer(session: Session) -> str | None:
    """Why nobody may change now which layer writes: what an open study is run with was frozen."""
    study = store.open_study(session)
    return (
        f"The study “{study.name}” is open, and its participants write with this layer. Close it first."
        if study
        else None
    )


def close_study(session: Session, study_id: str) -> Study:
    """Nobody may join or go on; what was written stays."""
    study = store.hold_study(session, study_id)
    if study.state == "draft":
        raise Problem(409, "not-open", "This study was never opened, so there is nothing to close.")
    study.state, study.closed_at = "closed", study.closed_at or now()
    session.flush()
    return study


# ── participants ───────────────────────────────────────────────────────────────────────────────────────────────────


def add_participants(
    session: Session,
    study_id: str,
    codes: Sequence[str | None],
    *,
    kind: Kind = "person",
    replaces: str | None = None,
) -> list[tuple[Participant, str]]:
    """New participants with the tokens of their links (the address is /s/TOKEN). A code of None becomes P01, P02 …

    `replaces` is the id of a participant whose cell the new one is to take. Raises Problem 404, 409 code-taken, 422.
    """
    study = store.hold_study(session, study_id)
    if not 1 <= len(codes) <= MOST_AT_ONCE:
        raise Problem(422, "how-many", f"Add between 1 and {MOST_AT_ONCE:,} participants at once.")
    if replaces is not None:
        dropped = session.get(Participant, replaces)
        if dropped is None or dropped.study_id != study_id or dropped.cell is None:
            raise Problem(404, "no-participant", "The participant to be replaced is not there, or never had a cell.")
    known = store.codes(session, study_id)
    made = []
    for wanted in codes:
        code = wanted.strip() if wanted is not None else _next_code(study, known, kind)
        if not _CODE.fullmatch(code):
            raise Problem(
                422,
                "bad-code",
                f"“{code}” can't be a code. Use up to 40 letters, digits, hyphens and underscores, and no name.",
            )
        if code in known:
            raise Problem(409, "code-taken", f"There is a participant {code} already. Give each a code of their own.")
        known.add(code)
        token = security.new_token()
        participant = Participant(
            study_id=study_id,
            code=code,
            kind=kind,
            link_hash=security.token_hash(token),
            state="invited",
            arms=[],
            number=0,
            recorders={},
            excluded=False,
            replaces=replaces,
        )
        session.add(participant)
        made.append((participant, token))
    session.flush()
    return made


def _next_code(study: Study, known: set[str], kind: Kind) -> str:
    prefix = {"person": "P", "dry-run": "D", "simulated": "S"}[kind]
    while True:
        study.people += 1
        code = f"{prefix}{study.people:02d}"
        if code not in known:
            return code


def new_link(session: Session, participant_id: str) -> tuple[Participant, str]:
    """Another link in place of the one before, which no longer works; what was written stays."""
    participant = store.hold_participant(session, participant_id)
    token = security.new_token()
    participant.link_hash, participant.link_revoked_at = security.token_hash(token), None
    session.flush()
    return participant, token


def revoke_link(session: Session, participant_id: str) -> Participant:
    """The link no longer works, and the browser that came by it is signed out."""
    participant = store.hold_participant(session, participant_id)
    participant.link_revoked_at = participant.link_revoked_at or now()
    if participant.writer_id is not None:
        _sign_out(session, participant.writer_id)
    session.flush()
    return participant


def _sign_out(session: Session, writer_id: str) -> None:
    """No browser knows this token."""
    session.get_one(Writer, writer_id).token_hash = security.token_hash(security.new_token())


def pause(session: Session, participant_id: str, reason: str, by: str) -> Pause:
    """Stop the clock of the step the participant is at, and the desk with it. Raises Problem 404, 409, 422."""
    participant, stay = _at_a_step(session, participant_id)
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Problem(422, "no-reason", f"Say why, in at most {LONGEST_REASON:,} characters.")
    if any(pause.ended_at is None for pause in store.pauses(session, stay.id)):
        raise Problem(409, "paused", f"{participant.code} is paused already.")
    made = Pause(progress_id=stay.id, reason=reason, by=by, started_at=now())
    session.add(made)
    session.flush()
    events.note(session, participant, events.StepPaused(reason=reason, by=by))
    clocks.tell_desk(session, participant, stay)
    return made


def resume(session: Session, participant_id: str) -> Pause:
    """The clock runs again. Raises Problem 404, 409 not-paused."""
    participant, stay = _at_a_step(session, participant_id)
    open_pause = next((pause for pause in store.pauses(session, stay.id) if pause.ended_at is None), None)
    if open_pause is None:
        raise Problem(409, "not-paused", f"{participant.code} is not paused.")
    open_pause.ended_at = now()
    session.flush()
    lasted = int((open_pause.ended_at - open_pause.started_at).total_seconds() * 1000)
    events.note(session, participant, events.StepResumed(paused_ms=lasted))
    clocks.tell_desk(session, participant, stay)
    return open_pause


def unblock(session: Session, participant_id: str) -> Participant:
    """Let a participant go on whom a reload of a step with policy block has stopped. Raises Problem 404, 409."""
    participant, stay = _at_a_step(session, participant_id)
    if not stay.blocked:
        raise Problem(409, "not-blocked", f"{participant.code} is not blocked.")
    stay.blocked, stay.load = False, None
    session.flush()
    events.note(session, participant, events.StepUnblocked())
    return participant


def _at_a_step(session: Session, participant_id: str) -> tuple[Participant, Progress]:
    participant = store.hold_participant(session, participant_id)
    stay = store.stay(session, participant)
    if participant.state != "active" or stay is None:
        raise Problem(409, "not-active", f"{participant.code} is at no step now.")
    return participant, stay


def write_note(
    session: Session, study_id: str, text: str, *, participant_id: str | None = None, facilitator_id: str | None = None
) -> Note:
    """Stamped with time and, for a participant, the step they are at. Raises Problem 404, 422."""
    store.study(session, study_id)
    text, step = text.strip(), None
    if not text or len(text) > 20_000:
        raise Problem(422, "no-text", "Write the note, in at most 20,000 characters.")
    if participant_id is not None:
        participant = store.hold_participant(session, participant_id)
        if participant.study_id != study_id:
            raise Problem(404, "no-participant", store.UNKNOWN_PARTICIPANT)
        stay = store.stay(session, participant)
        step = stay.step if stay else None
    made = Note(study_id=study_id, participant_id=participant_id, facilitator_id=facilitator_id, step=step, text=text)
    session.add(made)
    session.flush()
    return made


def exclude(session: Session, participant_id: str, *, excluded: bool, why: str | None = None) -> Participant:
    """From the analysis and from the counts of the cells. Raises Problem 404, and 422 without a reason."""
    participant = store.hold_participant(session, participant_id)
    why = (why or "").strip() or None
    if excluded and why is None:
        raise Problem(422, "no-reason", "Say why this participant is excluded; it stands in the export.")
    participant.excluded, participant.excluded_why = excluded, why if excluded else None
    session.flush()
    if participant.writer_id is not None:
        events.note(session, participant, events.ParticipantExcluded(excluded=excluded, why=why))
    return participant


def taken(session: Session, study_id: str, kind: Kind = "person") -> dict[int, int]:
    """How many participants of a kind hold each cell: those who joined, but for excluded and withdrawn ones."""
    return store.taken(session, study_id, kind)
