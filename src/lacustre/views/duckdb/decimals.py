"""Exact decimals. A decimal is text, its JSON lexeme: `1.10`, `1E2`, thirty digits.

Doubles only ever decide what they can: rounding keeps the order, so that two lexemes whose doubles differ
compare as their doubles do. Lexemes with the same double are compared digit by digit, as big integers of one
scale. Arithmetic is done on integers; a result is rounded to 38 significant digits, a quotient has 28 or more.

Out of range are exponents beyond ±1000, and factors, dividends and divisors of more than 38 digits, leading zeros
not counted; a dividend counts as no shorter than its divisor. A divisor of more than 24 digits is out of range
where a remainder times 10^14 has more than a HUGEINT holds. The result is then empty (FHIRPath §6.6, overflow).
Terms of sums and differences may have any number of digits, and so may what is compared. A number too small for
a double (below 1E-323) counts as 0 in calculations with short operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Reader, Sql

Stage: TypeAlias = Callable[[Reader], dict[str, Sql]]
"""A step of a calculation: the values that it makes of those of the step before."""

_LEXEME = r"^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$"
_SOME_DIGIT = "^[^eE]*[1-9]"
_MAX_EXPONENT = 1000
_MAX_DIGITS = 38
_HALF = 19
"""Two integers of so many digits have a product that a HUGEINT holds."""

_FAST = "DECIMAL(18, 6)"
_WIDE = "DECIMAL(38, 6)"
_FAST_LENGTH = 15
"""Lexemes of so many characters are told apart by their doubles; those that the type above holds are quick."""

_CHUNK = 14
_CHUNKS = 2
"""A quotient is worked out in so many chunks of digits after the first."""


def compare_decimals(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares two lexemes by value; null where one of them is no number."""
    doubles = (sql.try_cast(left, "DOUBLE"), sql.try_cast(right, "DOUBLE"))
    by_double = {"=": sql.FALSE(), "!=": sql.TRUE()}.get(operator, sql.compare(operator, *doubles))
    equal = sql.TRUE() if operator in ("=", "<=", ">=") else sql.FALSE()
    exact = sql.case((sql.compare("=", left, right), equal), default=_compare_digits(operator, left, right))
    return sql.case((sql.compare("!=", *doubles), by_double), (sql.compare("=", *doubles), exact))


def calculate_decimals(operator: str, left: Sql, right: Sql) -> Sql:
    """The sum, difference, product or quotient of two lexemes; null out of range and for division by zero."""

    def calculated(of: Reader) -> Sql:
        stages = (_read_numbers, *_CALCULATIONS[operator], _write_unsigned, _round)
        exact = sql.pipeline("d", _read_parts(of("a"), of("b")), stages, _write_stripped)
        if operator == "/":
            return exact
        wide = (sql.cast_to(of(side), _WIDE) for side in ("x", "y"))
        quick = sql.cast_to(sql.arithmetic(operator, *wide), "VARCHAR")
        fits = sql.all_of(_is_quick(of("a"), of("x")), _is_quick(of("b"), of("y")))
        return sql.case((fits, _stripped(quick)), default=exact)

    return sql.pipeline("k", {"a": left, "b": right}, () if operator == "/" else (_quicken,), calculated)


def _quicken(of: Reader) -> dict[str, Sql]:
    return {"a": of("a"), "b": of("b"), "x": sql.try_cast(of("a"), _FAST), "y": sql.try_cast(of("b"), _FAST)}


def _is_quick(lexeme: Sql, quick: Sql) -> Sql:
    """Whether a short lexeme is what the quick type made of it."""
    short = sql.compare("<=", sql.call("length", lexeme), sql.number(_FAST_LENGTH))
    return sql.all_of(short, sql.compare("=", sql.try_cast(lexeme, "DOUBLE"), sql.cast_to(quick, "DOUBLE")))


