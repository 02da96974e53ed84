"""Which sentences of a revision say something that neither the text it was made from nor a source says.

A claim is a sentence that asserts something checkable. Questions, invitations to imagine, comparisons marked as such
("It is like …"), signposts ("There is a catch.") and statements that something is not known assert nothing, unless
they bring a number, a unit, a name or a reference of their own. What counts as what, how well it works and where it
fails: docs/ledger.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.text import facts, names, sentences

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts to vectors of unit length, shape (texts, dimensions)."""


@dataclass(frozen=True)
class Claim:
    """A sentence without support: the characters `start` to `end` of the child, and why, in words."""

    start: int
    end: int
    text: str
    reason: str


@dataclass(frozen=True)
class Support:
    """How much of a sentence stands in the texts it may rest on, each 0 to 1.

    `words`: share of its content words, weighted by rarity, that stand in the three sentences that have most of them;
    `clause`: the same for its least supported clause; `meaning`: cosine to the nearest sentence, clause or pair of
    neighbours, None without an encoder or where the words decide.
    """

    words: float
    clause: float
    meaning: float | None

    @property
    def enough(self) -> bool:
        """Weights and thresholds are fitted on the design half of benchmarks/ledger.jsonl."""
        if self.clause < CLAUSE:
            return False
        if self.meaning is None:
            return self.words >= WORDS_ALONE
        return self.words + self.meaning >= TOGETHER


WORDS_ALONE = 0.55
TOGETHER = 1.05
CLAUSE = 0.2
CERTAIN = 0.85
"""Share of words from which on a sentence is supported whatever its cosine."""
NEAR_COPY = 0.7
"""Share of a sentence's words from which on it is held to restate one sentence, so that opposites mean a reversal."""


class Ground:
    """The sentences a text may rest on, with their words, and their vectors once they are needed."""

    def __init__(self, texts: Sequence[str], encode: Encode | None = None) -> None:
        self.sentences = [s.text for text in texts for s in sentences.split(text)]
        self.text = "\n\n".join(self.sentences)
        self.bare = {_bare(text) for text in self.sentences}
        self.words = [set(content(text)) for text in self.sentences]
        self.encode = encode

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """Of the sentences, of their clauses, and of neighbours joined: a sentence of the child may be a part of one
        or made of two."""
        assert self.encode is not None
        parts = [part for text in self.sentences for part in _clauses(text) if len(part.split()) > 3]
        joined = [f"{a} {b}" for a, b in pairwise(self.sentences)]
        return self.encode([*self.sentences, *parts, *joined])


def unsupported(child: str, grounds: Sequence[str], encode: Encode | None = None) -> list[Claim]:
    """The claims of `child` that no text in `grounds` (its parents, and what the sources say) supports.

    Without `encode` support is counted by words alone: then a new claim is found as surely, and free rewording is
    taken for one more often.
    """
    ground = Ground(grounds, encode)
    found = []
    for sentence in sentences.split(child):
        if _bare(sentence.text) not in ground.bare and any(c.isalpha() for c in sentence.text):
            reason = _reason(sentence.text, ground)
            if reason:
                found.append(Claim(sentence.start, sentence.end, sentence.text, reason))
    return found


def _reason(sentence: str, ground: Ground) -> str:
    """Why it is a new claim, in words; empty where it is none."""
    strange = new_facts(sentence, ground.text)
    if strange:
        return f"new here: {', '.join(strange)}"
    if asserts_nothing(sentence):
        return ""
    if turned := _reversal(sentence, ground):
        return f"“{turned}” turns around what the text says"
    if not support(sentence, ground).enough:
        return "neither the text before nor a source says this"
    return ""


def new_facts(sentence: str, ground: str) -> list[str]:
    """Numbers, units, names and references that `ground` does not have, as written, each once."""
    added = facts.compare(ground, sentence).added
    found = [text for kind, text in facts.each(added) if kind != "hedge"]
    first = re.match(r"[\"“‘(]*([A-Z][\w’'-]+)", sentence)
    if first and _could_name(first[1], sentence, ground):
        found.append(first[1])
    return list(dict.fromkeys(found))


