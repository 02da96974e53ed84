"""Who and what a text calls by name: people, places, institutions, species, genes, acronyms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from app.text import sentences

_WORD = re.compile(r"[^\W_](?:[\w’'‐‑-]*[^\W_])?")
_JOINING = {"of", "de", "van", "von", "der", "den", "da", "di", "du", "la", "le"}
# Capitalised for grammar, not because they name: sentence openers and the pronoun.
_GRAMMAR = """
i i’m i'm i’ve i've i’d i'd i’ll i'll a an the this that these those he she it we they you his her its our
their your my in on at by for from with without within under over after before during since until as if when
while where because although though but and or so yet not no to of what why how who which both each every some
many most all few several other such then there here now today however dear figure table fig one two three
four five six seven eight nine ten ok
"""
_NO_NAMES = frozenset(_GRAMMAR.split())
_TITLES = {"Dr", "Prof", "Professor", "Mr", "Mrs", "Ms", "Sir", "Lady", "Saint", "St", "Mount", "Lake"}
# Given names so common that their rarity does not tell them from other words.
_GIVEN_NAMES = """
adam alan albert alexander alfred alice amy andrea andrew angela ann anna anne anthony arthur barbara ben benjamin
bernard bill bob brian bruce carl carol caroline catherine charles charlotte chris christian christina christine
christopher claire claude colin daniel david deborah dennis diana donald dorothy douglas edward eleanor elena
elizabeth emily emma eric erwin eva evelyn francis frank fred frederick gary george gerald gordon grace graham
gregory hannah harold harry heinrich helen henry howard hugh ian isaac jack james jan jane janet jason jean jeffrey
jennifer jeremy jessica jim joan joe johann john jonathan joseph josh joshua julia julian julie justin karen karl
kate katherine keith kelly ken kenneth kevin kim laura lawrence lee leo leon leonard lewis linda lisa louis louise
lucy luis luke marcus margaret maria marie mario martha martin mary matthew max megan michael michelle mike monica
nancy neil nicholas nick nicola nicole nina oliver oscar otto pamela patricia patrick paul peter philip philippe
pierre rachel ralph raymond rebecca richard robert robin roger ronald rosa rosalind roy russell ruth ryan samuel
sandra sarah scott sean simon sophie stanley stephanie stephen steven stuart susan svante sylvia ted teresa theodore
thomas tim timothy tom tony vera victor victoria vincent virginia walter wendy werner william
"""
_GIVEN = frozenset(_GIVEN_NAMES.split())
_EPITHET = re.compile(r"[a-z]{2,}(?:us|a|um|is|ii|ae|ens|rum|oides|i|ix|ax|ex|os|on|es|as)$")
_ABBREVIATED = re.compile(r"(?<!\w)[A-Z]\.[ \u00a0][a-z]{3,}\b")
# After an opening quote, a colon, a bullet, a line break or a full stop the capital may be grammar's.
_BEGINS = re.compile(r"[\"“‘«:•*#>]\s*$|\n|[^\W][.!?][\"”’)]*\s+$|^[.!?][\"”’)]*\s+$")


# An inner capital; letters, then digits; a capitalised word, a hyphen and digits; 3D.
_SHAPE = re.compile(r"(?<=[^\W_-])(?=[A-Z])[A-Z]|^[^\W\d_]+[0-9]|^[A-Z]\w*[-‐‑][0-9]|^[0-9]{1,2}[A-Z]$")


@dataclass(frozen=True)
class Name:
    """`text` is the characters `start` to `end` of the text, `key` what it is compared by (no possessive)."""

    start: int
    end: int
    text: str
    key: str


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str
    initial: bool  # where grammar asks for a capital

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def shaped(self) -> bool:
        """mRNA, DNA, p53, CO2, COVID-19, DeepMind, 3D: a name by its shape, wherever it stands."""
        return _SHAPE.search(plain(self.text)) is not None


def plain(word: str) -> str:
    """Without the possessive; the plural s of an acronym counts as one too."""
    word = re.sub(r"[’']s?$", "", word)
    return word[:-1] if re.fullmatch(r"[A-Z]{2,}s", word) else word


def find(text: str) -> list[Name]:
    """Names in order, each occurrence.

    A word with a capital counts in the middle of a sentence; at its beginning (and in title-case lines)
    only where its shape says so (acronym, inner capital, digits, title, species) or the same word stands
    capitalised elsewhere in the middle of a sentence. So a name that only ever begins sentences is missed.
    """
    groups = [_words(sentence) for sentence in sentences.split(text)]
    known = {plain(word.text) for group in groups for word in group if word.capital and not word.initial}
    found: list[Name] = []
    for group in groups:
        counting = [_counts(word, known) for word in group]
        at = 0
        while at < len(group):
            length = 2 if _species(text, group, at) else _span(text, group, counting, at)
            if length:
                found.append(_name(text, group[at : at + length]))
            at += length or 1
    for match in _ABBREVIATED.finditer(text):  # E. coli
        if not _common(match[0].split()[-1]):
            found = [name for name in found if name.end <= match.start() or name.start >= match.end()]
            found.append(Name(match.start(), match.end(), match[0], " ".join(match[0].split())))
    return sorted(found, key=lambda name: name.start)


def _words(sentence: sentences.Sentence) -> list[_Word]:
    """In headings and shouting a capital says nothing, so every word there is held to be an initial one."""
    places = list(_WORD.finditer(sentence.text))
    long = [match[0] for match in places if match[0][0].isalpha() and len(match[0]) > 3]
    capitals = sum(word[0].isupper() for word in long)
    complete = sentence.text.rstrip("\"'”’)]*_ ").endswith((".", "!", "?"))
    heading = len(long) > 2 and not complete and capitals >= 0.8 * len(long)
    shouted = len(long) > 2 and sentence.text.isupper()
    words: list[_Word] = []
    end = 0
    for match in places:
        initial = heading or end == 0 or _BEGINS.search(sentence.text, end, match.start()) is not None
        start = sentence.start + match.start()
        words.append(_Word(start, start + len(match[0]), match[0].lower() if shouted else match[0], initial))
        end = match.end()
    return words


def _counts(word: _Word, known: set[str]) -> bool:
    bare = plain(word.text)
    if bare.lower() in _NO_NAMES or word.text.lower() in _NO_NAMES:
        return False
    return word.shaped or (word.capital and (not word.initial or bare in known or bare in _TITLES))


def _span(text: str, group: list[_Word], counting: list[bool], at: int) -> int:
    """How many words from `at` on are one name."""
    if not counting[at] and not _first_name(text, group, counting, at):
        return 0
    last = at
    while group[last].capital:
        following = last + 1
        while following < len(group) and following < last + 3 and group[following].text in _JOINING:
            following += 1
        if following >= len(group) or not counting[following] or not group[following].capital:
            break
        if not all(_joined(text, group[n], group[n + 1]) for n in range(last, following)):
            break
        last = following
    alone = group[last].text in _TITLES or len(group[last].text) == 1
    return 0 if last == at and alone else last - at + 1


def _first_name(text: str, group: list[_Word], counting: list[bool], at: int) -> bool:
    """A sentence's first word belongs to the name after it ("Rosalind Franklin"), unless it is common."""
    word = group[at]
    return (
        word.initial
        and word.capital
        and at + 1 < len(group)
        and counting[at + 1]
        and not group[at + 1].initial
        and _joined(text, word, group[at + 1])
        and word.text.lower() not in _NO_NAMES
        and (word.text.lower() in _GIVEN or not _common(word.text))
    )


