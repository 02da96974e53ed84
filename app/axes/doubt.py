"""What makes a text unlike anything the heads were fitted on, in points added to its spread.

The ensemble agrees on nonsense too: its members saw the same articles. Bounds were set by looking at English prose,
where they add nothing, and at benchmarks/odd.jsonl.
"""

from __future__ import annotations

import re
from collections import Counter

from app.axes import normal
from app.axes.features import WORD, zipf

WIDE = 12.0
"""Points: more than the distance between an ordinary passage and one in six."""
_ENOUGH_WORDS = 15
_COMMON = 6.0
"""Zipf of the hundred or so words (the, of, is, that) that make up a third to a half of any English prose."""
_SIGN = re.compile(r"[^\w\s.,;:!?'\"“”‘’()–—-]|_|\d")


def of(text: str) -> dict[str, float]:
    """Points for each doubt there is: `short`, `not-prose` (another language, code, a list), `notation`, `repeated`,
    `capitals`."""
    words = [m[0].lower() for m in WORD.finditer(text)]
    if not words:
        return {"short": WIDE}
    common = sum(zipf(word.replace("’", "'")) >= _COMMON for word in words) / len(words)
    signs = len(_SIGN.findall(text)) / len(text)
    most = Counter(words).most_common(1)[0][1] / len(words)
    found = {
        "short": 1 - len(words) / _ENOUGH_WORDS,
        "not-prose": (0.25 - common) / 0.15 if len(words) > 3 else 0.0,
        "notation": (signs - 0.07) / 0.08,
        "repeated": (most - 0.2) / 0.3 if len(words) > 5 else 0.0,
        "capitals": 0.4 if normal.shouted(text) else 0.0,
    }
    return {name: round(WIDE * min(1.0, part), 2) for name, part in found.items() if part > 0}