def divide_whole(left: Sql, right: Sql) -> Sql:
    """The whole part of a quotient, an INTEGER; null out of range and for division by zero."""

    def divided(of: Reader) -> Sql:
        return sql.try_cast(sql.call("divide", of("a"), of("b")), "INTEGER")

    return sql.pipeline("d", _read_parts(left, right), (_read_numbers, _align_integers), divided)


def remainder_of(left: Sql, right: Sql) -> Sql:
    """What is left of the dividend beside the whole quotient; it has the sign of the dividend."""

    def remaining(of: Reader) -> dict[str, Sql]:
        return {"m": sql.cast_to(sql.call("mod", of("a"), of("b")), "VARCHAR"), "s": of("s")}

    return write_number(_read_parts(left, right), (_read_numbers, _align_integers, remaining))


def _align_integers(of: Reader) -> dict[str, Sql]:
    """Dividend and divisor at their greater scale `s`; null where they have more than 38 digits there."""
    left, right = (sql.try_cast(sql.cast_to(side, "VARCHAR"), "HUGEINT") for side in _aligned(of))
    return {"a": left, "b": sql.call("nullif", right, sql.number(0)), "s": sql.call("greatest", of("ls"), of("rs"))}


def round_decimal(value: Sql, places: int) -> Sql:
    """Half away from zero, to so many places after the point."""
    stages = (read_number, _write_unsigned, _cut_at(places), _round_up)
    return write_number({"v": parts_of(value)}, stages)


def _cut_at(places: int) -> Stage:
    """The digits `d`, long enough to lose the `x` last ones."""

    def cut(of: Reader) -> dict[str, Sql]:
        surplus = sql.call("greatest", sql.arithmetic("-", of("s"), sql.number(places)), sql.number(0))
        width = sql.call("greatest", sql.call("length", of("d")), sql.arithmetic("+", surplus, sql.number(1)))
        padded = sql.call("lpad", of("d"), sql.cast_to(width, "INTEGER"), sql.text("0"))
        return {"d": padded, "n": of("n"), "s": of("s"), "x": surplus}

    return cut


def _round_up(of: Reader) -> dict[str, Sql]:
    kept = sql.arithmetic("-", sql.call("length", of("d")), of("x"))
    head = sql.cast_to(sql.call("left", of("d"), kept), "BIGNUM")
    next_digit = sql.call("substr", of("d"), sql.arithmetic("+", kept, sql.number(1)), sql.number(1))
    up = sql.cast_to(sql.cast_to(sql.compare(">=", next_digit, sql.text("5")), "INTEGER"), "BIGNUM")
    rounded = sql.cast_to(sql.arithmetic("+", head, up), "VARCHAR")
    return {"m": sql.concat(of("n"), rounded), "s": sql.arithmetic("-", of("s"), of("x"))}


def whole_part(plain: Sql) -> Sql:
    """A lexeme without exponent as an INTEGER, its fraction left out; null out of range."""
    return sql.try_cast(sql.call("split_part", plain, sql.text("."), sql.number(1)), "INTEGER")


def round_whole(value: Sql, *, up: bool) -> Sql:
    """The next whole number up or down, an INTEGER; null out of range."""

    def rounded(of: Reader) -> Sql:
        fraction = sql.call("regexp_matches", of("p"), sql.text("[.][0-9]*[1-9]"))
        negative = sql.call("starts_with", of("p"), sql.text("-"))
        beyond = sql.all_of(fraction, sql.negate(negative) if up else negative)
        whole = sql.cast_to(whole_part(of("p")), "BIGINT")
        return sql.try_cast(sql.arithmetic("+" if up else "-", whole, sql.cast_to(beyond, "INTEGER")), "INTEGER")

    return sql.let("f", {"p": write_plain(value)}, rounded)


def write_double(value: Sql, digits: int) -> Sql:
    """The lexeme of a DOUBLE to so many significant digits; null where it is no number or infinite."""

    def written(of: Reader) -> Sql:
        text = sql.call("printf", sql.text(f"%.{digits}g"), of("x"))
        zero = sql.compare("=", of("x"), sql.number(0))
        return sql.case((zero, sql.text("0")), (sql.call("isfinite", of("x")), text))

    return sql.let("d", {"x": value}, written)


