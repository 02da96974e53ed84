"""A study's protocol: one YAML file that says all of it. A mistake in it is told with its line and what to write."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from yaml.constructor import SafeConstructor

from app.study import design, questionnaires, scoring
from app.study.questionnaires import Instrument, Slug
from app.study.types import Cell, Place, Policy, StepKind
from app.writing.setting import Switches

TEMPLATES = Path(__file__).with_name("templates")
FORMAT = "spatialbalancing-study/1"
MOST_CHARS = 2_000_000
DEEPEST = 20
_STRING = "tag:yaml.org,2002:str"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class Mistake(ValueError):
    """What is wrong with a protocol. `line` is from 1; `what` says what to write instead."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(f"Line {line}: {what}" if line else what)
        self.line, self.what = line, what


class _Frozen(BaseModel):
    # What is frozen is JSON, which has neither infinity nor NaN.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ConsentText(_Frozen):
    """What a participant agrees to, as Markdown-free text with blank lines between paragraphs. `keystrokes` must be
    said: the text has to hold the word keystroke, since they are kept."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    text: Words

    @field_validator("text")
    @classmethod
    def _tells(cls, text: str) -> str:
        if "keystroke" not in text.casefold():
            raise ValueError("the consent text has to say that keystrokes are kept; use the word “keystrokes”")
        return text


class Condition(_Frozen):
    """`base`: spatial is the whole editor, baseline the chat with a plain version list. Switches take parts away."""

    id: Slug
    name: Words
    base: Literal["spatial", "baseline"] = "spatial"
    canvas: bool = True
    labels: bool = True
    muse: bool = True
    scores: bool = True

    @model_validator(mode="before")
    @classmethod
    def _baseline_has_none(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("base") != "baseline":
            return given
        parts = ("canvas", "labels", "muse", "scores")
        if any(given.get(part) for part in parts):
            raise ValueError("a baseline has no canvas, labels, Muse or scores; leave those keys out")
        return {**given, **dict.fromkeys(parts, False)}

    @property
    def switches(self) -> Switches:
        chat = self.base == "baseline"
        return Switches(canvas=self.canvas, labels=self.labels, muse=self.muse, scores=self.scores, chat=chat)


class SourceText(_Frozen):
    """A text that facts may be taken from."""

    title: Annotated[Words, StringConstraints(max_length=200)]
    text: Words


class Target(_Frozen):
    """Where the text should land: [from, to] in points on each axis."""

    audience: Annotated[Words, StringConstraints(max_length=80)]
    engagement: tuple[float, float]
    exposition: tuple[float, float]

    @model_validator(mode="after")
    def _sides(self) -> Target:
        for name in ("engagement", "exposition"):
            low, high = getattr(self, name)
            if not -100 <= low < high <= 200 or high - low < 2:
                raise ValueError(f"{name} goes from a lower to a higher number between -100 and 200, 2 apart or more")
        return self


class Topic(_Frozen):
    """What is written about. `brief` is for whom and to what end; `draft` is the text to start from."""

    id: Slug
    title: Annotated[Words, StringConstraints(max_length=200)]
    brief: Words
    draft: Words
    sources: tuple[SourceText, ...] = Field((), max_length=20)
    target: Target | None = None


class Design(_Frozen):
    """How orders are made (app/study/design.py)."""

    order: Literal["balanced", "fixed"] = "balanced"
    topics: Literal["crossed", "fixed", "repeat"] = "crossed"


TITLES: Mapping[StepKind, str] = {
    "consent": "Before you begin",
    "form": "Some questions",
    "tutorial": "How it works",
    "practice": "Practise",
    "task": "Write",
    "break": "Take a break",
    "interview": "In your own words",
    "debrief": "Thank you",
}
"""Of steps that the protocol gives none."""


class Step(_Frozen):
    """One page of the study. `instruments` are for kind form; `text` is what a tutorial, break, interview or debrief
    says ({condition} is the condition's name).

    `minutes` starts a timer that the server keeps; `warn` is how many minutes before its end the soft warning comes;
    with `hard_stop` the step ends by itself, else only the warning stays. `policy` says what a reload, a crash or
    another browser finds: resume (as it was), restart (the step from its beginning) or block (a facilitator lets them
    go on).
    """

    id: Slug
    kind: StepKind
    title: str = ""
    text: str = ""
    instruments: tuple[Slug, ...] = ()
    minutes: float | None = Field(None, gt=0, le=600)
    warn: float = Field(2, ge=0)
    hard_stop: bool = False
    policy: Policy = "resume"

    def name(self, condition: str | None = None) -> str:
        """Its title, with the condition's name in it."""
        return (self.title or TITLES[self.kind]).replace("{condition}", condition or "")

    @model_validator(mode="after")
    def _consistent(self) -> Step:
        if (self.kind == "form") != bool(self.instruments):
            raise ValueError("a step of kind form needs `instruments`, and no other kind takes them")
        if self.hard_stop and self.minutes is None:
            raise ValueError("hard_stop needs `minutes`")
        if self.minutes is not None and self.kind in ("consent", "debrief"):
            raise ValueError(f"a step of kind {self.kind} takes no `minutes`")
        return self


class Flow(_Frozen):
    """The way through a study: `before`, then `each` once for every condition with `between` in between, then
    `after`."""

    before: tuple[Step, ...] = Field(min_length=1)
    each: tuple[Step, ...] = Field(min_length=1)
    between: tuple[Step, ...] = ()
    after: tuple[Step, ...] = Field(min_length=1)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.before + self.each + self.between + self.after


class Protocol(_Frozen):
    """A whole study."""

    format: Literal["spatialbalancing-study/1"]
    name: Slug
    title: Annotated[Words, StringConstraints(max_length=200)]
    contact: str = ""
    """Whom a participant asks."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    participants: int = Field(16, ge=1, le=10_000)
    """How many are planned."""
    responses: Literal["live", "recorded"] = "live"
    consent: ConsentText
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=8)
    topics: tuple[Topic, ...] = Field(min_length=1, max_length=24)
    practice: Topic | None = None
    design: Design = Design()
    instruments: tuple[Instrument, ...] = ()
    """The study's own; those that come with the app are known by their id."""
    flow: Flow

    @field_validator("instruments")
    @classmethod
    def _scorable(cls, instruments: tuple[Instrument, ...]) -> tuple[Instrument, ...]:
        for instrument in instruments:
            reason = scoring.misfit(instrument)
            if reason is not None:
                raise ValueError(f"instrument “{instrument.id}”: {reason}")
        return instruments

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        for what, ids in (
            ("conditions", [c.id for c in self.conditions]),
            ("topics", [t.id for t in self.every_topic]),
            ("instruments", [i.id for i in self.instruments]),
            ("steps", [s.id for s in self.flow.steps]),
        ):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"two {what} have the id “{twice[0]}”; give each its own")
        self._check_flow()
        self.cells  # noqa: B018  (raises when the design is impossible)
        return self

    def _check_flow(self) -> None:
        flow = self.flow
        kinds = [step.kind for step in flow.before]
        if kinds[0] != "consent" or sum(step.kind == "consent" for step in flow.steps) != 1:
            raise ValueError("flow: the first step of `before`, and no other, is of kind consent")
        if flow.after[-1].kind != "debrief" or sum(step.kind == "debrief" for step in flow.steps) != 1:
            raise ValueError("flow: the last step of `after`, and no other, is of kind debrief")
        if [step.kind for step in flow.each].count("task") != 1 or any(
            step.kind == "task" for step in (*flow.before, *flow.between, *flow.after)
        ):
            raise ValueError("flow: `each` has exactly one step of kind task, and no other part has one")
        if self.practice is None and any(step.kind == "practice" for step in flow.steps):
            raise ValueError("flow has a practice step, so there has to be a `practice` topic; add one beside `topics`")
        if any(step.kind == "practice" for step in (*flow.before, *flow.between, *flow.after)):
            raise ValueError("flow: a practice belongs into `each`: each condition's desk is practised before its task")
        known = {**questionnaires.built_in(), **{i.id: i for i in self.instruments}}
        for step in flow.steps:
            for instrument in step.instruments:
                if instrument not in known:
                    raise ValueError(
                        f"step “{step.id}” asks for the instrument “{instrument}”, which is not known; "
                        f"known are {', '.join(sorted(known)) or 'none'}"
                    )

    @property
    def cells(self) -> list[Cell]:
        conditions, topics = [c.id for c in self.conditions], [t.id for t in self.topics]
        return design.cells(conditions, topics, self.design.topics, self.design.order)

    def condition(self, condition_id: str) -> Condition:
        return next(c for c in self.conditions if c.id == condition_id)

    @property
    def every_topic(self) -> tuple[Topic, ...]:
        """The practice's among them."""
        return (*self.topics, *([self.practice] if self.practice else []))

    def topic(self, topic_id: str) -> Topic:
        return next(t for t in self.every_topic if t.id == topic_id)

    def step(self, step_id: str) -> Step:
        return next(s for s in self.flow.steps if s.id == step_id)

    def instrument(self, instrument_id: str) -> Instrument:
        """The study's own comes before one of the app's with the same id."""
        own = {i.id: i for i in self.instruments}
        return own[instrument_id] if instrument_id in own else questionnaires.built_in()[instrument_id]

    def suits(self, instrument: Instrument, condition_id: str) -> bool:
        """Whether the condition has what the instrument asks about."""
        return all(getattr(self.condition(condition_id), part) for part in instrument.needs)

    def asked(self, step: Step, condition_id: str | None) -> list[Instrument]:
        """The step's instruments, in a period those that suit its condition."""
        found = [self.instrument(i) for i in step.instruments]
        return [i for i in found if condition_id is None or self.suits(i, condition_id)]

    def way(self, arms: Sequence[Mapping[str, str]]) -> list[Place]:
        """All steps of a participant with these arms ({condition, topic}), in order. A practice has the practice topic;
        what is before, between and after the periods has neither condition nor topic."""
        found: list[tuple[Step, int | None, str | None, str | None]] = [(s, None, None, None) for s in self.flow.before]
        for period, arm in enumerate(arms, 1):
            if period > 1:
                found += [(s, None, None, None) for s in self.flow.between]
            for step in self.flow.each:
                practice = self.practice.id if self.practice and step.kind == "practice" else None
                found.append((step, period, arm["condition"], practice or arm["topic"]))
        found += [(s, None, None, None) for s in self.flow.after]
        return [
            Place(n, s.id, s.kind, period, condition, topic) for n, (s, period, condition, topic) in enumerate(found)
        ]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def templates() -> dict[str, str]:
    """The ready protocols as YAML, by file name without its ending."""
    return {path.stem: path.read_text("utf-8") for path in sorted(TEMPLATES.glob("*.yaml"))}