def _joined(text: str, word: _Word, following: _Word) -> bool:
    between = text[word.end : following.start]
    if between in {". ", "."}:
        return len(word.text) == 1 or word.text in _TITLES
    return between in {" ", "\u00a0"} and plain(word.text) == word.text


def _name(text: str, words: list[_Word]) -> Name:
    """The possessive stays outside; the plural of an acronym doesn't."""
    start, end = words[0].start, words[-1].end
    written = re.sub(r"[’']s?$", "", text[start:end])
    return Name(start, start + len(written), written, " ".join(plain(word.text) for word in words))


def _species(text: str, group: list[_Word], at: int) -> bool:
    """Homo sapiens: a capitalised word, then an uncommon one with a Latin ending."""
    if at + 1 >= len(group):
        return False
    genus, epithet = group[at], group[at + 1]
    gap = text[genus.end : epithet.start]
    return (
        gap == " "
        and genus.text.istitle()
        and len(genus.text) > 3
        and genus.text.isalpha()
        and bool(_EPITHET.fullmatch(epithet.text))
        and genus.text.lower() not in _NO_NAMES
        and not _common(epithet.text)
        and not _common(genus.text, 4.5)
    )


@cache
def _common(word: str, zipf: float = 3.6) -> bool:
    """3.6 is some 4 in a million words of English; "coli" has 2, "elegans" 0.4, "data" 220."""
    from wordfreq import zipf_frequency

    return zipf_frequency(word, "en") > zipf
