"""Muse over seeded histories with the default model: `python -m benchmarks.muse`, the figures of docs/muse.md.

Each history is a draft of three paragraphs of benchmarks/paragraphs.jsonl in a database that is thrown away, revised
through the service's own functions: labels pressed, versions confirmed, discarded and left alone, a goal set. The
versions themselves are written by templates here, not by the model: what is measured is what Muse says about them.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from app.db import schema
from app.db.engine import Database
from app.llm.types import Prompt, Sampling
from app.settings import Settings
from app.text import sentences
from app.writing import audiences, generations, goals, muse, musing, service, store, terms
from app.writing import views as v
from app.writing.models import Version
from app.writing.revise import Candidate
from app.writing.studio import Studio
from benchmarks.machine import machine

HERE = Path(__file__).parent
SENTENCES = {
    "enhance-understanding": "By {term}, researchers mean what the measurements describe.",
    "strengthen-credibility": "The findings suggest that {term} may behave alike elsewhere.",
    "sharpen-finding": "The main result is that {term} can be measured.",
    "clarify-structure": "The question is how {term} comes about.",
    "use-analogy": "It is like a queue at a narrow door, where {term} decides who gets through.",
    "show-why": "For all of us, {term} could one day make a difference.",
    "captivate": "Picture it for a moment: {term}, up close, at work!",
    "tell-story": "For years nobody knew what to make of {term}, and then one evening it became clear.",
    "humanise": "Whoever has watched {term} for a night does not forget it.",
    "land-ending": "And so it ends where it began, with {term}.",
}


def revise(session: Session, studio: Studio, writer: str, head: Version, label: str, rng: random.Random) -> list[str]:
    """One press with two versions; now and then one loses its last sentence. Gives their ids."""
    asked = generations.ask(session, writer, studio, v.Ask(version_id=head.id, label=label, n=2))
    session.flush()
    job = generations.claim(session, writer, asked.id)
    generations.begin(session, job)
    made = []
    for index in range(2):
        parts = [s.text for s in sentences.split(job.text)]
        if len(parts) > 2 and rng.random() < 0.3:
            parts.pop()
        added = SENTENCES[label].replace("{term}", terms.key_term(job.text) or "this")
        parts.insert(rng.choice((0, len(parts))), added)
        text = " ".join(parts)
        placement = studio.scorer.score([text])[0]
        candidate = Candidate(index, text, added, placement, "template", index, (), Prompt(()), Sampling())
        made.append(generations.land(session, job, candidate, studio.info).id)
    generations.finish(session, job, made, moved=True)
    return made


def history(database: Database, studio: Studio, seed: int) -> tuple[str, str]:
    """A writer and their draft."""
    rng = random.Random(seed)
    rows = [json.loads(line) for line in (HERE / "paragraphs.jsonl").read_text("utf-8").splitlines()]
    texts = [row["text"] for row in rng.sample(rows, 3)]
    with database.write() as session:
        writer = service.new_writer(session)[0].id
        draft = service.create_draft(session, writer, v.NewDraft(title=f"History {seed}", text="\n\n".join(texts)))
        paragraphs = [p.id for p in draft.paragraphs]
        heads = service.heads(session, writer, draft.id, paragraphs)
        places = dict(zip([h.id for h in heads], studio.scorer.score([h.text for h in heads]), strict=True))
        service.place(session, writer, draft.id, places, [])
        if rng.random() < 0.6:
            audience = rng.choice(audiences.load_audiences())
            goals.set_goal(
                session,
                writer,
                draft.id,
                v.NewGoal(audience=audience.name, engagement=audience.engagement, exposition=audience.exposition),
            )
        labels = rng.sample(list(SENTENCES), rng.randint(1, 4))
        for _ in range(rng.randint(1, 5)):
            paragraph = rng.choice(paragraphs[: rng.randint(1, 3)])
            head = service.heads(session, writer, draft.id, [paragraph])[0]
            first, second = revise(session, studio, writer, head, rng.choice(labels), rng)
            fate = rng.random()
            if fate < 0.6:
                service.confirm(session, writer, first, head.id)
            elif fate < 0.75:
                service.discard(session, writer, second)
        return writer, draft.id


async def press(studio: Studio, database: Database, writer: str, draft: str) -> dict[str, Any]:
    """What one press of Muse tells, with its times in seconds."""
    began = time.perf_counter()
    run = musing.Musing(studio, database, writer, draft, musing.reflect(database, studio, writer, draft))
    standing = {card.id for card in run.reflection.standing}
    told: dict[str, Any] = {
        "asked": len(run.reflection.topics),
        "cards": [],
        "digest": [],
        "first": None,
        "error": None,
    }
    async for event in run.events():
        data: Any = event.data
        if event.event == "digest":
            told["seconds"], told["digest"] = time.perf_counter() - began, data["items"]
        elif event.event == "card" and data["card"]["id"] not in standing:
            told["first"] = told["first"] or time.perf_counter() - began
            told["cards"].append(data["card"])
        elif event.event == "error":
            told["error"] = data["problem"]["code"]
    return told | {"dropped": list(run.dropped)}


def cites_exist(database: Database, draft: str, told: dict[str, Any]) -> list[bool]:
    with database.read() as session:
        known = {x.id for x in store.versions(session, draft)}
    return [bool(c["cites"]) and set(c["cites"]) <= known for c in (*told["digest"], *told["cards"])]


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s" if values else "–"


def main(
    histories: Annotated[int, typer.Option(help="how many")] = 20,
    again: Annotated[int, typer.Option(help="every which history is answered and pressed a second time")] = 4,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/muse.sqlite3")
        schema.upgrade(database)
        studio = Studio(Settings())
        studio.start()
        while (problem := studio.problem) is not None:
            if problem.code != "model-loading":
                raise SystemExit(str(problem.detail))
            time.sleep(0.2)
        first: list[dict[str, Any]] = []
        second: list[dict[str, Any]] = []
        cites: list[bool] = []
        repeated = nevers = 0
        for seed in range(histories):
            writer, draft = history(database, studio, seed)
            told = asyncio.run(_afresh(studio, database, writer, draft))
            first.append(told)
            cites += cites_exist(database, draft, told)
            typer.echo(f"\n## History {seed} ({told['seconds']:.2f} s, first card {told['first'] or 0:.1f} s)")
            for item in told["digest"]:
                typer.echo(f"- {item['text']}")
            for card in told["cards"]:
                typer.echo(f"* {card['observation']}\n  → {card['question']}")
            typer.echo(f"dropped: {dict(Counter(told['dropped']))}")
            if seed % again == 0 and told["cards"]:
                answers = ("never", "not-now", "applied")
                with database.write() as session:
                    for i, card in enumerate(told["cards"]):
                        muse.answer(session, writer, card["id"], answers[i % 3])  # type: ignore[arg-type]
                more = asyncio.run(_afresh(studio, database, writer, draft))
                second.append(more)
                cites += cites_exist(database, draft, more)
                topics = {card["topic"] for card in told["cards"]}
                nevers += sum(card["topic"] == told["cards"][0]["topic"] for card in more["cards"])
                repeated += sum(card["topic"] in topics for card in more["cards"])
        database.close()
    presses = first + second
    asked, shown = sum(t["asked"] for t in presses), sum(len(t["cards"]) for t in presses)
    reasons = Counter(reason for t in presses for reason in t["dropped"])
    later = sum(len(t["cards"]) for t in second)
    typer.echo("\n| | |\n|---|---|")
    for name, value in {
        "machine": "; ".join(machine().values()),
        "histories, presses of Muse": f"{len(first)}, {len(presses)}",
        "cards asked for": str(asked),
        "cards shown": str(shown),
        "answers drawn and dropped": f"{sum(reasons.values())}: "
        + ", ".join(f"{reason} {n}" for reason, n in reasons.most_common()),
        "digest items and cards whose citations all exist": f"{sum(cites)} of {len(cites)}",
        "first presses that showed the digest alone": f"{sum(not t['cards'] for t in first)} of {len(first)}",
        "cards of a second press about an answered topic": f"{repeated} of {later}",
        "of these, answered never": str(nevers),
        "seconds to the digest, median": _median([t["seconds"] for t in presses]),
        "seconds to the first card, median": _median([t["first"] for t in first if t["first"]]),
        "errors": str([t["error"] for t in presses if t["error"]]),
    }.items():
        typer.echo(f"| {name} | {value} |")


async def _afresh(studio: Studio, database: Database, writer: str, draft: str) -> dict[str, Any]:
    """A gate belongs to one event loop, and each press here has its own."""
    from app.llm.gate import Gate

    studio.gate = Gate(1, 32)
    return await press(studio, database, writer, draft)


if __name__ == "__main__":
    typer.run(main)
