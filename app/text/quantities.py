"""Numbers as they are written in English science prose, and the units bound to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from app.text import units
from app.text.units import SPACES, SUPERSCRIPTS

_DASH = "[-\u2010\u2011\u2012\u2013\u2014]"
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5"}
_VULGAR |= {"⅘": "4/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = (
    {word: n for n, word in enumerate([*_ONES, *_TEENS, "nineteen"], 1)}
    | {word: n * 10 for n, word in enumerate(_TENS, 2)}
    | {"a": 1, "an": 1}
)
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_SCALES = {"k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "bn": 10**9, "B": 10**9}
_PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_CURRENCIES = {"$": "USD", "us$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "a$": "AUD", "c$": "CAD"}

_SCALE = f"(?:{'|'.join(_SCALES)})"
_COUNT = "|".join([*_ONES[1:], *_TEENS, "nineteen"])
_SPELLED = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[-\u2010\u2011 ](?:{'|'.join(_ONES)})\b)?"
    rf"|{_COUNT}|(?:an?|one)(?=\s{_SCALE}\b))"
)
_POWER = r"10(?:\^\{?[-−+]?\d{1,9}\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9})"
_DIGITS = (
    r"\d{1,3}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?"
    rf"|\d{{1,3}}(?:[{SPACES}]\d{{3}})+(?!\w)(?:\.\d+)?"
    r"|\d+(?:\.\d+)*|\.\d+"
)
_NUMBER = re.compile(
    rf"""
    (?<!\w)(?<!\d[./])
    (?:(?P<currency>US\$|A\$|C\$|[$€£¥])[{SPACES}]?)?
    (?P<sign>(?<![\w)])[-−+](?=[\d.]))?
    (?:
      (?P<literal>\d{{1,4}}[/-]\d{{1,2}}[/-]\d{{1,4}}|\d{{1,2}}:\d{{2}}(?::\d{{2}})?)(?![\w/-])
    | (?P<fraction>\d{{1,15}}/\d{{1,15}})(?![\w/])
    | (?P<power>{_POWER})
    | (?P<whole>\d{{1,15}})?(?P<vulgar>[{"".join(_VULGAR)}])
    | (?P<digits>{_DIGITS})
      (?:(?P<e>[eE][-−+]?\d{{1,9}})(?!\w)|[{SPACES}]?[×x·∙*][{SPACES}]?(?P<times>{_POWER}))?
      (?P<suffix>(?:st|nd|rd|th|s)(?!\w))?
    | (?P<parts>(?:an?|one|{_COUNT})
        (?:-(?:{"|".join(_PARTS)})s?|[ ](?:{"|".join(_PARTS)})(?=\s+of\b)|[ ](?:{"|".join(_PARTS)})s))\b
    | (?P<words>{_SPELLED}\b(?:[\s-]{_SCALE}\b(?:[\s-](?:and\s)?(?:{_SPELLED}|one)\b)?){{0,6}})
    )
    (?P<scales>(?:[ \u00a0-]{_SCALE}\b){{0,3}})
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SHORT = re.compile(r"(k|K|M|m|bn|B)(?!\w)")
_NAME_BEFORE = re.compile(rf"(\w+){_DASH}$")
_NO_NAMES = {"mid", "pre", "post", "sub", "non", "early", "late", "circa"}
# What may stand between two numbers that share the unit of the second.
_SHARED = re.compile(rf"[{SPACES}]?(?:{_DASH}|±|\+/-|to|and|or|×|x|by)[{SPACES}]?")


@dataclass(frozen=True)
class Quantity:
    """A number: `text` is the characters `start` to `end`, `key` the same however the value is written.

    `unit` is the unit's one name, `unit_text` the unit as written; both are empty where there is none.
    """

    start: int
    end: int
    text: str
    key: str
    unit: str = ""
    unit_text: str = ""
    after: int = 0  # where number and unit end