def negate_decimal(value: Sql) -> Sql:
    """The lexeme with the other sign; zero has none."""
    rest = sql.call("substr", value, sql.number(2))
    negative = sql.call("starts_with", value, sql.text("-"))
    return sql.case((negative, rest), (is_zero(value), value), default=sql.concat(sql.text("-"), value))


def is_zero(value: Sql) -> Sql:
    """Whether a lexeme has no digit but 0 before its exponent."""
    return sql.negate(sql.call("regexp_matches", value, sql.text(_SOME_DIGIT)))


def write_plain(value: Sql) -> Sql:
    """A lexeme without exponent, its digits kept: `1.50E1` is `15.0` (FHIRPath, toString)."""
    plain = sql.negate(sql.call("regexp_matches", value, sql.text("[eE]")))
    written = sql.pipeline("d", {"v": parts_of(value)}, (read_number, _write_unsigned), _write_digits)
    return sql.case((plain, value), default=written)


def write_number(number: sql.Fields, stages: Sequence[Stage]) -> Sql:
    """The lexeme of the digits `m` × 10^-`s` that the last stage gives, without trailing zeros."""
    return sql.pipeline("d", number, (*stages, _write_unsigned), _write_stripped)


def read_number(of: Reader) -> dict[str, Sql]:
    """The digits `m`, a text, and the scale `s` of the parts `v` of a lexeme."""
    return {"m": _digits(of("v")), "s": _scale(of("v"))}


def power_of_ten(exponent: Sql) -> Sql:
    return sql.cast_to(sql.concat(sql.text("1"), _zeros(exponent)), "HUGEINT")


def parts_of(lexeme: Sql) -> Sql:
    """The digits before the point with their sign (`w`), those after it (`f`) and the exponent (`e`)."""
    names = sql.array(sql.text("w"), sql.text("f"), sql.text("e"))
    return sql.call("regexp_extract", lexeme, sql.text(_LEXEME), names)


def _digits(parts: Sql) -> Sql:
    """All digits with their sign; null where the text is no number."""
    return sql.call("nullif", sql.concat(sql.member(parts, "w"), sql.member(parts, "f")), sql.text(""))


def _scale(parts: Sql) -> Sql:
    """How many of the digits stand after the point; null where the exponent is out of any reason."""
    written = sql.member(parts, "e")
    none = sql.compare("=", written, sql.text(""))
    exponent = sql.case((none, sql.number(0)), default=sql.try_cast(written, "INTEGER"))
    within = sql.compare("<=", sql.call("abs", exponent), sql.number(_MAX_EXPONENT))
    fraction = sql.call("length", sql.member(parts, "f"))
    return sql.case((within, sql.arithmetic("-", fraction, exponent)))


def _zeros(count: Sql) -> Sql:
    return sql.call("repeat", sql.text("0"), count)


def _stripped(lexeme: Sql) -> Sql:
    pointed = sql.call("contains", lexeme, sql.text("."))
    bare = sql.call("rtrim", sql.call("rtrim", lexeme, sql.text("0")), sql.text("."))
    return sql.case((pointed, bare), default=lexeme)


def _read_parts(left: Sql, right: Sql) -> dict[str, Sql]:
    return {"l": parts_of(left), "r": parts_of(right)}


def _read_numbers(of: Reader) -> dict[str, Sql]:
    """The digits (`lm`, `rm`, texts) and the scales (`ls`, `rs`) of two lexemes."""
    return {"lm": _digits(of("l")), "ls": _scale(of("l")), "rm": _digits(of("r")), "rs": _scale(of("r"))}


def _compare_digits(operator: str, left: Sql, right: Sql) -> Sql:
    def compared(of: Reader) -> Sql:
        return sql.compare(operator, *_aligned(of))

    return sql.pipeline("d", _read_parts(left, right), (_read_numbers,), compared)


