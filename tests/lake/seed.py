"""Fills the real lake through the APIs that everybody uses: S3, STAC, Prefect.

`seed.py s3|stac|prefect`, with the variables of lake.env in the environment. Each part can run again at any time: what
is there stays or is set back to what this file says, what is missing comes. The catalogue and the store agree: every
object of `processed` is referred to, in one of the ways dashi writes an href (in-cluster http, a directory, s3), or is
a dataset's `_metadata.json`. There are fourteen collections, because the catalogue pages by ten and a client that
stops at the first page must be caught.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request

BUCKETS = ["landing", "processed", "curated", "backups"]
IN_CLUSTER = "http://rustfs.dashi-platform.svc.cluster.local:9000"
DOMAINS = ["gelaende-umwelt", "klima-historisch"] + [f"domain-{n:02}" for n in range(12)]
CEILINGS = {"klima-historisch": ("pub", "90d")}

# Collection, item, kind, href of its data, keys in `processed` that the href covers.
ITEMS = [
    ("gelaende-umwelt", "dgm1-kassel", "raster",
     f"{IN_CLUSTER}/processed/gelaende-umwelt/dgm1-kassel/raster/scene.tif", ["raster/scene.tif"]),
    ("gelaende-umwelt", "gewaesser-hessen", "vector",
     f"{IN_CLUSTER}/processed/gelaende-umwelt/gewaesser-hessen/vector/",
     ["vector/part-0000.parquet", "vector/part-0001.parquet"]),
    ("gelaende-umwelt", "laserscan-fulda", "pointcloud",
     "s3://processed/gelaende-umwelt/laserscan-fulda/pointcloud/scan.copc.laz", ["pointcloud/scan.copc.laz"]),
    ("klima-historisch", "temperatur-1961-1990", "raster",
     f"{IN_CLUSTER}/processed/klima-historisch/temperatur-1961-1990/raster/scene.tif", ["raster/scene.tif"]),
]

# Idempotency key, domain, source in `landing`, the state that the run is in.
RUNS = [
    ("lake-seed-1", "gelaende-umwelt", "gelaende-umwelt/incoming/0001/dgm1.tif", "COMPLETED"),
    ("lake-seed-2", "gelaende-umwelt", "gelaende-umwelt/incoming/0002/broken.tif", "FAILED"),
    ("lake-seed-3", "klima-historisch", "klima-historisch/incoming/0003/temperatur.tif", "SCHEDULED"),
]


def call(service, method, path, body=None, also=(), tries=10):
    """Sends JSON to a service; gives (status, answer). A status of 400 and more raises, but for those in `also`; 503,
    a busy server's word, is tried again, since everything here can be repeated."""
    request = urllib.request.Request(
        os.environ[service] + path, method=method, headers={"content-type": "application/json"},
        data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode(errors="replace")
        if refusal.code in also:
            return refusal.code, text
        if refusal.code == 503 and tries > 1:
            time.sleep(1)
            return call(service, method, path, body, also, tries - 1)
        raise SystemExit(f"{method} {request.full_url} answered {refusal.code}: {text}") from None


def objects():
    """Every seeded object as (bucket, key, bytes). The bytes follow from the key: a second run writes nothing."""
    for collection, item, _, _, keys in ITEMS:
        for key in [*keys, "_metadata.json"]:
            whole = f"{collection}/{item}/{key}"
            yield "processed", whole, sample(whole)
    for _, _, source, _ in RUNS:
        yield "landing", source, sample(source)


def sample(key):
    """The content of a seeded object: JSON where the name says so, else about 4 KiB of its own key."""
    if key.endswith(".json"):
        return json.dumps({"dataset": key.rsplit("/", 1)[0]}).encode()
    return (key.encode() + b"\n") * (4096 // len(key))


def s3_client(service):
    """A client of the lake's store that waits out a volume server which is not yet registered."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service, endpoint_url=os.environ["DASHI_S3_ENDPOINT"], region_name=os.environ["DASHI_S3_REGION"],
        aws_access_key_id=os.environ["DASHI_S3_ACCESS_KEY"], aws_secret_access_key=os.environ["DASHI_S3_SECRET_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 8}))


def seed_s3():
    """Buckets, objects, and the table bucket behind the Iceberg catalogue's warehouse."""
    s3 = s3_client("s3")
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in BUCKETS:
        if bucket not in there:
            s3.create_bucket(Bucket=bucket)
    etags = {(bucket, found["Key"]): found["ETag"].strip('"') for bucket in ("landing", "processed")
             for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
             for found in page.get("Contents", [])}
    for bucket, key, content in objects():
        if etags.get((bucket, key)) != hashlib.md5(content).hexdigest():
            s3.put_object(Bucket=bucket, Key=key, Body=content)
    seed_tables()


def seed_tables():
    """The table bucket named in LAKE_ICEBERG_WAREHOUSE."""
    tables = s3_client("s3tables")
    name = os.environ["LAKE_ICEBERG_WAREHOUSE"].removeprefix("s3://")
    if name not in {bucket["name"] for bucket in tables.list_table_buckets().get("tableBuckets", [])}:
        tables.create_table_bucket(name=name)


def collection_record(domain):
    """A collection as dashi's domain bootstrap writes it."""
    ceiling, retention = CEILINGS.get(domain, ("int", "indefinite"))
    return {
        "type": "Collection", "id": domain, "stac_version": "1.0.0", "title": domain, "description": domain,
        "license": "proprietary", "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                   "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}},
        "dashi:max_classification": ceiling, "dashi:retention": retention,
    }


