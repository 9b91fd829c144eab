"""Rows with every Iceberg type, nulls everywhere, and filters over them in three forms."""
import datetime
import decimal
import math
import re
import uuid

import pyarrow as pa
from pyiceberg import expressions as ice

COLUMNS = """id bigint not null, b boolean, i int, f float, d double, d9 decimal(9,2),
    d18 decimal(18,4), d38 decimal(38,10), dt date, tm time, ts timestamp, tz timestamptz, s string,
    u uuid, fx fixed(4), bn binary, l list<int>, st struct<x int, y string>, m map<string, int>,
    deep list<struct<a int, b map<string, list<double>>>>"""
ARROW = pa.schema([
    pa.field("id", pa.int64(), nullable=False), ("b", pa.bool_()), ("i", pa.int32()),
    ("f", pa.float32()), ("d", pa.float64()), ("d9", pa.decimal128(9, 2)),
    ("d18", pa.decimal128(18, 4)), ("d38", pa.decimal128(38, 10)), ("dt", pa.date32()),
    ("tm", pa.time64("us")), ("ts", pa.timestamp("us")), ("tz", pa.timestamp("us", tz="UTC")),
    ("s", pa.string()), ("u", pa.binary(16)), ("fx", pa.binary(4)), ("bn", pa.binary()),
    ("l", pa.list_(pa.int32())), ("st", pa.struct([("x", pa.int32()), ("y", pa.string())])),
    ("m", pa.map_(pa.string(), pa.int32())),
    ("deep", pa.list_(pa.struct([("a", pa.int32()),
                                 ("b", pa.map_(pa.string(), pa.list_(pa.float64())))])))])
# Texts that are hard on file names, URLs, bounds (a prefix cut in the middle) and quoting.
STRINGS = ["a/b", "with space", "100%", "%2F", "", "ünï/cødé 日本 😀", "#frag?query=1&x=y", "it's \"q\"",
           "..", "back\\slash", "new\nline", "null", "\U0010ffff" * 20, "x" * 70, "a+b", "=", "__HIVE"]
EPOCH = datetime.datetime(1970, 1, 1)
SCALAR = ["id", "b", "i", "f", "d", "d9", "d18", "d38", "dt", "tm", "ts", "tz", "s", "u", "fx", "bn"]


def row(n):
    """A value of every column, each null in some rows; row 0 of every 11 is all null but the id."""
    sign = -1 if n % 3 == 0 else 1
    when = EPOCH + sign * datetime.timedelta(days=37 * (n % 60), hours=n % 24, microseconds=n)
    dec = decimal.Decimal
    values = {
        "b": n % 2 == 0, "i": sign * (n % 40) * 53687091, "f": [1.5 * n, math.nan, -0.0, math.inf][n % 4],
        "d": [sign * 2.25 * n, math.nan, -math.inf, 0.0, 2.0**100][n % 5],
        "d9": dec(sign * (n % 50) * 199999).scaleb(-2), "d18": dec(sign * n * 10**15 + n).scaleb(-4),
        "d38": dec(sign * (10**37 + n * 10**30)).scaleb(-10), "dt": when.date(),
        "tm": datetime.time(n % 24, n % 60, n % 59, n * 997 % 1000000), "ts": when,
        "tz": when.replace(tzinfo=datetime.timezone.utc), "s": STRINGS[n % len(STRINGS)],
        "u": uuid.UUID(int=0xF79C3E09677C4BBDA479512F87E7F5C4 ^ (n % 20) << 120).bytes,
        "fx": bytes([n % 7, 255 - n % 5, 0, 255]), "bn": bytes([255, n % 16]) * (n % 20),
        "l": [n, None, -n][: n % 4], "st": {"x": None if n % 5 == 0 else n, "y": f"y{n}"},
        "m": [(f"k{j}", None if j == 1 else j * n) for j in range(n % 3)],
        "deep": [{"a": n, "b": [("p", [1.5, None]), ("q", None), ("e", [])]}, None,
                 {"a": None, "b": None}][: n % 4]}
    missing = n % 11 == 0
    out = {name: None if missing or (n + place) % 13 == 5 else value
           for place, (name, value) in enumerate(values.items())}
    return {"id": n, **out}


def table(start, count):
    return pa.Table.from_pylist([row(n) for n in range(start, start + count)], ARROW)


def sql(value):
    """A literal as our filters take it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, uuid.UUID)):
        return f"'{text(value)}'"
    return format(value, "f") if isinstance(value, decimal.Decimal) else repr(value)


def text(value):
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def literal(value):
    """A literal as PyIceberg takes it: dates and times as text."""
    dated = isinstance(value, (datetime.datetime, datetime.date, datetime.time))
    return text(value) if dated else value


COMPARISONS = {
    "=": (ice.EqualTo, lambda a, b: a == b), "!=": (ice.NotEqualTo, lambda a, b: a != b),
    "<": (ice.LessThan, lambda a, b: a < b), "<=": (ice.LessThanOrEqual, lambda a, b: a <= b),
    ">": (ice.GreaterThan, lambda a, b: a > b), ">=": (ice.GreaterThanOrEqual, lambda a, b: a >= b)}


class Filter:
    """Our text, PyIceberg's expression, and the truth, row by row (SQL: null is never true)."""

    def __init__(self, text, expression, truth):
        self.text, self.expression, self.truth = text, expression, truth

    def of(self, rows):
        return [row for row in rows if self.truth(row)]

    def __and__(self, other):
        return Filter(f"({self.text}) and ({other.text})", ice.And(self.expression, other.expression),
                      lambda row: self.truth(row) and other.truth(row))

    def __or__(self, other):
        return Filter(f"({self.text}) or ({other.text})", ice.Or(self.expression, other.expression),
                      lambda row: self.truth(row) or other.truth(row))


def compare(column, symbol, value):
    expression, holds = COMPARISONS[symbol]
    return Filter(f"{column} {symbol} {sql(value)}", expression(column, literal(value)),
                  lambda row: row[column] is not None and holds(row[column], stored(value)))


def stored(value):
    return value.bytes if isinstance(value, uuid.UUID) else value


def within(column, values):
    return Filter(f"{column} in ({', '.join(map(sql, values))})",
                  ice.In(column, [literal(value) for value in values]),
                  lambda row: row[column] in [stored(value) for value in values])


def is_null(column):
    return Filter(f"{column} is null", ice.IsNull(column), lambda row: row[column] is None)


def not_null(column):
    return Filter(f"{column} is not null", ice.NotNull(column), lambda row: row[column] is not None)


def starts_with(column, prefix):
    escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Filter(f"{column} like {sql(escaped + '%')}", ice.StartsWith(column, prefix),
                  lambda row: row[column] is not None and row[column].startswith(prefix))


def filters(column, values):
    """Filters on a column; `values`, sorted, are in the data, without null and NaN."""
    first, middle = values[min(1, len(values) - 1)], values[len(values) // 2]
    out = [compare(column, symbol, middle) for symbol in ("=", "!=", "<", ">=")]
    out += [within(column, [first, middle]), is_null(column), not_null(column),
            compare(column, ">", first) & compare(column, "<=", middle),
            compare(column, ">", middle) | compare("id", "=", 7)]
    if isinstance(first, str):
        out += [starts_with(column, value[:2]) for value in values if value][::2]
        out += [compare(column, "=", value) for value in values]
    return out


def definition(column):
    """What COLUMNS says of a column of a scalar type."""
    return re.search(rf"\b{column} [a-z]+[^a-z]*?( not null)?(?=,\s+[a-z0-9]+ [a-z])", COLUMNS).group()
