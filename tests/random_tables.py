# Tables with random partitions, appends and conditions, for tests/table_rows.rs: `make` writes them and tells what must be
# left of each after its condition's rows are gone, `check` reads them back and tells what is not so.
import datetime as dt, decimal, math, random
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import (BooleanType, DateType, DecimalType, DoubleType, IntegerType, LongType, NestedField, StringType,
                             TimestampType, TimestamptzType)

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True), NestedField(2, "k", IntegerType()), NestedField(3, "s", StringType()),
    NestedField(4, "t", TimestampType()), NestedField(5, "f", DoubleType()), NestedField(6, "d", DateType()),
    NestedField(7, "m", DecimalType(9, 2)), NestedField(8, "b", BooleanType()), NestedField(9, "z", TimestamptzType()))
SPECS = {
    "none": PartitionSpec(),
    "identity": PartitionSpec(PartitionField(3, 1000, IdentityTransform(), "s")),
    "bucket": PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "id_bucket")),
    "day": PartitionSpec(PartitionField(4, 1000, DayTransform(), "t_day")),
}
TEXTS = ["a", "ab", "it's", "grüße", "a long text of more than sixteen letters", "a long text of more than sixteen other", None]
EPOCH = dt.datetime(2026, 1, 1)
UTC = dt.timezone.utc

def some(draw, value):
    return None if draw.random() < 0.2 else value

def row(draw, number):
    moment = EPOCH + dt.timedelta(hours=draw.randrange(96))
    return {"id": number, "k": some(draw, draw.randrange(-3, 4)), "s": draw.choice(TEXTS), "t": some(draw, moment),
            "f": some(draw, draw.choice([-1.5, -0.0, 0.0, 2.5, math.nan, math.inf])), "d": some(draw, moment.date()),
            "m": some(draw, decimal.Decimal(draw.randrange(-300, 300)).scaleb(-2)),
            "b": some(draw, draw.random() < 0.5), "z": some(draw, moment.replace(tzinfo=UTC))}

def quoted(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, dt.datetime):
        return "'" + value.isoformat() + "'"
    if isinstance(value, dt.date):
        return "'" + value.isoformat() + "'"
    return str(value)

# Each gives the condition as text, and whether it is true, false or None for a row.
def leaf(draw, rows):
    column = draw.choice(["id", "k", "s", "t", "f", "d", "m", "b", "z"])
    known = [row[column] for row in rows if row[column] is not None and row[column] == row[column]
             and row[column] not in (math.inf,)]
    kind = draw.randrange(6)
    if kind == 0 or not known:
        is_not = draw.random() < 0.5
        return f"{column} IS {'NOT ' if is_not else ''}NULL", lambda row: (row[column] is None) != is_not
    value = draw.choice(known)
    if column == "s" and kind == 1:
        begin = value[:draw.randrange(1, len(value) + 1)]
        return f"s LIKE {quoted(begin + '%')}", lambda row: None if row["s"] is None else row["s"].startswith(begin)
    if kind == 2:
        values = [draw.choice(known) for _ in range(draw.randrange(1, 4))]
        is_not = draw.random() < 0.3
        return (f"{column} {'NOT ' if is_not else ''}IN ({', '.join(map(quoted, values))})",
                lambda row: None if row[column] is None else (row[column] in values) != is_not)
    if kind == 3 and column != "b":
        low, high = sorted([value, draw.choice(known)])
        return (f"{column} BETWEEN {quoted(low)} AND {quoted(high)}",
                lambda row: None if row[column] is None else low <= row[column] <= high)
    word, test = draw.choice([("=", lambda a: a == value), ("<>", lambda a: a != value)] if column == "b" else [
        ("=", lambda a: a == value), ("<>", lambda a: a != value), ("<", lambda a: a < value), ("<=", lambda a: a <= value),
        (">", lambda a: a > value), (">=", lambda a: a >= value)])
    return f"{column} {word} {quoted(value)}", lambda row: None if row[column] is None else test(row[column])

def condition(draw, rows, depth):
    kind = draw.randrange(4) if depth else 3
    if kind == 2:
        text, test = condition(draw, rows, depth - 1)
        return f"NOT ({text})", lambda row: None if test(row) is None else not test(row)
    if kind == 3:
        return leaf(draw, rows)
    (one, first), (other, second) = condition(draw, rows, depth - 1), condition(draw, rows, depth - 1)
    def both(row):
        found = {first(row), second(row)}
        return False if False in found else None if None in found else True
    def either(row):
        found = {first(row), second(row)}
        return True if True in found else None if None in found else False
    return (f"({one} AND {other})", both) if kind == 0 else (f"({one} OR {other})", either)

