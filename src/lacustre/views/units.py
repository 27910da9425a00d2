"""Units of quantities: which UCUM units measure the same, and by what exact factor (UCUM 2.1, case-sensitive).

Known are the units of clinical data; of an unknown one nothing is said but that it equals itself. Stricter than
UCUM where that would mislead: a unit with an annotation (`mL/min/{1.73_m2}`) only equals itself, equivalents and
osmoles are no moles, and a ratio of masses is no percentage. Units that are not factors of others (degrees Celsius)
and arbitrary ones ([iU]) only go with their own multiples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from types import MappingProxyType

Dimension = tuple[tuple[str, int], ...]

_PREFIXES = {"da": 1} | dict(zip("YZEPTGMkh", (24, 21, 18, 15, 12, 9, 6, 3, 2), strict=True))
_PREFIXES |= dict(zip("dcmunpfazy", (-1, -2, -3, -6, -9, -12, -15, -18, -21, -24), strict=True))

_METRIC: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **{base: ("1", base) for base in ("m", "g", "s", "K", "C", "cd", "rad", "mol", "eq", "osm", "Cel", "[iU]")},
        "L": ("0.001", "m3"),
        "l": ("0.001", "m3"),
        "Hz": ("1", "s-1"),
        "N": ("1000", "g.m.s-2"),
        "Pa": ("1000", "g.m-1.s-2"),
        "bar": ("100000000", "g.m-1.s-2"),
        "m[Hg]": ("133322000", "g.m-1.s-2"),
        "m[H2O]": ("9806650", "g.m-1.s-2"),
        "J": ("1000", "g.m2.s-2"),
        "cal": ("4184", "g.m2.s-2"),
        "W": ("1000", "g.m2.s-3"),
        "kat": ("1", "mol.s-1"),
        "t": ("1000000", "g"),
        "[IU]": ("1", "[iU]"),
    }
)
"""Atoms that take prefixes: so many times a product of base units."""

_PLAIN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "%": ("0.01", ""),
        "[ppth]": ("0.001", ""),
        "[ppm]": ("0.000001", ""),
        "min": ("60", "s"),
        "h": ("3600", "s"),
        "d": ("86400", "s"),
        "wk": ("604800", "s"),
        "[lb_av]": ("453.59237", "g"),
        "[oz_av]": ("28.349523125", "g"),
        "[in_i]": ("0.0254", "m"),
        "[ft_i]": ("0.3048", "m"),
        "[mi_i]": ("1609.344", "m"),
        "[pH]": ("1", "[pH]"),
        "[degF]": ("1", "[degF]"),
        "a": ("1", "a"),
        "mo": ("1", "mo"),
        "[drp]": ("0.00000005", "m3"),
        "U": ("1", "U"),
        "mU": ("0.001", "U"),
        "kU": ("1000", "U"),
        "uU": ("0.000001", "U"),
        "nU": ("0.000000001", "U"),
    }
)
"""Atoms without prefixes (and the enzyme unit, whose amount of substance per second has no end of digits)."""

_CALENDAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
_CALENDAR_UNITS = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
"""The calendar durations that are as long as a unit of UCUM; years and months are not."""

_COMMON = """
    kg g mg ug ng pg fg [lb_av] [oz_av] t m dm cm mm um nm km [in_i] [ft_i] [mi_i] m2 cm2 mm2 m3 cm3 mm3
    L dL cL mL uL nL pL fL l dl cl ml ul mol mmol umol nmol pmol eq meq ueq osm mosm s ms us ns min h d wk
    Pa hPa kPa MPa bar mbar mm[Hg] cm[H2O] J kJ cal kcal W kW mW Hz kHz MHz N % [ppth] [ppm] 1 U kU mU uU nU
    [iU] k[iU] m[iU] u[iU] [IU] kat nkat ukat
    g/L g/dL g/mL mg/L mg/dL mg/mL ug/L ug/dL ug/mL ng/L ng/dL ng/mL pg/mL pg/dL pg/L kg/L kg/m3 kg/m2 g/m2 g/cm2
    mol/L mmol/L umol/L nmol/L pmol/L mmol/dL umol/dL nmol/dL mol/m3 mol/kg mmol/kg mmol/mol meq/L meq/dL meq/mL
    mosm/L mosm/kg osm/kg g/g mg/g ug/g ng/g ug/mg ng/mg mg/mmol g/mol ug/mmol mg/mol
    U/L kU/L mU/L mU/mL U/mL U/dL uU/mL nU/mL [iU]/L [iU]/mL k[iU]/L k[iU]/mL m[iU]/L m[iU]/mL u[iU]/mL u[iU]/L [iU]/dL
    /L /dL /mL /uL /nL /mm3 10*3/uL 10*6/uL 10*9/L 10*12/L 10*6/L 10*3/mL 10*6/mL 10*3/L 10*3/mm3
    /min /s /h /d mL/min L/min mL/h L/h mL/s L/s mL/d L/d mL/kg mL/kg/h mL/kg/min L/min/m2
    mg/d g/d ug/d mg/h ug/h ug/min mg/min ug/kg/min mg/kg mg/kg/d mg/kg/h ug/kg ug/kg/h g/kg
    mg/m2 m/s cm/s km/h mm/h mmol/d umol/d mmol/h
    """
"""Units that clinical data are in."""

_TERM = re.compile(r"([./]?)(10[*^]|[A-Za-z%]*\[[^\]]+\]|[A-Za-z%]+|[0-9]+)([+-]?[0-9]+)?")
_DIGITS = 60
"""A bound that does not end is cut here, and is between all decimals of so many digits."""


@dataclass(frozen=True, slots=True)
class Measure:
    """So many times a product of base units."""

    factor: Fraction
    dimension: Dimension


def is_calendar(unit: str) -> bool:
    """Whether a unit, without quotes, is a calendar duration (`day`, `days`)."""
    return unit.removesuffix("s") in _CALENDAR


@cache
def measure_of(unit: str, *, calendar: bool = False) -> Measure | None:
    """What a UCUM unit or a calendar duration measures; None for one that is not known."""
    if calendar:
        singular = unit.removesuffix("s")
        ucum = _CALENDAR_UNITS.get(singular)
        return measure_of(ucum) if ucum else Measure(Fraction(1), ((singular, 1),))
    if unit == "1":
        return Measure(Fraction(1), ())
    return _read(unit) if unit else None


def _read(unit: str) -> Measure | None:
    factor, powers, position = Fraction(1), dict[str, int](), 0
    while position < len(unit):
        found = _TERM.match(unit, position)
        if found is None or found[1] not in (("/", ".") if position else ("/", "")):
            return None
        term = _term(found[2], int(found[3] or 1))
        if term is None:
            return None
        sign = -1 if found[1] == "/" else 1
        factor *= term.factor**sign
        for base, power in term.dimension:
            powers[base] = powers.get(base, 0) + sign * power
        position = found.end()
    return Measure(factor, _dimension(powers))


def _dimension(powers: dict[str, int]) -> Dimension:
    """The powers of base units; a ratio of equal ones is of a kind of its own."""
    found = tuple(sorted((base, power) for base, power in powers.items() if power))
    return found or tuple((f"ratio of {base}", 1) for base in sorted(powers))


def _term(atom: str, power: int) -> Measure | None:
    if atom in ("10*", "10^"):
        return Measure(Fraction(10) ** power, ())
    if atom.isdigit():
        return Measure(Fraction(int(atom)), ()) if int(atom) and power == 1 else None
    known = _atom(atom)
    if known is None:
        return None
    return Measure(known.factor**power, tuple((base, each * power) for base, each in known.dimension))


@cache
def _atom(atom: str) -> Measure | None:
    if atom in _PLAIN:
        return _product(*_PLAIN[atom])
    if atom in _METRIC:
        return _product(*_METRIC[atom])
    for length in (2, 1):
        prefix, rest = atom[:length], atom[length:]
        if prefix in _PREFIXES and rest in _METRIC and rest != "Cel":
            return _product(*_METRIC[rest], exponent=_PREFIXES[prefix])
    return None


def _product(factor: str, bases: str, exponent: int = 0) -> Measure:
    powers = re.findall(r"([^.0-9-]+)(-?[0-9]*)", bases) if "[" not in bases else [(bases, "")]
    dimension = tuple(sorted((base, int(power or 1)) for base, power in powers))
    return Measure(Fraction(factor) * Fraction(10) ** exponent, dimension)


def ratio(unit: Measure, other: Measure) -> Fraction | None:
    """How many of the other unit there are in one; None where they do not measure the same."""
    return unit.factor / other.factor if unit.dimension == other.dimension else None


@cache
def convertible_units(unit: str, *, calendar: bool) -> Mapping[str, Fraction]:
    """The common UCUM units that measure the same as one, with how many of them there are in it."""
    measure = measure_of(unit, calendar=calendar)
    if measure is None:
        return {}
    found = {other: ratio(measure, known) for other in _COMMON.split() if (known := measure_of(other)) is not None}
    return {other: factor for other, factor in found.items() if factor is not None}


def ends(value: Fraction) -> bool:
    """Whether a number has an end of decimal digits."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def write_bound(value: Fraction) -> str:
    """A decimal in digits; one that does not end is cut and marked by a last digit that no data have."""
    whole = ends(value)
    context = Context(prec=400 if whole else _DIGITS)
    digits = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    text = f"{digits:f}"
    if whole:
        return text
    return f"{text if '.' in text else text + '.'}5"
