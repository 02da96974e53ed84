"""What every file and column of an export is: made of the classes and tables that write them."""

from __future__ import annotations

from app.study import events as _study_events  # noqa: F401  (its kinds of events are in the codebook)
from app.study import scoring
from app.study.analysis import ROW
from app.study.flow import INTERVIEW
from app.study.measures import MEASURES
from app.study.protocol import Protocol
from app.study.questionnaires import Item
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.export import EVENT_COLUMNS, VERSION_COLUMNS, event_type

CODE = "The participant's code in this study; nothing else here names them."
CELL = "Their cell of the design, from 1."
PERIOD = "Which period, from 1; empty outside of the periods."
CONDITION = "The condition, by its id in the protocol."
TOPIC = "The topic, by its id in the protocol."
STEP = "The step, by its id in the protocol."
WHEN = "ISO 8601, UTC"

_VALUE = {
    "participant": CODE, "cell": CELL, "period": PERIOD, "condition": CONDITION, "topic": TOPIC,
    "measure": "The measure; see below.", "value": "Its value; empty where there is none.",
    "why": "Why there is none.",
}  # fmt: skip

COLUMNS: dict[str, dict[str, str]] = {
    "events.csv": {
        "participant": CODE,
        **{n: t for n, t in EVENT_COLUMNS.items() if n not in ("writer_id", "participant_id")},
        "condition": CONDITION,
        "topic": TOPIC,
        "step": STEP,
    },
    "participants.csv": {
        "participant": CODE,
        "kind": "person, dry-run or simulated.",
        "state": "invited, active, finished or withdrawn.",
        "cell": CELL,
        "arms": "Condition and topic of each period, in order (JSON).",
        "excluded": "Whether a facilitator took them out of the analysis.",
        "excluded_why": "Why.",
        "recorders": "How many events each recorder of theirs had numbered at the end (JSON).",
        "joined_at": f"When they began, {WHEN}.",
        "finished_at": f"When they came to the end, {WHEN}.",
    },
    "steps.csv": {
        "participant": CODE,
        "cell": CELL,
        "number": "The step's place on their way, from 0.",
        "attempt": "1, and one more each time the step was begun again.",
        "step": STEP,
        "kind": "consent, form, tutorial, practice, task, break, interview or debrief.",
        "period": PERIOD,
        "condition": CONDITION,
        "topic": TOPIC,
        "draft_id": "What was written in.",
        "seconds": "The step's time; empty without a timer.",
        "entered_at": f"When, {WHEN}.",
        "left_at": f"When, {WHEN}; empty while they were there.",
        "outcome": "done, time-up, restarted, withdrawn or moved (by a facilitator).",
    },
    "pauses.csv": {
        "participant": CODE,
        "step": STEP,
        "period": PERIOD,
        "reason": "Why the clock stood still.",
        "by": "Who stopped it.",
        "started_at": f"From when, {WHEN}.",
        "ended_at": f"Until when, {WHEN}.",
    },
    "consents.csv": {
        "participant": CODE,
        "version": "The consent text's version.",
        "agreed": "Whether they agreed.",
        "text": "The text they were shown, word by word.",
        "created_at": f"When, {WHEN}.",
    },
    "notes.csv": {
        "participant": "Whom the note is about; empty for a note on the study.",
        "step": STEP,
        "text": "The facilitator's note.",
        "created_at": f"When, {WHEN}.",
    },
    "drafts.csv": {
        "id": "The draft.",
        "participant": CODE,
        "condition": CONDITION,
        "topic": TOPIC,
        "step": STEP,
        "title": "Its title as stored at the end.",
        "number": "Its highest version number.",
        "deleted": "Whether it was deleted.",
    },
    "paragraphs.csv": {
        "id": "The paragraph.",
        "draft_id": "Its draft.",
        "position": "Its place among the draft's paragraphs, from 0.",
        "on_canvas": "Whether it is on the canvas.",
        "removed": "Whether it is no longer in the draft.",
        "head_version_id": "The version that is its text.",
    },
    "versions.csv": {
        "participant": CODE,
        **VERSION_COLUMNS,
        "archived": "Whether it was put away.",
    },
    "answers.csv": {
        "participant": CODE,
        "cell": CELL,
        "step": STEP,
        "attempt": "Which attempt at the step.",
        "period": PERIOD,
        "condition": CONDITION,
        "topic": TOPIC,
        "instrument": "The questionnaire's id.",
        "version": "Its version.",
        "item": "The item's id.",
        "value": "The answer as it was given, not turned round: a number, a text, or a JSON list of texts.",
        "revision": "1, and one more for each change of the answer.",
        "counts": "Whether it is the answer that counts: the last one, of the last attempt.",
        "created_at": f"When, {WHEN}.",
    },
    "scores.csv": _VALUE,
    "measures.csv": _VALUE,
    "analysis.csv": ROW,
}

