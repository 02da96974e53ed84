"""References to sources, in the shapes science prose gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SURNAME = r"(?<!\w)(?:(?:van|von|de|der|den|da|di|du|la|le|al|el|ter|dos)[ ]){0,3}[A-ZÀ-ÖØ-Þ][\w’'-]{1,40}"
_YEAR = r"(?:1[6-9]|20)\d\d[a-z]?"
_AUTHORS = rf"{_SURNAME}(?:(?:,[ ]|,?[ ](?:and|&)[ ]){_SURNAME}){{0,5}}(?:,?[ ]et[ ]al\.?,?)?"
_PAGES = r"(?:,[ ]pp?\.[ ]?[\d–-]+)?"
_ONE = (
    rf"(?:(?:see|cf\.|e\.g\.,?|reviewed[ ]in)[ ])?{_AUTHORS},?[ ](?:{_YEAR}|in[ ]press|n\.d\.)"
    rf"(?:[, ]+{_YEAR})*{_PAGES}"
)
_NUMBERED = r"[1-9]\d{0,3}(?:[ ]?[-–,][ ]?[1-9]\d{0,3}){0,40}"

_PATTERN = re.compile(
    rf"""
      (?P<doi>(?:doi:[ ]?|https?://(?:dx\.)?doi\.org/)?10\.\d{{4,9}}/[^\s"<>“”]+)
    | (?P<id>(?:arXiv:[ ]?\d{{4}}\.\d{{4,5}}|PMID:?[ ]?\d+|PMC\d{{5,}}))
    | (?P<url>https?://[^\s"<>“”]+)
    | \((?P<group>{_ONE}(?:;[ ]?{_ONE})*)\)
    | (?P<narrative>{_AUTHORS})[ ]\((?P<year>{_YEAR}(?:,[ ]{_YEAR})*){_PAGES}\)
    | \[(?P<numbered>{_NUMBERED})\]
    | (?<=[.,;:)”"])(?P<raised>[¹²³⁴⁵⁶⁷⁸⁹][⁰¹²³⁴⁵⁶⁷⁸⁹]{{0,3}}(?:[,⁻–-][¹²³⁴⁵⁶⁷⁸⁹][⁰¹²³⁴⁵⁶⁷⁸⁹]{{0,3}}){{0,20}})
    """,
    re.VERBOSE,
)
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789–")
_CLOSING = ".,;:!?)]}’”'"


@dataclass(frozen=True)
class Citation:
    """`text` as written, `key` the same for all shapes of one reference, `start` to `end` its place."""

    start: int
    end: int
    text: str
    key: str


def find(text: str) -> list[Citation]:
    """References in order, each in all the shapes it is commonly given.

    Author and year in or before brackets, numbers in square brackets or raised after a full stop, DOI,
    arXiv and PubMed numbers, web addresses. One bracket with several references gives several, all at the
    bracket's place.
    """
    found: list[Citation] = []
    for match in _PATTERN.finditer(text):
        start, end = match.span()
        if match["doi"] or match["url"]:
            written = _unclosed(match[0])
            key = written.lower()
            if match["doi"]:
                key = key[key.index("10.") :]
            found.append(Citation(start, start + len(written), written, key))
        elif match["id"]:
            found.append(Citation(start, end, match[0], re.sub(r"[:\s]", "", match[0]).lower()))
        elif match["group"]:
            parts = [part.strip() for part in match["group"].split(";")]
            found += [Citation(start, end, f"({part})", key) for part in parts for key in _author_keys(part)]
        elif match["narrative"]:
            key = f"{match['narrative']} {match['year']}"
            found += [Citation(start, end, match[0], one) for one in _author_keys(key)]
        else:
            written = match["numbered"] or match["raised"].translate(_DIGITS)
            found += [Citation(start, end, f"[{n}]", f"[{n}]") for n in _expand(written)]
    return found


def _unclosed(address: str) -> str:
    """Without the punctuation of the sentence around it; a bracket that the address itself opened stays."""
    while address and address[-1] in _CLOSING:
        if address[-1] == ")" and address.count("(") >= address.count(")"):
            break
        address = address[:-1]
    return address


def _author_keys(reference: str) -> list[str]:
    """First author and year: what "(Smith et al., 2019)" and "Smith and Lee (2019)" share."""
    bare = re.sub(r"^(?:see|cf\.|e\.g\.,?|reviewed in) ", "", reference)
    author = re.match(_SURNAME, bare)
    years = re.findall(rf"{_YEAR}|in[ ]press|n\.d\.", bare)
    name = author[0].removesuffix("’s").removesuffix("'s").lower() if author else ""
    return [f"{name} {year}" for year in years]


def _expand(numbers: str) -> list[int]:
    listed: list[int] = []
    for part in re.split(r"\s?,\s?", numbers):
        first, *last = (int(n) for n in re.split(r"\s?[-–]\s?", part))
        listed += range(first, last[0] + 1) if last and first < last[0] <= first + 50 else [first, *last]
    return listed