# Rows in an order and a spelling that do not depend on who read them.
def shown(rows):
    one = lambda value: value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else str(value)
    return sorted(repr(sorted((name, one(value)) for name, value in row.items())) for row in rows)

def make(seed):
    draw = random.Random(seed)
    spec = draw.choice(list(SPECS))
    version = draw.choice(["1", "2"])
    name = f"t{seed}_{spec}_v{version}"
    table = catalog.create_table(f"{space}.{name}", SCHEMA, partition_spec=SPECS[spec], properties={"format-version": version})
    rows, number = [], 0
    for _ in range(draw.choice([1, 2, 3, 5, 8, draw.randrange(1, 41)])):
        batch = [row(draw, number + n) for n in range(draw.randrange(1, 12))]
        number += len(batch)
        rows += batch
        table.append(pa.Table.from_pylist(batch, schema=SCHEMA.as_arrow()))
    while True:
        text, test = condition(draw, rows, 2)
        left = [row for row in rows if test(row) is not True]
        if left and (len(left) < len(rows) or draw.random() < 0.1):
            break
    return {"table": f"{space}.{name}", "condition": text, "seed": seed, "rows": shown(rows), "left": shown(left),
            "gone": len(rows) - len(left), "head": str(catalog.load_table(f"{space}.{name}").current_snapshot().snapshot_id)}

def read(table, **scan):
    return shown(table.scan(**scan).to_arrow().to_pylist())

# What is not as it must be, as sentences.
def wrong(known, done):
    table = catalog.load_table(known["table"])
    said = lambda what: f"{known['table']} where {known['condition']}: {what}"
    if known["gone"] == 0:
        return [] if str(table.current_snapshot().snapshot_id) == known["head"] else [said("something was committed")]
    snapshot = table.current_snapshot()
    faults = []
    if read(table) != known["left"]:
        faults.append(said("other rows are left"))
    if read(table, snapshot_id=int(known["head"])) != known["rows"]:
        faults.append(said("the snapshot before does not have its rows"))
    if str(snapshot.parent_snapshot_id) != known["head"] or str(snapshot.snapshot_id) != done["snapshot"]:
        faults.append(said("the snapshot is not the next"))
    files = table.inspect.files()
    summary = snapshot.summary.additional_properties
    total = {"total-records": pc.sum(files["record_count"]).as_py(), "total-data-files": files.num_rows,
             "total-files-size": pc.sum(files["file_size_in_bytes"]).as_py()}
    entries = table.inspect.entries(snapshot_id=snapshot.snapshot_id).to_pylist()
    own = [entry for entry in entries if entry["snapshot_id"] == snapshot.snapshot_id]
    for word, status in [("added", 1), ("deleted", 2)]:
        files = [entry["data_file"] for entry in own if entry["status"] == status]
        total[f"{word}-records"] = sum(file["record_count"] for file in files)
        total[f"{word}-data-files"] = len(files)
    for name, count in total.items():
        if int(summary.get(name, 0)) != count:
            faults.append(said(f"{name} is {summary.get(name)}, and there are {count}"))
    if total["deleted-records"] - total["added-records"] != known["gone"] or done["rows"] != known["gone"]:
        faults.append(said(f"{known['gone']} rows are gone"))
    operation = "overwrite" if total["added-data-files"] else "delete"
    if snapshot.summary.operation.value != operation:
        faults.append(said(f"the operation is {snapshot.summary.operation.value}, not {operation}"))
    return faults

# pyiceberg goes on with the table.
def goes_on(known):
    table = catalog.load_table(known["table"])
    draw = random.Random(known["seed"])
    more = [row(draw, 10_000 + n) for n in range(3)]
    table.append(pa.Table.from_pylist(more, schema=SCHEMA.as_arrow()))
    if read(table) != sorted(known["left"] + shown(more)):
        return [f"{known['table']}: it cannot be appended to"]
    table.delete("id >= 10000")
    return [] if read(catalog.load_table(known["table"])) == known["left"] else [f"{known['table']}: nothing can be deleted"]
