"""One number of one participant in one period, as analysis and export take it; and those that questionnaires give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from app.study import records, scoring
from app.study.flow import INTERVIEW
from app.study.protocol import Protocol
from app.study.questionnaires import Instrument
from app.study.scoring import Unscorable


@dataclass(frozen=True)
class Value:
    """`measure` is the id of a measure of the log (measures.py), or an instrument's id and a scale's, a dot between.
    `why` says why it is empty. Outside of the periods `period`, `condition` and `topic` are None."""

    participant: str
    cell: int | None
    period: int | None
    condition: str | None
    topic: str | None
    measure: str
    value: float | None
    why: str = ""


def scores(session: Session, study_id: str, protocol: Protocol) -> Iterator[Value]:
    """The scores of every questionnaire that was filled in, or begun; of a step begun again, those of the last attempt.

    A questionnaire that can't be scored, because an answer is missing, gives its scales without a value.
    """
    filled = groupby(
        records.answers(session, study_id), key=lambda row: (row[0].id, row[1].number)
    )  # of one participant at one step, all attempts
    for _, rows in filled:
        last: list[Any] = list(rows)
        attempt = max(progress.attempt for _, progress, _ in last)
        given: dict[str, dict[str, Any]] = {}
        for _, progress, answer in last:
            if progress.attempt == attempt:
                given.setdefault(answer.instrument, {})[answer.item] = answer.value
        participant, progress, _ = last[-1]
        for instrument_id, answers in given.items():
            if instrument_id == INTERVIEW.id:  # the protocol asks for it by a step, not by its id
                continue
            instrument = protocol.instrument(instrument_id)
            for scale, (value, why) in scored(instrument, answers).items():
                yield Value(
                    participant.code, participant.cell, progress.period, progress.condition, progress.topic,
                    f"{instrument.id}.{scale}", value, why,
                )  # fmt: skip


def scored(instrument: Instrument, answers: dict[str, Any]) -> dict[str, tuple[float | None, str]]:
    """By scale the score and an empty text, or None and why there is none."""
    try:
        return {scale: (score, "") for scale, score in scoring.score(instrument, answers).items()}
    except Unscorable as error:
        return dict.fromkeys(scoring.scales(instrument), (None, str(error)))
