"""What a person can see in a text, counted: each feature a rate, with the words that show it.

| name | unit | source |
|---|---|---|
| `jargon` | rare words (Zipf below 3, less than 1 in a million) per 100 words | van Heuven et al., Subtlex-UK, QJEP 2014 (Zipf scale), by wordfreq |
| `grade` | US school grade | Kincaid et al., Research Branch Report 8-75, 1975: 0.39 words/sentence + 11.8 syllables/word - 15.59; syllables by pyphen |
| `numbers` | numbers per 100 words | app/text/quantities |
| `measures` | numbers with a unit per 100 words | app/text/quantities |
| `attribution` | citations and reporting phrases per 100 words | Hyland, Metadiscourse, 2005: evidentials |
| `hedges` | hedges per 100 words | Hyland 2005: hedges, app/text/hedges |
| `definition` | signs of a definition per 100 words | Hyland 2005: code glosses; Pearson, Terms in Context, 1998: connective verbs |
| `cause` | causal connectives per 100 words | Halliday and Hasan, Cohesion in English, 1976, 5.6 |
| `finding` | signs of a finding per 100 words | Hyland 2005: evidentials; Teufel, Argumentative Zoning, 1999: "own" and its action verbs |
| `promise` | what something may do for someone, per 100 words | August et al., EMNLP 2020: "impact" |
| `person` | persons and personal pronouns per 100 words | Flesch, A New Readability Yardstick, J. Appl. Psychol. 1948: personal words |
| `self` | first-person pronouns per 100 words | Hyland 2005: self-mentions |
| `speech` | quoted words per 100 words | Flesch 1948: personal sentences |
| `question` | questions per sentence | Flesch 1948: personal sentences; Hyland 2005: questions |
| `address` | words to the reader per 100 words | Hyland 2005: reader pronouns and directives |
| `comparison` | signs of a comparison per 100 words | Steen et al., MIPVU, 2010: metaphor flags |
| `scene` | signs of a time and place per 100 words | Labov and Waletzky, Narrative Analysis, 1967: orientation |
| `concrete` | things that can be pictured per 100 words | Ogden, Basic English, 1930: 200 picturable words |
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from app.text import citations, hedges, quantities

WORD = re.compile(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*")
RARE = 3.0
"""Zipf frequency (log10 of uses in a thousand million words) below which a word is rare: less than 1 in a million."""


def _words(listed: str) -> re.Pattern[str]:
    """Whole words or phrases, whatever their case; a star stands for any ending."""
    entries = [" ".join(entry.split()) for entry in listed.split(",")]
    parts = [re.escape(e).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for e in sorted(entries, key=len, reverse=True)]
    return re.compile(rf"(?<![\w’'-])(?:{'|'.join(parts)})(?![\w-])", re.IGNORECASE)


_ATTRIBUTION = _words(
    """
    according to, said, says, told, tells, explains, explained, notes, noted, adds, added, argue, argues, argued,
    reported, report, reports, wrote, writes, cited, published, in a statement, in an interview, the authors,
    professor of, lead author, co-author, coauthor, director of, scientist at, researcher at, professor at
    """
)
_DEFINITION = _words(
    """
    called, known as, defined as, refers to, referred to as, means that, meaning, that is, i.e., which means, in
    other words, for example, for instance, such as, is a type of, is a kind of, a form of, consist* of, e.g., made
    up of, composed of, also known, namely, are types of, is the study of, is a process, the process of, the term
    """
)
_CAUSE = _words(
    """
    because, because of, therefore, thus, hence, consequently, as a result, due to, leads to, led to, lead to,
    caus*, so that, in order to, results in, resulted in, trigger*, this allows, allows, enabl*, which makes,
    thereby, by doing, the reason, is why, depends on, depend on, produces, prevent*
    """
)
_FINDING = _words(
    """
    found, find, finds, findings, finding, results, result, show, shows, showed, shown, reveal*, discover*,
    demonstrat*, suggest*, indicat*, conclu*, evidence, study, studies, research, team, experiment*, analysis,
    analyzed, analysed, measured, observed, confirmed, compared with, compared to, significantly, percent, per cent,
    trial, data
    """
)
_PROMISE = _words(
    """
    could, may, might, hope, hopes, hoped, will, future, someday, one day, potential*, promising, promise, help,
    helps, improve*, improving, benefit*, pave the way, lead to new, better, treat*, therap*, cure, solution*,
    implications, important, importance, risk*, threat*, protect*, policy, policymakers, society, impact*,
    consequences, patients
    """
)
_PERSON = _words(
    """
    he, she, him, her, his, hers, himself, herself, they, them, their, who, man, woman, men, women, boy, girl,
    child, children, mother, father, parents, brother, sister, friend*, wife, husband, son, daughter, family,
    families, people, person, student*, colleague*, grandmother, grandfather, kid, kids, baby, babies, dr., mr.,
    mrs., ms., prof.
    """
)
_SELF = _words(
    """
    I, me, my, mine, myself, we, us, our, ours, ourselves, I’m, I'm, we’re, we're, I've, I’ve, we've, we’ve
    """
)
_ADDRESS = _words(
    """
    you, your, yours, yourself, you’re, you're, you’ve, you've, you’ll, you'll, you’d, you'd, imagine, picture this,
    think of, think about, consider, suppose, let’s, let's, look at, remember, ask yourself, try to, take a look,
    let us
    """
)
_COMPARISON = _words(
    """
    like a, like an, like the, like those, as if, as though, just as, akin to, similar to, analog*, metaphor*,
    resembl*, reminiscent, compared to, equivalent of, think of it as, the way a, imagine, as big as, as much as, as
    small as, the size of, sort of like, kind of like, just like, much like, more like, acts as, act as, works like,
    work like, looks like, look like, same way, so-called, virtual, version of, in the same way, equivalent to,
    sounds like, like
    """
)
_SCENE = _words(
    """
    one day, one morning, one night, that day, that night, that morning, last week, last year, yesterday, years ago,
    ago, once, morning, afternoon, evening, night, monday, tuesday, wednesday, thursday, friday, saturday, sunday,
    when, while, began, started, went, came, walked, ran, sat, stood, looked, watched, saw, heard, felt, stared,
    drove, arrived, turned, remember*, grew up, born, at first, eventually, finally, then, after, before, suddenly,
    until, later, january, february, march, april, june, july, august, september, october, november, december, in
    19*, in 20*
    """
)
_CONCRETE = """
angle ant apple arch arm army baby bag ball band basin basket bath bed bee bell berry bird blade board boat bone book
boot bottle box boy brain brake branch brick bridge brush bucket bulb button cake camera card carriage cart cat chain
cheese chest chin church circle clock cloud coat collar comb cord cow cup curtain cushion dog door drain drawer dress
drop ear egg engine eye face farm feather finger fish flag floor fly foot feet fork fowl frame garden girl glove goat
gun hair hammer hand hat head heart hook horn horse hospital house island jewel kettle key knee knife knot leaf leaves
leg library line lip lock map match monkey moon mouth muscle nail neck needle nerve net nose nut office orange oven
parcel pen pencil picture pig pin pipe plane plate plough pocket pot potato prison pump rail rat receipt ring rod roof
root sail school scissors screw seed sheep shelf ship shirt shoe skin skirt snake sock spade sponge spoon spring square
stamp star station stem stick stocking stomach store street sun table tail thread throat thumb ticket toe tongue tooth
teeth town train tray tree trousers umbrella wall watch wheel whip whistle window wing wire worm
"""
_PICTURABLE = frozenset(form for word in _CONCRETE.split() for form in (word, f"{word}s", f"{word}es"))
_QUOTED = re.compile(r"[\"“”]([^\"“”]{2,400})[\"“”]")
_STOP = re.compile(r"[.!?][”’)]*(?=\s+[“‘(]*[A-Z]|$)")
_QUESTION = re.compile(r"[^.!?]*\?")


@cache
def zipf(word: str) -> float:
    from wordfreq import zipf_frequency

    return float(zipf_frequency(word, "en"))


@cache
def _hyphenation() -> object:
    import pyphen

    return pyphen.Pyphen(lang="en_US")


@cache
def syllables(word: str) -> int:
    """By hyphenation, at least one: pyphen leaves a first or last syllable of one letter on."""
    return max(1, len(_hyphenation().positions(word)) + 1)  # type: ignore[attr-defined]


def _rare(text: str) -> list[str]:
    """In lower case only: a rare word with a capital is a name more often than a term."""
    words = (m[0] for m in WORD.finditer(text))
    return [w for w in words if len(w) > 2 and w.islower() and zipf(w.replace("’", "'")) < RARE]


def _matches(pattern: re.Pattern[str]) -> Callable[[str], list[str]]:
    return lambda text: [m[0] for m in pattern.finditer(text)]


EVIDENCE: dict[str, Callable[[str], list[str]]] = {
    "jargon": _rare,
    "numbers": lambda text: [q.text for q in quantities.find(text)],
    "measures": lambda text: [text[q.start : q.after] for q in quantities.find(text) if q.unit],
    "attribution": lambda text: [c.text for c in citations.find(text)] + _matches(_ATTRIBUTION)(text),
    "hedges": lambda text: [written for written, _ in hedges.find(text)],
    "definition": _matches(_DEFINITION),
    "cause": _matches(_CAUSE),
    "finding": _matches(_FINDING),
    "promise": _matches(_PROMISE),
    "person": _matches(_PERSON),
    "self": _matches(_SELF),
    "speech": lambda text: [w[0] for m in _QUOTED.finditer(text) for w in WORD.finditer(m[1])],
    "question": _matches(_QUESTION),
    "address": _matches(_ADDRESS),
    "comparison": _matches(_COMPARISON),
    "scene": _matches(_SCENE),
    "concrete": lambda text: [m[0] for m in WORD.finditer(text) if m[0].lower() in _PICTURABLE],
}
"""The words of a text that show a feature, in order."""
NAMES = (*EVIDENCE, "grade")


def load() -> None:
    """Reads the word frequencies and the hyphenation, some tenths of a second, so that no text waits for them."""
    zipf("the")
    syllables("the")


def grade(text: str) -> float:
    """Flesch-Kincaid grade level of a sentence or passage, bounded to 0 and 24; 0 for a text without words."""
    words = [m[0] for m in WORD.finditer(text)]
    if not words:
        return 0.0
    count = max(1, len(_STOP.findall(text)))
    level = 0.39 * len(words) / count + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
    return min(24.0, max(0.0, level))


def measure(text: str) -> npt.NDArray[np.float32]:
    """Shape (len(NAMES),), in the order of NAMES: log(1 + evidence per 100 words), and the grade.

    The logarithm, because the second number in a sentence says less than the first.
    """
    words = max(1, sum(1 for _ in WORD.finditer(text)))
    rates = [100 * len(find(text)) / words for find in EVIDENCE.values()]
    return np.append(np.log1p(rates), grade(text)).astype(np.float32)


def evidence(text: str, index: int) -> tuple[str, ...]:
    """The words of `text` that show feature `index` of NAMES, each once; none for the grade, or where it is absent."""
    find = EVIDENCE.get(NAMES[index])
    return tuple(dict.fromkeys(find(text))) if find else ()
