"""How long a source of 200 pages takes: to attach, to index, and to search; as JSON. `python -m benchmarks.sources`."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from app.db import schema
from app.db.engine import Database
from app.text import claims
from app.writing import service, sources
from app.writing import views as v
from benchmarks.machine import machine

CHARS = 600_000
VOCABULARY = 8_000
PARAGRAPH = service.SAMPLE.read_text("utf-8").split("\n\n")[1]


def made_up(chars: int) -> str:
    """English words at the rate of real prose (rank r about as often as 1 / r), sentences of 8 to 30 words."""
    from wordfreq import top_n_list

    rng = random.Random(4)
    words = [word for word in top_n_list("en", VOCABULARY) if word.isalpha()]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    parts: list[str] = []
    while sum(map(len, parts)) < chars:
        drawn = rng.choices(words, weights, k=4_000)
        while drawn:
            size = rng.randint(8, 30)
            parts.append(" ".join(drawn[:size]).capitalize() + ".")
            del drawn[:size]
    text = " ".join(parts)
    return text[:chars]


def main() -> None:
    text = made_up(CHARS)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}")
        schema.upgrade(database)
        with database.write() as session:
            writer, _ = service.new_writer(session)
            draft = service.create_draft(session, writer.id, v.NewDraft(title="Bench", text=PARAGRAPH))
            writer_id = writer.id
        began = time.perf_counter()
        with database.write() as session:
            sources.add(session, writer_id, draft.id, v.NewSource(title="A book", text=text))
        attached = time.perf_counter() - began
        with database.read() as session:
            pack = sources.pack_of(session, draft.id)
        database.close()
    assert pack is not None
    import sklearn.feature_extraction.text  # noqa: F401  (a server has it loaded for its encoder)

    claims.stem.cache_clear()
    began = time.perf_counter()
    pack.nearest(PARAGRAPH)
    first = time.perf_counter() - began
    later = []
    for _ in range(20):
        began = time.perf_counter()
        pack.nearest(PARAGRAPH)
        later.append(time.perf_counter() - began)
    told = {
        "characters": len(text),
        "sentences": len(sources.split(text)),
        "attach ms": round(1000 * attached, 1),
        "first search, with the index, ms": round(1000 * first, 1),
        "later search, median ms": round(1000 * statistics.median(later), 2),
        **machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
