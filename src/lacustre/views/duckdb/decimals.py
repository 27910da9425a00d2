"""Exact decimals. A decimal is text, its JSON lexeme: `1.10`, `1E2`, thirty digits.

Doubles only ever decide what they can: rounding keeps the order, so that two lexemes whose doubles differ
compare as their doubles do. Lexemes with the same double are compared digit by digit, as big integers of one
scale. Arithmetic is done on integers; a result is rounded to 38 significant digits, a quotient to 28 or more.
Operands of more than 38 digits, and divisors of more than 24, are out of range: the result is empty
(FHIRPath §6.6, overflow).
"""

from __future__ import annotations

from collections.abc import Callable

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Reader, Sql

_LEXEME = r"^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$"
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
    equal = sql.TRUE() if operator in ("=", "<=", ">=") else sql.FALSE()
    by_double = {"=": sql.FALSE(), "!=": sql.TRUE()}.get(operator, sql.compare(operator, *doubles))
    return sql.case(
        (sql.compare("!=", *doubles), by_double),
        (sql.compare("=", left, right), equal),
        default=_compare_digits(operator, left, right),
    )


def calculate_decimals(operator: str, left: Sql, right: Sql) -> Sql:
    """The sum, difference, product or quotient of two lexemes; null out of range and for division by zero."""

    def calculated(of: Reader) -> Sql:
        exact = _with_numbers(of("a"), of("b"), lambda parts: _CALCULATIONS[operator](parts, _write_rounded))
        if operator == "/":
            return exact
        wide = (sql.cast_to(of(side), _WIDE) for side in ("x", "y"))
        quick = sql.cast_to(sql.arithmetic(operator, *wide), "VARCHAR")
        fits = sql.all_of(_is_quick(of("a"), of("x")), _is_quick(of("b"), of("y")))
        return sql.case((fits, _stripped(quick)), default=exact)

    quick = {"x": sql.try_cast(left, _FAST), "y": sql.try_cast(right, _FAST)} if operator != "/" else {}
    return sql.let("k", {"a": left, "b": right, **quick}, calculated)


def _is_quick(lexeme: Sql, quick: Sql) -> Sql:
    """Whether a short lexeme is what the quick type made of it."""
    short = sql.compare("<=", sql.call("length", lexeme), sql.number(_FAST_LENGTH))
    return sql.all_of(short, sql.compare("=", sql.try_cast(lexeme, "DOUBLE"), sql.cast_to(quick, "DOUBLE")))


def negate_decimal(value: Sql) -> Sql:
    rest = sql.call("substr", value, sql.number(2))
    negative = sql.call("starts_with", value, sql.text("-"))
    return sql.case((negative, rest), default=sql.concat(sql.text("-"), value))


def write_plain(value: Sql) -> Sql:
    """A lexeme without exponent, its digits kept: `1.50E1` is `15.0` (FHIRPath, toString)."""
    plain = sql.negate(sql.call("regexp_matches", value, sql.text("[eE]")))
    written = sql.let("d", {"v": _parts(value)}, lambda of: write_digits(_digits(of("v")), _scale(of("v"))))
    return sql.case((plain, value), default=written)


def write_decimal(digits: Sql, scale: Sql) -> Sql:
    """The lexeme of digits × 10^-scale without trailing zeros: `150` and 2 are `1.5`."""
    written = sql.let("w", {"t": write_digits(digits, scale)}, lambda of: _stripped(of("t")))
    return sql.case((sql.call("regexp_full_match", digits, sql.text("-?0*")), sql.text("0")), default=written)


def write_digits(digits: Sql, scale: Sql) -> Sql:
    """The lexeme of digits × 10^-scale, without exponent and with all its digits."""

    def written(of: Reader) -> Sql:
        width = sql.call("greatest", sql.call("length", of("d")), sql.arithmetic("+", of("s"), sql.number(1)))
        padded = sql.call("lpad", of("d"), sql.cast_to(width, "INTEGER"), sql.text("0"))
        whole = sql.call("left", padded, sql.arithmetic("-", width, of("s")))
        fraction = sql.concat(sql.text("."), sql.call("right", padded, of("s")))
        integer = sql.concat(of("n"), of("d"), _zeros(sql.arithmetic("-", sql.number(0), of("s"))))
        fits = sql.compare("<=", of("s"), sql.number(0))
        return sql.case((fits, integer), default=sql.concat(of("n"), whole, fraction))

    negative = sql.call("starts_with", digits, sql.text("-"))
    sign = sql.case((negative, sql.text("-")), default=sql.text(""))
    return sql.let("w", {"d": _unsigned(digits), "n": sign, "s": scale}, written)