def parse(text: str) -> Protocol:
    """Raises Mistake."""
    if len(text) > MOST_CHARS:
        raise Mistake(f"The protocol has more than {MOST_CHARS:,} characters. Put long sources into the study later.")
    try:
        _look_through(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Mistake(f"This is not YAML: {error.problem}.", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise Mistake(f"This is not YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(node, yaml.MappingNode):
        raise Mistake("A protocol is a list of keys and values. Begin with a template.", 1)
    _refuse_odd(node)
    data = yaml.safe_load(text)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise Mistake(f"The first key says what the file is. Write `format: {FORMAT}`.", _line(node, ("format",)))
    try:
        return Protocol.model_validate(data)
    except ValidationError as error:
        raise _mistake(node, error) from error


def _look_through(text: str) -> None:
    """Before it is read: an alias may refer to itself or make a few lines into gigabytes, and what is nested thousands
    of times takes minutes. Raises Mistake, yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise Mistake(f"`*{event.anchor}` repeats another place. Write it out.", line)
        tag = getattr(event, "tag", None)
        if tag:
            raise Mistake(f"`{tag}` says what kind of value this is. Take it out.", line)
        if isinstance(event, yaml.ScalarEvent) and _NO_TEXT.search(event.value):
            raise Mistake("An escape here stands for a character that no text has. Take it out.", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise Mistake("No protocol is nested so deeply. Begin with a template.", line)


def _mistake(node: yaml.Node, error: ValidationError) -> Mistake:
    # A misspelt key is also a missing one: what stands there tells more than what does not.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = tuple(first["loc"])
    name = ".".join(str(part + 1) if isinstance(part, int) else part for part in where)
    kind, context = first["type"], first.get("ctx", {})
    parent = _model_at(where[:-1])
    if kind == "extra_forbidden":
        known = f" Known here are {', '.join(parent.model_fields)}." if parent else ""
        what = f"There is no key `{where[-1]}` here. Take it out, or mend its spelling.{known}"
    elif kind == "missing":
        what = f"`{name}` is missing. Add `{where[-1]}:` here."
    elif kind == "literal_error":
        what = f"`{name}` has to be {context['expected']}. Write one of these."
    elif kind == "value_error":
        sentence = str(context["error"])
        what = f"{f'In `{name}`: ' if name else ''}{sentence[0].upper() if not name else sentence[0]}{sentence[1:]}"
        what = what if what.endswith(".") else f"{what}."
    else:
        what = f"`{name}` is not as expected: {first['msg'][0].lower()}{first['msg'][1:]}."
    return Mistake(what, _line(node, _about(where, what)))


def _about(where: tuple[int | str, ...], what: str) -> tuple[int | str, ...]:
    """A rule over the whole file is about one of its parts; its sentence begins with it."""
    if where:
        return where
    lower = what.casefold()
    if lower.startswith(("flow", "step")):
        return ("flow",)
    if "topics" in lower and "conditions need" in lower:
        return ("topics",)
    found = next((p for p in ("conditions", "topics", "instruments") if lower.startswith(f"two {p}")), None)
    return (found or "flow",)


def _model_at(where: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that stands at this place of a protocol."""
    here: Any = Protocol
    for part in where:
        if isinstance(part, int):
            continue
        if not (isinstance(here, type) and issubclass(here, BaseModel)) or part not in here.model_fields:
            return None
        here = _inner(here.model_fields[part].annotation)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """The model in `tuple[X, ...]` or `X | None`."""
    for inner in getattr(annotation, "__args__", ()):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return annotation


def _line(node: yaml.Node, where: Sequence[int | str]) -> int:
    """From 1: of the key that `where` names, or of the nearest thing above it that is there."""
    line = node.start_mark.line
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == part), None)
            if pair is None:
                return line + 1
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            return line + 1
    return line + 1


def renamed(text: str, name: str) -> str:
    """The protocol under another `name`; comments and all else stay. `text` has been through `parse`."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    value = next(value for key, value in node.value if key.value == "name")
    start, end = value.start_mark.index, value.end_mark.index
    # A block scalar ends where the next key begins.
    return text[:start] + name + text[start + len(text[start:end].rstrip()) :]


def _refuse_odd(node: yaml.Node) -> None:
    """YAML lets a later key win silently, a key be a number, and a value be a date that is none."""
    if isinstance(node, yaml.MappingNode):
        seen: set[Any] = set()
        for key, value in node.value:
            if key.tag != _STRING:
                raise Mistake("A key is a single word. Write it as `key: value`.", key.start_mark.line + 1)
            if key.value in seen:
                raise Mistake(f"The key `{key.value}` stands here twice. Keep one.", key.start_mark.line + 1)
            seen.add(key.value)
            _refuse_odd(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_odd(item)
    else:
        try:
            SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise Mistake(
                "A value here can't be read as what it looks like. Put it between quotation marks.",
                node.start_mark.line + 1,
            ) from error