def _aligned(of: Reader) -> tuple[Sql, Sql]:
    """The digits of both numbers at their greater scale, as big integers."""
    scale = sql.call("greatest", of("ls"), of("rs"))
    left, right = (
        sql.try_cast(sql.concat(of(f"{side}m"), _zeros(sql.arithmetic("-", scale, of(f"{side}s")))), "BIGNUM")
        for side in ("l", "r")
    )
    return left, right


def _sum(operator: str) -> Stage:
    def calculate(of: Reader) -> dict[str, Sql]:
        total = sql.arithmetic(operator, *_aligned(of))
        return {"m": sql.cast_to(total, "VARCHAR"), "s": sql.call("greatest", of("ls"), of("rs"))}

    return calculate


def _integer(digits: Sql) -> Sql:
    """An integer of at most 38 digits; null where there are more."""
    return sql.cast_to(sql.try_cast(digits, f"DECIMAL({_MAX_DIGITS}, 0)"), "HUGEINT")


def _halve(of: Reader) -> dict[str, Sql]:
    """Both factors cut into halves of 19 digits, for products that a HUGEINT holds."""
    halves: dict[str, Sql] = {"n": _sign_of_result(of), "s": sql.arithmetic("+", of("ls"), of("rs"))}
    unit = sql.cast_to(sql.text("1" + "0" * _HALF), "HUGEINT")
    for side in ("l", "r"):
        absolute = sql.call("abs", _integer(of(f"{side}m")))
        halves[f"{side}h"] = sql.call("divide", absolute, unit)
        halves[f"{side}l"] = sql.call("mod", absolute, unit)
    return halves


def _multiply(of: Reader) -> dict[str, Sql]:
    """The products of the halves, laid together as big integers."""
    total: Sql = sql.cast_to(sql.text("0"), "BIGNUM")
    for left, right, zeros in (("lh", "rh", 2 * _HALF), ("lh", "rl", _HALF), ("ll", "rh", _HALF), ("ll", "rl", 0)):
        product = sql.cast_to(sql.arithmetic("*", of(left), of(right)), "VARCHAR")
        term = sql.cast_to(sql.concat(product, sql.text("0" * zeros)), "BIGNUM")
        total = sql.arithmetic("+", total, term)
    return {"m": sql.concat(of("n"), sql.cast_to(total, "VARCHAR")), "s": of("s")}


def _sign_of_result(of: Reader) -> Sql:
    signs = (sql.call("starts_with", of(f"{side}m"), sql.text("-")) for side in ("l", "r"))
    return sql.case((sql.compare("!=", *signs), sql.text("-")), default=sql.text(""))


def _prepare_division(of: Reader) -> dict[str, Sql]:
    """The dividend `a`, brought to the length of the divisor `b`."""
    lengths = (sql.call("length", sql.call("ltrim", of(f"{side}m"), sql.text("+-0"))) for side in ("r", "l"))
    shift = sql.call("greatest", sql.arithmetic("-", *lengths), sql.number(0))
    dividend = _integer(sql.concat(of("lm"), _zeros(shift)))
    divisor = sql.call("nullif", _integer(of("rm")), sql.number(0))
    scale = sql.arithmetic("+", sql.arithmetic("-", of("ls"), of("rs")), shift)
    return {
        "a": sql.call("abs", dividend),
        "b": sql.call("abs", divisor),
        "n": _sign_of_result(of),
        "s": sql.arithmetic("+", scale, sql.number(_CHUNK * _CHUNKS)),
    }


def _divide(of: Reader) -> dict[str, Sql]:
    """The quotient `q`, a text, and the remainder `r`."""
    quotient = sql.cast_to(sql.call("divide", of("a"), of("b")), "VARCHAR")
    return {"q": quotient, "r": sql.call("mod", of("a"), of("b")), "b": of("b"), "n": of("n"), "s": of("s")}