def with_parts(value: Sql, body: Callable[[Sql, Sql], Sql]) -> Sql:
    """`body` of the digits of a lexeme, as a HUGEINT, and of its scale; both null out of range."""
    parts = {"v": _parts(value)}
    return sql.let("d", parts, lambda of: body(sql.try_cast(_digits(of("v")), "HUGEINT"), _scale(of("v"))))


def power_of_ten(exponent: Sql) -> Sql:
    return sql.cast_to(sql.concat(sql.text("1"), _zeros(exponent)), "HUGEINT")


def _parts(lexeme: Sql) -> Sql:
    """The digits before the point with their sign (`w`), those after it (`f`) and the exponent (`e`)."""
    names = sql.array(sql.text("w"), sql.text("f"), sql.text("e"))
    return sql.call("regexp_extract", lexeme, sql.text(_LEXEME), names)


def _digits(parts: Sql) -> Sql:
    return sql.concat(sql.member(parts, "w"), sql.member(parts, "f"))


def _scale(parts: Sql) -> Sql:
    """How many of the digits stand after the point; null where the exponent is out of any reason."""
    exponent = sql.coalesce(sql.try_cast(sql.member(parts, "e"), "INTEGER"), sql.number(0))
    within = sql.compare("<=", sql.call("abs", exponent), sql.number(_MAX_EXPONENT))
    fraction = sql.call("length", sql.member(parts, "f"))
    return sql.case((within, sql.arithmetic("-", fraction, exponent)))


def _zeros(count: Sql) -> Sql:
    return sql.call("repeat", sql.text("0"), count)


def _unsigned(digits: Sql) -> Sql:
    return sql.call("ltrim", digits, sql.text("+-"))


def _stripped(lexeme: Sql) -> Sql:
    pointed = sql.call("contains", lexeme, sql.text("."))
    bare = sql.call("rtrim", sql.call("rtrim", lexeme, sql.text("0")), sql.text("."))
    return sql.case((pointed, bare), default=lexeme)


def _with_numbers(left: Sql, right: Sql, body: Callable[[Reader], Sql]) -> Sql:
    """`body` over the digits (`lm`, `rm`, texts) and the scales (`ls`, `rs`) of two lexemes."""

    def numbers(of: Reader) -> Sql:
        parts = {"lm": _digits(of("l")), "ls": _scale(of("l")), "rm": _digits(of("r")), "rs": _scale(of("r"))}
        return sql.let("n", parts, body)

    return sql.let("d", {"l": _parts(left), "r": _parts(right)}, numbers)


def _aligned(of: Reader) -> tuple[Sql, Sql]:
    """The digits of both numbers at their greater scale, as big integers."""
    scale = sql.call("greatest", of("ls"), of("rs"))
    sides = (
        sql.try_cast(sql.concat(of(f"{side}m"), _zeros(sql.arithmetic("-", scale, of(f"{side}s")))), "BIGNUM")
        for side in ("l", "r")
    )
    left, right = sides
    return left, right


def _compare_digits(operator: str, left: Sql, right: Sql) -> Sql:
    return _with_numbers(left, right, lambda of: sql.compare(operator, *_aligned(of)))


_Finish = Callable[[Sql, Sql], Sql]
"""Writes the decimal of some digits and a scale."""


def _write_rounded(digits: Sql, scale: Sql) -> Sql:
    """The lexeme of digits × 10^-scale, rounded to the most digits that further arithmetic can take."""

    def rounded(of: Reader) -> Sql:
        surplus = sql.arithmetic("-", sql.call("length", of("d")), sql.number(_MAX_DIGITS))
        head = sql.cast_to(sql.call("left", of("d"), sql.number(_MAX_DIGITS)), "HUGEINT")
        next_digit = sql.call("substr", of("d"), sql.number(_MAX_DIGITS + 1), sql.number(1))
        up = sql.cast_to(sql.compare(">=", next_digit, sql.text("5")), "INTEGER")
        whole = sql.concat(of("n"), sql.cast_to(sql.arithmetic("+", head, up), "VARCHAR"))
        short = write_decimal(sql.concat(of("n"), of("d")), of("s"))
        long = write_decimal(whole, sql.arithmetic("-", of("s"), surplus))
        return sql.case((sql.compare("<=", surplus, sql.number(0)), short), default=long)

    negative = sql.call("starts_with", digits, sql.text("-"))
    sign = sql.case((negative, sql.text("-")), default=sql.text(""))
    bare = sql.call("ltrim", digits, sql.text("+-0"))
    return sql.let("q", {"d": bare, "n": sign, "s": scale}, rounded)


