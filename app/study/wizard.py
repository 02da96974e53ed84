"""A protocol out of a form: a ready template with what the facilitator wrote put in, as YAML.

The form holds what differs from study to study; all else (ablations step by step, own instruments, policies) is edited
in the YAML that comes out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from app.study import questionnaires
from app.study.protocol import templates

FIRST = "two-conditions"
SWITCHES = {
    "canvas": "canvas",
    "labels": "labels",
    "muse": "Muse",
    "scores": "scores as numbers",
}
BEFORE, AFTER = ("demographics",), ("preference",)
"""Instruments asked once; all others are asked in each period."""
TIMED = ("practice", "task", "break")
"""Kinds of steps that the form gives a time."""
MOST_TOPICS = 24

One = Callable[[str], str]


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Texts of several lines as they are read, not with escapes."""
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


@dataclass(frozen=True)
class Basis:
    """A template, as data."""

    name: str
    data: dict[str, Any]


def basis(name: str) -> Basis:
    """The template of that name, else FIRST."""
    known = templates()
    chosen = name if name in known else FIRST
    return Basis(chosen, yaml.safe_load(known[chosen]))


def dump(data: Mapping[str, Any]) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text


def slug(text: str, fallback: str) -> str:
    """Small letters, digits and hyphens, beginning with a letter; 40 at most."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    made = words if len(words) <= 40 else words[:41].rpartition("-")[0] or words[:40]
    return made if re.match(r"[a-z]", made) else fallback


# ── what the form shows at first ───────────────────────────────────────────────────────────────────────────────────


def fields(template: str) -> dict[str, str]:
    """The form's values that give the template back."""
    chosen = basis(template)
    data = chosen.data
    found: dict[str, str] = {
        "template": chosen.name,
        "name": "",
        "title": data["title"],
        "contact": data.get("contact", ""),
        "participants": str(data.get("participants", 16)),
        "seed": str(data.get("seed", 0)),
        "responses": data.get("responses", "live"),
        "consent-version": data["consent"]["version"],
        "consent": data["consent"]["text"].strip(),
        "topics": str(len(data["topics"])),
    }
    for i, condition in enumerate(data["conditions"]):
        key = f"c{i}"
        found |= {f"{key}-on": "1", f"{key}-id": condition["id"], f"{key}-name": condition["name"]}
        found[f"{key}-base"] = condition.get("base", "spatial")
        found |= {f"{key}-{switch}": "1" for switch in SWITCHES if condition.get(switch, True)}
    for i, topic in enumerate(data["topics"]):
        found |= _topic_fields(f"t{i}", topic)
    if data.get("practice"):
        found |= _topic_fields("p", data["practice"])
    for kind in TIMED:
        step = _step(data, kind)
        if step is not None:
            found[f"{kind}-minutes"] = str(step.get("minutes", ""))
    task = _step(data, "task") or {}
    found["warn"] = str(task.get("warn", 2))
    if task.get("hard_stop"):
        found["hard-stop"] = "1"
    found |= {f"i-{i}": "1" for step in _steps(data) for i in step.get("instruments", [])}
    return found


def _topic_fields(key: str, topic: Mapping[str, Any]) -> dict[str, str]:
    found = {f"{key}-{name}": str(topic.get(name, "")).strip() for name in ("title", "brief", "draft")}
    source: dict[str, Any] = next(iter(topic.get("sources", [])), {})
    found |= {f"{key}-source-title": source.get("title", ""), f"{key}-source": str(source.get("text", "")).strip()}
    target = topic.get("target")
    if target:
        found[f"{key}-audience"] = target["audience"]
        for axis in ("engagement", "exposition"):
            found |= {f"{key}-{axis}-{end}": str(target[axis][k]) for k, end in enumerate(("from", "to"))}
    return found