def _divide_on(of: Reader) -> dict[str, Sql]:
    """A chunk of digits more."""
    further = sql.try_(sql.arithmetic("*", of("r"), sql.number(10**_CHUNK)))
    chunk = sql.call("lpad", _quotient_text(further, of("b")), sql.number(_CHUNK), sql.text("0"))
    digits = sql.concat(of("q"), chunk)
    return {"q": digits, "r": sql.call("mod", further, of("b")), "b": of("b"), "n": of("n"), "s": of("s")}


def _quotient_text(dividend: Sql, divisor: Sql) -> Sql:
    return sql.cast_to(sql.call("divide", dividend, divisor), "VARCHAR")


def _round_quotient(of: Reader) -> dict[str, Sql]:
    """Half up, by the remainder."""
    up = sql.compare(">=", of("r"), sql.arithmetic("-", of("b"), of("r")))
    last = sql.cast_to(sql.cast_to(up, "INTEGER"), "BIGNUM")
    rounded = sql.arithmetic("+", sql.cast_to(of("q"), "BIGNUM"), last)
    return {"m": sql.concat(of("n"), sql.cast_to(rounded, "VARCHAR")), "s": of("s")}


def _write_unsigned(of: Reader) -> dict[str, Sql]:
    """The digits `d` of a number without sign and leading zeros, and the sign `n`."""
    negative = sql.call("starts_with", of("m"), sql.text("-"))
    sign = sql.case((negative, sql.text("-")), default=sql.text(""))
    bare = sql.call("ltrim", of("m"), sql.text("+-0"))
    digits = sql.case((sql.compare("=", bare, sql.text("")), sql.text("0")), default=bare)
    return {"d": digits, "n": sign, "s": of("s")}


def _round(of: Reader) -> dict[str, Sql]:
    """To the most digits that further arithmetic can take."""
    surplus = sql.arithmetic("-", sql.call("length", of("d")), sql.number(_MAX_DIGITS))
    head = sql.try_cast(sql.call("left", of("d"), sql.number(_MAX_DIGITS)), "HUGEINT")
    next_digit = sql.call("substr", of("d"), sql.number(_MAX_DIGITS + 1), sql.number(1))
    up = sql.cast_to(sql.compare(">=", next_digit, sql.text("5")), "INTEGER")
    rounded = sql.cast_to(sql.arithmetic("+", head, up), "VARCHAR")
    long = sql.compare(">", surplus, sql.number(0))
    return {
        "d": sql.case((long, rounded), default=of("d")),
        "n": of("n"),
        "s": sql.arithmetic("-", of("s"), sql.call("greatest", surplus, sql.number(0))),
    }


def _write_digits(of: Reader) -> Sql:
    """The lexeme of the digits `d` × 10^-`s` with sign `n`, with all its digits and without exponent."""
    width = sql.call("greatest", sql.call("length", of("d")), sql.arithmetic("+", of("s"), sql.number(1)))
    padded = sql.call("lpad", of("d"), sql.cast_to(width, "INTEGER"), sql.text("0"))
    whole = sql.call("left", padded, sql.arithmetic("-", width, of("s")))
    fraction = sql.concat(sql.text("."), sql.call("right", padded, of("s")))
    zero = sql.compare("=", of("d"), sql.text("0"))
    zeros = sql.case((zero, sql.text("")), default=_zeros(sql.arithmetic("-", sql.number(0), of("s"))))
    integer = sql.concat(of("n"), of("d"), zeros)
    fits = sql.compare("<=", of("s"), sql.number(0))
    return sql.case((fits, integer), default=sql.concat(of("n"), whole, fraction))


def _write_stripped(of: Reader) -> Sql:
    """As `_write_digits`, without trailing zeros after the point: `150` and 2 are `1.5`."""
    zero = sql.compare("=", of("d"), sql.text("0"))
    return sql.case((zero, sql.text("0")), default=_stripped(_write_digits(of)))


_CALCULATIONS: dict[str, tuple[Stage, ...]] = {
    "+": (_sum("+"),),
    "-": (_sum("-"),),
    "*": (_halve, _multiply),
    "/": (_prepare_division, _divide, *(_divide_on,) * _CHUNKS, _round_quotient),
}