def find(text: str) -> list[Quantity]:
    """Every number in `text`, in order. In "5 to 10 km" both have the unit.

    Spelled-out numbers count from two up, and "a hundred", "one million", "two-thirds"; a bare "one"
    doesn't (it is a pronoun more often), nor do ordinals in words. Digits in names (COVID-19, p53, 3D) are
    no numbers.
    """
    found: list[Quantity] = []
    waiting: list[Quantity] = []  # may still get the unit of the next number
    for quantity in _numbers(text):
        if waiting and not _SHARED.fullmatch(text, waiting[-1].end, quantity.start):
            found += waiting
            waiting = []
        waiting.append(quantity)
        if quantity.unit:
            found += [replace(q, unit=quantity.unit, unit_text=quantity.unit_text) for q in waiting]
            waiting = []
    return found + waiting


def _numbers(text: str) -> Iterator[Quantity]:
    at = 0
    while found := _NUMBER.search(text, at):
        at = found.end()
        if found["digits"] and _hangs_to_name(text, found):
            continue
        key = _key(found)
        short = _SHORT.match(text, at) if found["digits"] else None
        if short and (found["currency"] or short[1] in {"k", "bn"}):
            key, at = str(Fraction(key) * _SHORT_SCALES[short[1]]), short.end()
        start = found.end("currency") if found["currency"] else found.start()
        written = text[start:at].lstrip(SPACES)
        number = Quantity(at - len(written), at, written, key, after=at)
        if found["currency"]:
            number = replace(number, unit=_CURRENCIES[found["currency"].lower()], unit_text=found["currency"])
        else:
            unit, unit_text, after = units.match(text, at)
            if not unit and (text[at : at + 1].isalpha() or text[at : at + 1] == "_"):
                continue
            number, at = replace(number, unit=unit, unit_text=unit_text, after=after), after
        yield number


def _hangs_to_name(text: str, found: re.Match[str]) -> bool:
    """GPT-4 and Apollo-11 are names, mid-1990s is a number; before the sign's hyphen stands no word."""
    before = _NAME_BEFORE.search(text[max(0, found.start() - 24) : found.start()])
    if not before or before[1][0].isdigit():
        return False
    return before[1] != before[1].lower() and before[1].lower() not in _NO_NAMES


def _key(found: re.Match[str]) -> str:
    if written := found["literal"]:
        return written
    if found["words"]:
        return str(_spelled(found["words"]))
    plain = re.sub(f"[,{SPACES}]", "", found["digits"] or "")
    if found["suffix"]:
        return plain + found["suffix"].lower()
    if plain.count(".") > 1 or len(plain) > 60:
        return plain  # a version or a serial number, not a quantity
    value = _value(found, plain)
    if value is None:
        return found[0]
    for scale in re.split(r"[-\s]", found["scales"].lower()):
        value *= _SCALES.get(scale, 1)
    return ("-" if value and (found["sign"] or "") in {"-", "−"} else "") + str(value)


def _value(found: re.Match[str], plain: str) -> Fraction | None:
    if found["fraction"]:
        top, bottom = found["fraction"].split("/")
        return Fraction(int(top), int(bottom)) if int(bottom) else None
    if found["power"]:
        return _power(found["power"][2:])
    if found["vulgar"]:
        return Fraction(found["whole"] or 0) + Fraction(_VULGAR[found["vulgar"]])
    if found["parts"]:
        count, part = re.split(r"[- ]", found["parts"].lower(), maxsplit=1)
        return Fraction(_VALUES[count], _PARTS[part] if part in _PARTS else _PARTS[part[:-1]])
    value = Fraction("0" + plain if plain.startswith(".") else plain)
    if found["e"]:
        value *= _power(found["e"][1:])
    if found["times"]:
        value *= _power(found["times"][2:])
    return value


def _power(exponent: str) -> Fraction:
    """Bounded beyond any quantity there is: as a fraction a larger one would fill the memory."""
    value = int(exponent.strip("^{}").translate(SUPERSCRIPTS))
    return Fraction(10) ** max(-400, min(400, value))


def _spelled(words: str) -> int:
    total = current = 0
    for word in re.split(r"[\s\u2010\u2011-]+", words.lower()):
        if word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
        else:
            current += _VALUES.get(word, 0)
    return total + current