def _could_name(word: str, sentence: str, ground: str) -> bool:
    """A sentence's first word is taken for a new name only where it stands in the place of one: the ground has the
    rest of the sentence with a name before it."""
    rest = " ".join(sentence.split()[1:4]).lower()
    before = re.search(rf"(\S+) {re.escape(rest)}", " ".join(ground.split()), re.I) if rest.count(" ") == 2 else None
    was = before[1] if before else ""
    return was[:1].isupper() and names.plain(was) != names.plain(word) and was.lower() not in _FUNCTION


# ── what asserts nothing ───────────────────────────────────────────────────────────────────────────────────────────

_QUESTION = re.compile(r"[?？؟][\"'”’»)\]]*$")
_INVITATION = re.compile(
    r"^(?:(?:so|but|and|now|then|just|first|please)[, ]+)?(?:imagine|picture|think (?:of|about|back)|suppose|consider"
    r"|let(?:’s|'s| us)|put yourself|ask yourself|try to|look (?:at|up|around)|close your|remember|visuali[sz]e"
    r"|envision|say you|take a (?:look|moment|breath)|what if|pretend|recall)\b",
    re.I,
)
_COMPARISON = re.compile(
    r"\b(?:is|are|was|were|be|works?|worked|acts?|acted|behaves?|looks?|feels?|sounds?|moves?|seems?|runs?)"
    r"(?: \w+ly| just| much| rather| a (?:bit|little)| more| something)? (?:like|as (?:if|though))\b"
    r"|^(?:it(?:’s|'s| is) )?(?:much |just |rather |a bit |more )?(?:like|as (?:if|though)) (?:an?|the|when|how)\b"
    r"|^just as\b|\bin the same way (?:as|that)\b|\bthe way (?:an?|the|you)\b|\bresembles?\b|\bcan be compared\b"
    r"|\bthink of (?:it|them|this|these) as\b",
    re.I,
)
_OPEN = re.compile(
    r"\b(?:do(?:es)?|did|can|could) ?not (?:yet )?(?:show|tell|say|reveal|answer|know)\b"
    r".{0,60}\b(?:whether|how|why|if)\b"
    r"|\b(?:is|are|remains?) (?:still |yet )?(?:un(?:known|clear|certain)|not (?:yet )?(?:known|clear|certain)"
    r"|to be (?:seen|shown)|an open question)\b",
    re.I,
)
_SIGNPOSTS = """
answer begin beginning case catch clue comparison conclusion detail difference discovery easy end evidence example
explain explanation fact follow good happen hard idea important interesting key lesson look matter mystery next
part piece picture point problem puzzle question real reason remain result right second secret short simple start
step story strange surprise surprising thing trick true turn twist understand way whole word work wrong last first
long far big small new old year come make mean know say tell see
"""


def asserts_nothing(sentence: str) -> bool:
    """Whether it is a question, an invitation, a marked comparison, a signpost, or says that something is open."""
    bare = sentence.strip("\"“”'‘’ ")
    if any(pattern.search(bare) for pattern in (_QUESTION, _INVITATION, _COMPARISON, _OPEN)):
        return True
    return len(bare.split()) <= 12 and all(word in _SIGNPOST_STEMS for word in content(bare))


# ── support ────────────────────────────────────────────────────────────────────────────────────────────────────────