def _steps(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [step for part in data["flow"].values() for step in part]


def _step(data: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    return next((step for step in _steps(data) if step["kind"] == kind), None)


def instruments() -> list[tuple[str, str, str]]:
    """Id, name and when it is asked, of those that come with the app."""
    when = {**dict.fromkeys(BEFORE, "once, before"), **dict.fromkeys(AFTER, "once, after")}
    return [(i.id, i.name, when.get(i.id, "in each period")) for i in questionnaires.built_in().values()]


# ── what comes back ────────────────────────────────────────────────────────────────────────────────────────────────


def protocol(one: One) -> str:
    """The form as a protocol's YAML; what is wrong in it, the protocol's own check tells. `one` gives a field's value,
    empty where there is none."""
    data = basis(one("template")).data
    data["title"] = one("title").strip()
    data["name"] = one("name").strip() or slug(one("title"), "study")
    data["contact"] = one("contact").strip()
    data["seed"], data["participants"] = _number(one("seed"), 0), _number(one("participants"), 16)
    if one("responses") == "recorded":
        data["responses"] = "recorded"
    data["consent"] = {"version": one("consent-version").strip() or "1.0", "text": _lines(one("consent"))}
    data["conditions"] = [_condition(one, i, known) for i, known in enumerate(data["conditions"]) if one(f"c{i}-on")]
    count = topic_count(one("topics"))
    ids = {topic["title"]: topic["id"] for topic in (*data["topics"], data.get("practice") or {"title": "", "id": ""})}
    data["topics"] = [_topic(one, f"t{i}", f"topic-{i + 1}", ids) for i in range(count) if _is_written(one, f"t{i}")]
    if _is_written(one, "p"):
        data["practice"] = _topic(one, "p", "practice", ids)
    else:
        data.pop("practice", None)
        data["flow"]["each"] = [step for step in data["flow"]["each"] if step["kind"] != "practice"]
    if len(data["conditions"]) > len(data["topics"]):
        data.pop("design", None)  # so that the refusal says what to do, whatever the template's rule was
    _timers(data, one)
    _instruments(data, one)
    return dump({key: value for key, value in data.items() if value not in ("", None)})


def topic_count(text: str) -> int:
    """How many topics the form shows, 1 to 24; 2 where it does not say."""
    return min(MOST_TOPICS, max(1, int(text))) if re.fullmatch("[0-9]{1,4}", text) else 2


def _number(text: str, otherwise: float) -> Any:
    """What is no number stays as it was written, and is refused with its line."""
    text = text.strip()
    if not text:
        return otherwise
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def _lines(text: str) -> str:
    """White space at the ends of lines would keep YAML from showing the text as lines."""
    return "\n".join(line.rstrip() for line in text.strip().split("\n")) + ("\n" if "\n" in text.strip() else "")


def _condition(one: One, i: int, known: Mapping[str, Any]) -> dict[str, Any]:
    key = f"c{i}"
    made: dict[str, Any] = {
        "id": one(f"{key}-id").strip() or known["id"],
        "name": one(f"{key}-name").strip(),
        "base": one(f"{key}-base") or "spatial",
    }
    if made["base"] == "spatial":
        made |= {switch: False for switch in SWITCHES if not one(f"{key}-{switch}")}
    return made


def _is_written(one: One, key: str) -> bool:
    return any(one(f"{key}-{name}").strip() for name in ("title", "brief", "draft", "source"))


def _topic(one: One, key: str, fallback: str, ids: Mapping[str, str]) -> dict[str, Any]:
    title = one(f"{key}-title").strip()
    made: dict[str, Any] = {"id": ids.get(title) or slug(title, fallback)}
    made |= {name: _lines(one(f"{key}-{name}")) for name in ("title", "brief", "draft")}
    if one(f"{key}-source").strip():
        title = one(f"{key}-source-title").strip() or "Background"
        made["sources"] = [{"title": title, "text": _lines(one(f"{key}-source"))}]
    if one(f"{key}-audience").strip():
        made["target"] = {"audience": one(f"{key}-audience").strip()} | {
            axis: [_number(one(f"{key}-{axis}-{end}"), 0) for end in ("from", "to")]
            for axis in ("engagement", "exposition")
        }
    return made


def _timers(data: dict[str, Any], one: One) -> None:
    for kind in TIMED:
        step = _step(data, kind)
        if step is None:
            continue
        minutes = one(f"{kind}-minutes").strip()
        step.pop("minutes", None)
        if minutes:
            step["minutes"] = _number(minutes, 0)
    task = _step(data, "task")
    if task is not None:
        task.pop("warn", None)
        task.pop("hard_stop", None)
        if "minutes" in task:
            task["warn"] = _number(one("warn"), 2)
            if one("hard-stop"):
                task["hard_stop"] = True


def _instruments(data: dict[str, Any], one: One) -> None:
    chosen = [i for i, _, _ in instruments() if one(f"i-{i}")]
    flow = data["flow"]
    placed = {i for step in _steps(data) for i in step.get("instruments", [])}
    for part in flow.values():
        for step in list(part):
            if "instruments" in step:
                step["instruments"] = [i for i in step["instruments"] if i in chosen]
                if not step["instruments"]:
                    part.remove(step)
    for i in chosen:
        if i not in placed:
            _ask(flow, i)


def _ask(flow: dict[str, Any], instrument: str) -> None:
    """Where the template does not ask for it: with the last questions of its part."""
    part = "before" if instrument in BEFORE else "after" if instrument in AFTER else "each"
    last = next((step for step in reversed(flow[part]) if step["kind"] == "form"), None)
    if last is None:
        last = {"id": f"questions-{part}", "kind": "form", "title": "Some questions", "instruments": []}
        place = {"before": len(flow[part]), "each": len(flow[part]), "after": max(0, len(flow[part]) - 1)}[part]
        flow[part].insert(place, last)
    last["instruments"].append(instrument)