def item_record(collection, item, kind, href):
    """An item as the ingest flow writes it."""
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": item, "collection": collection,
        "geometry": {"type": "Point", "coordinates": [9.5, 51.3]}, "bbox": [9.5, 51.3, 9.5, 51.3],
        "properties": {"datetime": "2026-04-27T00:00:00Z", "dashi:kind": kind},
        "links": [], "assets": {"data": {"href": href, "roles": ["data"]}},
    }


def put_record(folder, record):
    """Creates a record, or sets it back to what this file says (POST is no upsert there: 409, then PUT)."""
    status, _ = call("DASHI_STAC_URL", "POST", folder, record, also=(409,))
    if status == 409:
        call("DASHI_STAC_URL", "PUT", f"{folder}/{record['id']}", record)


def seed_stac():
    """Collections, then their items."""
    for domain in DOMAINS:
        put_record("/collections", collection_record(domain))
    for collection, item, kind, href, _ in ITEMS:
        put_record(f"/collections/{collection}/items", item_record(collection, item, kind, href))


def seed_prefect():
    """The flow and the deployment (both are upserts by name there), then the runs."""
    _, flow = call("DASHI_PREFECT_URL", "POST", "/api/flows/", {"name": "dashi-ingest"})
    _, deployment = call("DASHI_PREFECT_URL", "POST", "/api/deployments/", {
        "name": "main", "flow_id": flow["id"], "enforce_parameter_schema": False, "tags": ["dashi", "ingest"],
        "parameters": {"source_path": "/data/sample", "domain": "gelaende-umwelt"}})
    for key, domain, source, state in RUNS:
        seed_run(deployment["id"], key, domain, source, state)


def seed_run(deployment, key, domain, source, state):
    """A run by its idempotency key: the same key gives the same run back. Its log is written once, with its end."""
    _, run = call("DASHI_PREFECT_URL", "POST", f"/api/deployments/{deployment}/create_flow_run", {
        "idempotency_key": key, "tags": ["submitted-by:lake", f"domain:{domain}"],
        "parameters": {"source_path": f"s3://landing/{source}", "domain": domain, "classification": "int"}})
    if run["state_type"] != "SCHEDULED" or state == "SCHEDULED":
        return
    call("DASHI_PREFECT_URL", "POST", f"/api/flow_runs/{run['id']}/set_state",
         {"state": {"type": state, "message": f"seeded as {state.lower()}"}, "force": True})
    call("DASHI_PREFECT_URL", "POST", "/api/logs/", [
        {"name": "prefect.flow_runs", "level": 20 if state == "COMPLETED" else 40, "flow_run_id": run["id"],
         "message": f"{source}: {state.lower()}", "timestamp": "2026-11-24T00:00:00Z"}])


if __name__ == "__main__":
    {"s3": seed_s3, "stac": seed_stac, "prefect": seed_prefect}[sys.argv[1]]()
