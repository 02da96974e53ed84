"""Units of measure as science prose writes them, each under one name."""

from __future__ import annotations

import re

SPACES = " \u00a0\u2009\u202f"
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")

# The one name, then "symbols | words". Symbols are case-sensitive (mg is not Mg), words are not and may have
# an s.
_TABLE = """
m: m | metre meter
km: km | kilometre kilometer
cm: cm | centimetre centimeter
mm: mm | millimetre millimeter
µm: µm μm um | micrometre micrometer micron
nm: nm | nanometre nanometer
pm: pm | picometre picometer
Å: Å | ångström angstrom ångstrom
mile: mi | mile
ft: ft | foot feet
inch: | inch inche
yard: yd | yard
ly: ly | light-year light\u2011year
AU: AU au | astronomical_unit
pc: pc | parsec
kpc: kpc | kiloparsec
Mpc: Mpc | megaparsec
ha: ha | hectare
acre: | acre
kg: kg | kilogram kilogramme kilo
g: g | gram gramme
mg: mg | milligram
µg: µg μg ug | microgram
ng: ng | nanogram
pg: pg | picogram
t: t | tonne
ton: | ton
lb: lb lbs | pound
oz: oz | ounce
s: s sec | second
ms: ms | millisecond
µs: µs μs us | microsecond
ns: ns | nanosecond
min: min mins | minute
h: h hr hrs | hour
day: | day
week: wk | week
month: | month
year: yr yrs | year
decade: | decade
century: | century centurie
generation: | generation
°: ° | degree
°C: °C ℃ | celsius centigrade
°F: °F ℉ | fahrenheit
K: K | kelvin
Hz: Hz | hertz
kHz: kHz | kilohertz
MHz: MHz | megahertz
GHz: GHz | gigahertz
THz: THz | terahertz
W: W | watt
kW: kW | kilowatt
MW: MW | megawatt
GW: GW | gigawatt
TW: TW | terawatt
Wh: Wh | watt-hour
kWh: kWh | kilowatt-hour
MWh: MWh | megawatt-hour
GWh: GWh | gigawatt-hour
TWh: TWh | terawatt-hour
J: J | joule
kJ: kJ | kilojoule
MJ: MJ | megajoule
cal: cal | calorie
kcal: kcal | kilocalorie
eV: eV | electronvolt electron_volt
keV: keV |
MeV: MeV |
GeV: GeV |
TeV: TeV |
V: V | volt
mV: mV | millivolt
kV: kV | kilovolt
N: N | newton
Pa: Pa | pascal
hPa: hPa | hectopascal
kPa: kPa | kilopascal
MPa: MPa | megapascal
GPa: GPa | gigapascal
T: T | tesla
mT: mT |
Bq: Bq | becquerel
Sv: Sv | sievert
mSv: mSv | millisievert
Gy: Gy | gray
Ω: Ω | ohm
dB: dB | decibel
mol: mol | mole
mmol: mmol | millimole
µmol: µmol μmol | micromole
mM: mM | millimolar
µM: µM μM uM | micromolar
nM: nM | nanomolar
L: L l | litre liter
mL: mL ml | millilitre milliliter
µL: µL μL µl μl uL | microlitre microliter
ppm: ppm | parts_per_million
ppb: ppb | parts_per_billion
bp: bp | base_pair base-pair
kb: kb | kilobase
Mb: Mb | megabase
byte: | byte
kB: kB KB | kilobyte
MB: MB | megabyte
GB: GB | gigabyte
TB: TB | terabyte
%: % | percent per_cent
‰: ‰ |
point: | percentage_point
times: × x | fold time
mile/h: mph |
km/h: kph kmh |
rpm: rpm |
lux: lux |
USD: | dollar
EUR: | euro
people: | people
"""

_SYMBOLS: dict[str, str] = {}
_WORDS: dict[str, str] = {}
for _line in _TABLE.strip().splitlines():
    _name, _, _forms = _line.partition(": ")
    _symbols, _, _words = _forms.partition("|")
    _SYMBOLS |= dict.fromkeys(_symbols.split(), _name)
    _WORDS |= {word.replace("_", " "): _name for word in _words.split()}


def _alternatives(forms: dict[str, str]) -> str:
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))


def _one(n: int) -> str:
    return (
        rf"(?:(?P<square{n}>square[ ]|sq\.?[ ])|(?P<cubic{n}>cubic[ ]))?"
        rf"(?:(?P<symbol{n}>{_alternatives(_SYMBOLS)})|(?P<word{n}>(?i:{_alternatives(_WORDS)})s?))"
        rf"(?P<exponent{n}>\^?[-−⁻]?[²³¹]|\^[-−]?\d)?(?![\w°])"
    )


_UNIT = re.compile(
    rf"[{SPACES}\u2010\u2011-]?(?:degrees?[ ](?=(?i:celsius|centigrade|fahrenheit)))?{_one(1)}"
    rf"(?:(?:/|[ ]per[ ](?:an?[ ])?|[ ]an?[ ]){_one(2)}"
    rf"|[{SPACES}·](?P<symbol3>s|min|h|yr|m|kg|mol|L)(?P<exponent3>[-−⁻][123¹²³])(?!\w))?"
)


def match(text: str, at: int) -> tuple[str, str, int]:
    """The unit that begins at `at` (a space or hyphen before it allowed): its name, as written, and its end.

    Compounds have names too: "m/s" for "metres per second" and "m s⁻¹", "km2" for "square kilometres".
    Two empty strings and `at` where there is none.
    """
    found = _UNIT.match(text, at)
    if not found:
        return "", "", at
    name = _name_of(found, 1)
    if found["symbol2"] or found["word2"]:
        name += "/" + _name_of(found, 2)
    elif found["symbol3"]:
        power = found["exponent3"].translate(SUPERSCRIPTS).lstrip("-")
        name += "/" + _SYMBOLS[found["symbol3"]] + power.replace("1", "")
    return name, found[0].strip(SPACES + "-\u2010\u2011"), found.end()


def _name_of(found: re.Match[str], which: int) -> str:
    if symbol := found[f"symbol{which}"]:
        name = _SYMBOLS[symbol]
    else:
        word = found[f"word{which}"].lower()
        name = _WORDS[word] if word in _WORDS else _WORDS[word[:-1]]
    if found[f"square{which}"]:
        return f"{name}2"
    if found[f"cubic{which}"]:
        return f"{name}3"
    return name + (found[f"exponent{which}"] or "").translate(SUPERSCRIPTS).replace("^", "")