def _sum(operator: str) -> Callable[[Reader, _Finish], Sql]:
    def calculate(of: Reader, finish: _Finish) -> Sql:
        total = sql.arithmetic(operator, *_aligned(of))
        return finish(sql.cast_to(total, "VARCHAR"), sql.call("greatest", of("ls"), of("rs")))

    return calculate


def _product(of: Reader, finish: _Finish) -> Sql:
    """By halves of 19 digits, whose products are laid together as big integers."""
    parts = {name: half for side in ("l", "r") for name, half in _halves(side, of(f"{side}m")).items()}

    def multiplied(half: Reader) -> Sql:
        terms = (
            sql.cast_to(sql.concat(_text_product(half(f"l{i}"), half(f"r{j}")), sql.text("0" * zeros)), "BIGNUM")
            for i, j, zeros in (("h", "h", 2 * _HALF), ("h", "l", _HALF), ("l", "h", _HALF), ("l", "l", 0))
        )
        first, *others = terms
        total: Sql = first
        for other in others:
            total = sql.arithmetic("+", total, other)
        sign = _sign_of_result(of)
        return finish(sql.concat(sign, sql.cast_to(total, "VARCHAR")), sql.arithmetic("+", of("ls"), of("rs")))

    return sql.let("h", parts, multiplied)


def _text_product(left: Sql, right: Sql) -> Sql:
    return sql.cast_to(sql.arithmetic("*", left, right), "VARCHAR")


def _halves(side: str, digits: Sql) -> dict[str, Sql]:
    absolute = sql.call("abs", sql.try_cast(digits, "HUGEINT"))
    unit = sql.cast_to(sql.text("1" + "0" * _HALF), "HUGEINT")
    return {f"{side}h": sql.call("divide", absolute, unit), f"{side}l": sql.call("mod", absolute, unit)}


def _sign_of_result(of: Reader) -> Sql:
    signs = (sql.call("starts_with", of(f"{side}m"), sql.text("-")) for side in ("l", "r"))
    return sql.case((sql.compare("!=", *signs), sql.text("-")), default=sql.text(""))


def _quotient(of: Reader, finish: _Finish) -> Sql:
    """By long division in chunks of digits, the dividend first brought to the length of the divisor."""
    lengths = (sql.call("length", sql.call("ltrim", of(f"{side}m"), sql.text("+-0"))) for side in ("r", "l"))
    shift = sql.call("greatest", sql.arithmetic("-", *lengths), sql.number(0))
    dividend = sql.call("abs", sql.try_cast(sql.concat(of("lm"), _zeros(shift)), "HUGEINT"))
    divisor = sql.call("abs", sql.call("nullif", sql.try_cast(of("rm"), "HUGEINT"), sql.number(0)))
    scale = sql.arithmetic("+", sql.arithmetic("-", of("ls"), of("rs")), shift)
    scale = sql.arithmetic("+", scale, sql.number(_CHUNK * _CHUNKS))

    def divided(start: Reader) -> Sql:
        first = {"q": sql.cast_to(sql.call("divide", start("a"), start("b")), "VARCHAR")}
        first |= {"r": sql.call("mod", start("a"), start("b")), "b": start("b")}
        return _divide_on(first, _CHUNKS, lambda digits: finish(sql.concat(_sign_of_result(of), digits), scale))

    return sql.let("o", {"a": dividend, "b": divisor}, divided)


def _divide_on(state: dict[str, Sql], chunks: int, finish: Callable[[Sql], Sql]) -> Sql:
    """Adds chunks of digits to a quotient `q` with remainder `r` of divisor `b`, then rounds half up."""

    def step(of: Reader) -> Sql:
        if not chunks:
            up = sql.compare(">=", sql.arithmetic("*", of("r"), sql.number(2)), of("b"))
            last = sql.cast_to(sql.cast_to(up, "INTEGER"), "BIGNUM")
            rounded = sql.arithmetic("+", sql.cast_to(of("q"), "BIGNUM"), last)
            return finish(sql.cast_to(rounded, "VARCHAR"))
        further = sql.try_(sql.arithmetic("*", of("r"), sql.number(10**_CHUNK)))
        digits = sql.cast_to(sql.call("divide", further, of("b")), "VARCHAR")
        chunk = sql.call("lpad", digits, sql.number(_CHUNK), sql.text("0"))
        state = {"q": sql.concat(of("q"), chunk), "r": sql.call("mod", further, of("b")), "b": of("b")}
        return _divide_on(state, chunks - 1, finish)

    return sql.let(f"o{chunks}", state, step)


_CALCULATIONS: dict[str, Callable[[Reader, _Finish], Sql]] = {
    "+": _sum("+"),
    "-": _sum("-"),
    "*": _product,
    "/": _quotient,
}