_FUNCTION_WORDS = """
a about above across after again against all almost along already also although always am among an and another any
are around as at away back be because been before being below between both but by can cannot could did do does
doing done down during each either else enough even ever every few for from further get gets got had has have
having he her here hers him his how however i if in indeed inside instead into is it its itself just least less
let like made make makes many may me might more most much must my near neither never no nor not now of off often
on once one only onto or other others our out outside over own per perhaps quite rather same she should since so
some someone something sometimes soon still such than that the their theirs them themselves then there therefore
these they this those though through thus to together too toward towards under until up upon us use used uses
using very was way we well went were what when where whereas whether which while who whom whose why will with
within without would yes yet you your yours yourself kind sort lot called
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())
_LETTERS = re.compile(r"[^\W\d_]+(?:[-’'][^\W\d_]+)*")
_SUFFIXES = re.compile(
    r"(?:ations?|itions?|ingly|edly|ments?|ness(?:es)?|ities|ity|ions?|ings?|ied|ies|ers?|est|ed|ly|es|s|al|y|e)$"
)
_IRREGULAR = {
    "found": "find", "grew": "grow", "grown": "grow", "began": "begin", "begun": "begin", "kept": "keep",
    "held": "hold", "built": "build", "lost": "lose", "loss": "lose", "losses": "lose",
    "fell": "fall", "fallen": "fall", "rose": "rise",
    "risen": "rise", "sank": "sink", "sunk": "sink", "shrank": "shrink", "shrunk": "shrink", "broke": "break",
    "broken": "break", "ate": "eat", "eaten": "eat", "gave": "give", "given": "give", "took": "take", "taken": "take",
    "came": "come", "sent": "send", "left": "leave", "led": "lead", "laid": "lay", "fed": "feed", "dug": "dig",
    "saw": "see", "seen": "see", "showed": "show", "shown": "show", "wrote": "write", "written": "write",
    "drove": "drive", "driven": "drive", "thought": "think", "taught": "teach", "caught": "catch", "spread": "spread",
    "children": "child", "mice": "mouse", "feet": "foot", "teeth": "tooth", "people": "person", "men": "man",
    "women": "woman", "leaves": "leaf", "lives": "life", "living": "life", "live": "life", "lived": "life",
    "better": "good", "best": "good", "worse": "bad", "worst": "bad", "died": "die", "dying": "die", "dead": "die",
    "death": "die", "slept": "sleep", "bought": "buy", "sold": "sell", "met": "meet", "ran": "run", "froze": "freeze",
    "frozen": "freeze", "burnt": "burn", "dealt": "deal", "stood": "stand", "stuck": "stick", "struck": "strike",
    "froze ": "freeze", "larger": "large", "height": "high", "heat": "hot", "warmth": "warm", "strength": "strong",
    "length": "long", "depth": "deep", "width": "wide", "growth": "grow", "birth": "born", "proof": "prove",
    "analyses": "analysis", "data": "datum", "bacteria": "bacterium", "absorption": "absorb",
}  # fmt: skip


@cache
def stem(word: str) -> str:
    """A rough common form: "measured", "measurement" and "measures" are one."""
    word = re.sub(r"[’']s?$", "", word.lower())
    word = _IRREGULAR.get(word, word)
    while (shorter := _SUFFIXES.sub("", word)) != word and len(shorter) >= 3:
        word = shorter
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls" else word


_SIGNPOST_STEMS = frozenset(map(stem, _SIGNPOSTS.split()))


def content(text: str) -> list[str]:
    """Stems of the words that carry meaning, each once, in order."""
    words = (w.lower() for w in _LETTERS.findall(text))
    return list(dict.fromkeys(stem(w) for w in words if len(w) > 2 and w not in _FUNCTION))


@cache
def _weight(word: str) -> float:
    """Rare words say more: 1 for a word of every tenth sentence, 4 for one of a million."""
    from wordfreq import zipf_frequency

    return max(0.5, min(4.0, 6.5 - float(zipf_frequency(word, "en"))))


def support(sentence: str, ground: Ground, shortest: int = 3) -> Support:
    """How far the ground bears `sentence` out; see Support. A clause of less than `shortest` words of content is not
    looked at alone."""
    if not ground.sentences:
        return Support(0.0, 0.0, None)
    wanted = content(sentence)
    best = sorted(ground.words, key=lambda there: -_share(wanted, there))[:3]
    union = set().union(*best)
    words = _share(wanted, union)
    clause = min(
        (_share(part, union) for part in map(content, _clauses(sentence)) if len(part) >= shortest), default=words
    )
    # Where words decide alone, nothing is encoded: that is most sentences, and most of the time it takes.
    undecided = TOGETHER - 1 <= words < CERTAIN and clause >= CLAUSE
    return Support(words, clause, _meaning(sentence, ground) if ground.encode and undecided else None)


def _share(wanted: Sequence[str], there: set[str]) -> float:
    total = sum(map(_weight, wanted))
    return sum(_weight(word) for word in wanted if word in there) / total if total else 1.0


_CLAUSE = re.compile(
    r"[,;:–—]\s+(?:and |but |so that |so |which |who |because |since |as |while |whereas |although )?"
    r"|\s(?:because|so that|whereas|although|which|while)\s"
)


def _clauses(sentence: str) -> list[str]:
    return _CLAUSE.split(sentence)


def _meaning(sentence: str, ground: Ground) -> float:
    assert ground.encode is not None
    return float((ground.vectors @ ground.encode([sentence])[0]).max())


# ── reversals ──────────────────────────────────────────────────────────────────────────────────────────────────────

_OPPOSITES = """
more less, higher lower, high low, faster slower, fast slow, larger smaller, large small, increase decrease,
rise fall, grow shrink, raise lower, warmer colder, warm cold, hotter cooler, hot cold, older younger, old young,
heavier lighter, heavy light, longer shorter, long short, stronger weaker, strong weak, better worse, good bad,
gain lose, early late, earlier later, above below, before after, most least, many few, cause prevent, protect harm,
safe dangerous, cheaper dearer, deep shallow, wet dry, rich poor, near far, first last, hardly never, often rarely,
always never, all none, thicker thinner, taller shorter, brighter dimmer, strengthen weaken, speed slow, win lose
"""
_NEGATING = "not no never none nobody nothing neither nor cannot without hardly rarely"
_NEGATIONS = frozenset(_NEGATING.split())
_PAIRS: dict[str, set[str]] = {}
for _pair in _OPPOSITES.split(","):
    _one, _other = _pair.split()
    _PAIRS.setdefault(_one, set()).add(_other)
    _PAIRS.setdefault(_other, set()).add(_one)


def _reversal(sentence: str, ground: Ground) -> str:
    """The word by which a sentence says the opposite of the one it restates, or nothing."""
    wanted = content(sentence)
    shares = [_share(wanted, there) for there in ground.words]
    if not shares or max(shares) < NEAR_COPY:
        return ""
    nearest = ground.sentences[shares.index(max(shares))]
    words, there = _forms(sentence), _forms(nearest)
    for word in sorted(words - there):
        if any(other in there and other not in words for other in _PAIRS.get(word, ())):
            return word
    more, fewer = words & _NEGATIONS, there & _NEGATIONS
    if more and not fewer and _denied(sentence, nearest):
        return min(more)
    return f"without {min(fewer)}" if fewer and not more and _denied(nearest, sentence) else ""


def _denied(denying: str, other: str) -> bool:
    """Whether `other` has what a clause of `denying` says, and so says the opposite: half of a sentence may leave its
    "not" with the other half."""
    there = set(content(other))
    denials = [clause for clause in _clauses(denying) if _forms(clause) & _NEGATIONS]
    return any(_share(content(clause), there) >= NEAR_COPY for clause in denials)


def _forms(sentence: str) -> set[str]:
    """Words in lower case, and without the endings of verbs ("increased" is "increase")."""
    words = {w.lower() for w in re.findall(r"[^\W\d_]+", re.sub(r"n[’']t\b", " not", sentence))}
    return words | {re.sub(r"(?:s|d|ed|ing)$", "", w) for w in words} | {re.sub(r"(?:d|s)$", "", w) for w in words}


def _bare(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))
