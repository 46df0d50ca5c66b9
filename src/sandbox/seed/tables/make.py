"""Writes the seeded lake's Iceberg table anew, with pyiceberg 0.11 in a sandbox that is served.

    dashictl sandbox serve --any-port --json >served.json &
    python make.py served.json stationen/

In a sandbox that has been filled the table is there already: it is dropped first. Commit what is below `stationen/`.
"""
import json
import os
import sys

import pyarrow as pa
import s3fs
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DoubleType, IntegerType, NestedField, StringType

PLACE = "curated/iceberg/klima/stationen"


def rows(dataset, year, means, schema):
    stations = ["Harz", "Jena", "Kiel", "Ulm"][:len(means)]
    return pa.table({"dataset_id": [dataset] * len(means), "station": stations,
                     "jahr": pa.array([year] * len(means), pa.int32()), "mittel": means}, schema=schema)


def main(served, folder):
    with open(served) as file:
        served = json.load(file)
    s3 = served["s3"]
    catalog = load_catalog("sandbox", **{
        "uri": served["iceberg_url"], "credential": f"{s3['access_key']}:{s3['secret_key']}", "s3.endpoint": s3["endpoint"],
        "s3.access-key-id": s3["access_key"], "s3.secret-access-key": s3["secret_key"], "s3.region": s3["region"]})
    files = s3fs.S3FileSystem(key=s3["access_key"], secret=s3["secret_key"], endpoint_url=s3["endpoint"])
    catalog.create_namespace_if_not_exists("klima")
    if catalog.table_exists("klima.stationen"):
        catalog.drop_table("klima.stationen")
    for path in files.find(PLACE):
        files.rm(path)
    schema = Schema(NestedField(1, "dataset_id", StringType()), NestedField(2, "station", StringType()),
                    NestedField(3, "jahr", IntegerType()), NestedField(4, "mittel", DoubleType()))
    spec = PartitionSpec(PartitionField(source_id=3, field_id=1000, transform=IdentityTransform(), name="jahr"))
    table = catalog.create_table("klima.stationen", schema=schema, location=f"s3://{PLACE}", partition_spec=spec)
    arrow = table.schema().as_arrow()
    table.append(rows("klimaatlas-2024", 2024, [6.1, 9.4, 9.0], arrow))
    table.append(rows("klimaatlas-2025", 2025, [6.3, 9.9, None, 9.2], arrow))
    for path in files.find(PLACE):
        target = os.path.join(folder, path.removeprefix(f"{PLACE}/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        files.get(path, target)


main(*sys.argv[1:])
