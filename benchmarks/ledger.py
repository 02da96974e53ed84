"""How well lost facts and new claims are found: precision and recall on benchmarks/ledger.jsonl, as JSON.

`python -m benchmarks.ledger [--errors] [--lexical]`. The lines of the file are edits of short texts made up for this
purpose, each with the facts it loses and the sentences that are new claims. Thresholds are fitted on the design half;
the test half is of other fields of science. docs/ledger.md has what counts as what.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.text import claims, facts
from benchmarks.machine import machine

EDITS = Path(__file__).with_name("ledger.jsonl")
Found = Counter[str]


def lost_facts(row: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """What was found and what should have been."""
    lost = facts.compare(row["parent"], row["child"]).lost
    found = Counter(f"{kind}: {_flat(text)}" for kind, text in facts.each(lost))
    return found, Counter(f"{one['kind']}: {_flat(one['text'])}" for one in row["lost"])


def new_claims(row: dict[str, Any], encode: claims.Encode | None) -> tuple[Counter[str], Counter[str]]:
    found = claims.unsupported(row["child"], [row["parent"], *row["sources"]], encode)
    return Counter(claim.text for claim in found), Counter(row["new"])


def _flat(text: str) -> str:
    return " ".join(text.lower().split())


def score(pairs: Iterable[tuple[Counter[str], Counter[str]]]) -> dict[str, Any]:
    """Precision and recall over all facts or sentences together."""
    right = found = wanted = 0
    for got, gold in pairs:
        right, found, wanted = right + (got & gold).total(), found + got.total(), wanted + gold.total()
    return {
        "precision": round(right / found, 3) if found else None,
        "recall": round(right / wanted, 3) if wanted else None,
        "found": found,
        "right": right,
        "wanted": wanted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", action="store_true", help="list what was missed and what was wrongly found")
    parser.add_argument("--lexical", action="store_true", help="without the encoder of meaning")
    given = parser.parse_args()
    encode = None
    if not given.lexical:
        from app.axes.scorer import MiniLM
        from app.llm.store import ModelStore
        from app.settings import Settings

        meaning = MiniLM(ModelStore(Settings()).minilm_folder())
        meaning.load()
        encode = meaning.encode
    rows = [json.loads(line) for line in EDITS.read_text("utf-8").splitlines()]
    report: dict[str, Any] = {
        "edits": len(rows),
        "fields": len({row["field"] for row in rows}),
        "support": "words only" if given.lexical else "words and MiniLM",
        **machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    for half in ("design", "test"):
        mine = [row for row in rows if row["split"] == half]
        lost = [lost_facts(row) for row in mine]
        began = time.perf_counter()
        new = [new_claims(row, encode) for row in mine]
        report[half] = {
            "edits": len(mine),
            "lost facts": score(lost),
            "new claims": score(new),
            "ms per edit": round(1000 * (time.perf_counter() - began) / len(mine), 1),
        }
        if given.errors:
            for row, *pairs in zip(mine, lost, new, strict=True):
                for got, gold in pairs:
                    for text in (gold - got).elements():
                        print(f"{half} {row['id']} {row['edit']}: missed {text}")
                    for text in (got - gold).elements():
                        print(f"{half} {row['id']} {row['edit']}: wrongly found {text}")
    print(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