FILES = {
    "events.jsonl": "The log, a JSON object a line, every text as it was.",
    "events.csv": "The same rows as a table.",
    "participants.csv": "Who took part, and in which order.",
    "steps.csv": "Every stay at a step.",
    "pauses.csv": "When the clock stood still, and why.",
    "consents.csv": "What was agreed to.",
    "notes.csv": "What the facilitators wrote down.",
    "drafts.csv": "What was written in: the drafts of tasks and practice, as stored at the end.",
    "paragraphs.csv": "Their paragraphs, as stored at the end.",
    "versions.csv": "Every version with its whole text, where it stands on the canvas, and how it was made.",
    "texts/": "The draft of each task at its end, as Markdown and as a Word document.",
    "answers.csv": "Every answer, changed ones too.",
    "scores.csv": "The questionnaires' scores.",
    "measures.csv": "What is derived from the log, for each task.",
    "analysis.csv": "The conditions compared, a row for each measure and pair of conditions.",
    "analysis.json": "The same with everything that the analysis page shows.",
    "analysis.html": "The plots; opens in a browser, and loads nothing.",
    "protocol.yaml": "The study's protocol, as it was given.",
    "frozen.json": "What the study was run with: checked protocol, model, tuned layer, hashes of strategies and "
    "prompts, scorer, and whether responses were live or recorded.",
    "codebook.md": "This text.",
    "manifest.json": "Rows, size and SHA-256 of every file, written last; `spatialbalancing study verify` checks them.",
}


def codebook(protocol: Protocol) -> str:
    """The whole text, as Markdown."""
    lines = [
        f"# Codebook of “{protocol.title}”",
        "",
        "Tables are UTF-8 with commas, times are UTC, an empty cell is no value. In the .csv files text that begins "
        "with = + - @ or their full-width forms, after white space too, a tab or a line end has an apostrophe put "
        "before it, so that no spreadsheet runs it; events.jsonl has every text as it was.",
        "",
        "## Files",
        "",
        *_table(FILES),
    ]
    for name, columns in COLUMNS.items():
        lines += [f"## Columns of {name}", "", *_table(columns)]
    lines += ["## Conditions", "", *_table({c.id: c.name for c in protocol.conditions})]
    lines += ["## Topics", "", *_table({topic.id: topic.title for topic in protocol.topics})]
    lines += ["## Measures of the log", "", "| measure | unit | how it is counted |", "|---|---|---|"]
    lines += [f"| `{m.id}` | {m.unit} | {m.name}. {_cell(m.definition)} |" for m in MEASURES]
    lines += ["", *_questionnaires(protocol), *_events()]
    return "\n".join(lines).rstrip() + "\n"


def _questionnaires(protocol: Protocol) -> list[str]:
    asked = dict.fromkeys(i for step in protocol.flow.steps for i in step.instruments)
    interviewed = any(step.kind == "interview" for step in protocol.flow.steps)
    lines = []
    for instrument in (*map(protocol.instrument, asked), *([INTERVIEW] if interviewed else [])):
        lines += [f"## Questionnaire `{instrument.id}`, version {instrument.version}", ""]
        lines += [f"{instrument.name}. {instrument.source}".strip(), ""]
        if instrument.needs:
            parts = " and ".join(instrument.needs)
            lines += [f"Asked after conditions with {parts} only, so not compared where one is without.", ""]
        lines += ["| item | text | answers |", "|---|---|---|"]
        lines += [f"| `{item.id}` | {_cell(item.text)} | {_cell(_answers(item))} |" for item in instrument.items]
        lines.append("")
        names = scoring.scales(instrument)
        if names:
            rule = " ".join((scoring.FORMULAS[instrument.scoring].score.__doc__ or "").split())
            lines += [f"Scored as {instrument.scoring}: {rule}", ""]
            lines += _table({f"{instrument.id}.{scale}": name for scale, name in names.items()})
    return lines


def _answers(item: Item) -> str:
    turned = ", reversed" if item.reversed else ""
    if item.kind in ("scale", "likert", "number"):
        ends = f" ({item.ends[0]} – {item.ends[1]})" if any(item.ends) else ""
        return f"{item.low:g} to {item.high:g}{ends}{turned}"
    if item.options:
        return ", ".join(f"{option.value}: {option.label}" for option in item.options)
    return "a condition's id" if item.kind == "condition" else "in own words"


def _events() -> list[str]:
    lines = []
    for title, classes in (("noted by the browser", CLIENT_EVENTS), ("noted by the server", server_events())):
        lines += [f"## Events {title}", ""]
        for event in classes:
            fields = {n: f.description or "" for n, f in event.model_fields.items() if n not in EVENT_COLUMNS}
            lines += [f"### `{event_type(event)}`", "", " ".join((event.__doc__ or "").split()), ""]
            lines += _table(fields) if fields else []
    return lines


def _table(rows: dict[str, str]) -> list[str]:
    return ["| name | meaning |", "|---|---|", *(f"| `{name}` | {_cell(text)} |" for name, text in rows.items()), ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
