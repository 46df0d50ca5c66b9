-- The sandbox's state: one database for the seven services. Instants are integers: microseconds since 1970 for STAC and
-- Prefect, milliseconds for S3, nanoseconds for Loki. JSON stands as text. SQLite compares text byte by byte, which is
-- the order S3 lists keys in.

-- S3 ------------------------------------------------------------------------------------------------------------------
CREATE TABLE bucket (
    name       TEXT PRIMARY KEY,
    created    INTEGER NOT NULL,
    versioning TEXT                     -- 'Enabled', 'Suspended', or never set
) STRICT, WITHOUT ROWID;

CREATE TABLE object_version (
    seq      INTEGER PRIMARY KEY,       -- order of arrival: of a key's versions the newest has the greatest
    bucket   TEXT    NOT NULL REFERENCES bucket (name),
    key      TEXT    NOT NULL,
    version  TEXT    NOT NULL,          -- 'null' unless written while versioning was on
    latest   INTEGER NOT NULL,          -- 1 on one version of each key
    marker   INTEGER NOT NULL,          -- 1 for a delete marker
    size     INTEGER NOT NULL,
    etag     TEXT    NOT NULL,          -- without quotes; empty for a delete marker
    modified INTEGER NOT NULL,
    headers  TEXT    NOT NULL           -- content type, user metadata and kin, as JSON
) STRICT;
CREATE UNIQUE INDEX object_version_id ON object_version (bucket, key, version);
CREATE INDEX object_version_age ON object_version (bucket, key, seq DESC);
CREATE INDEX object_live ON object_version (bucket, key) WHERE latest = 1 AND marker = 0;

-- The bytes of a version, in order. A blob is a file that never changes; several versions may share it.
CREATE TABLE segment (
    seq    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    blob   TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (seq, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_blob ON segment (blob);

CREATE TABLE upload (
    id      TEXT PRIMARY KEY,
    bucket  TEXT    NOT NULL REFERENCES bucket (name),
    key     TEXT    NOT NULL,
    started INTEGER NOT NULL,
    headers TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_key ON upload (bucket, key, id);

CREATE TABLE part (
    upload   TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    blob     TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    etag     TEXT    NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_blob ON part (blob);

-- Blobs that nothing refers to any more: their files are removed after the transaction that wrote them here.
CREATE TABLE grave (blob TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TRIGGER version_gone AFTER DELETE ON object_version BEGIN
    DELETE FROM segment WHERE seq = old.seq;
END;
CREATE TRIGGER segment_gone AFTER DELETE ON segment BEGIN
    INSERT OR IGNORE INTO grave SELECT old.blob
    WHERE NOT EXISTS (SELECT 1 FROM segment WHERE blob = old.blob) AND NOT EXISTS (SELECT 1 FROM part WHERE blob = old.blob);
END;
CREATE TRIGGER part_gone AFTER DELETE ON part BEGIN
    INSERT OR IGNORE INTO grave SELECT old.blob
    WHERE NOT EXISTS (SELECT 1 FROM segment WHERE blob = old.blob) AND NOT EXISTS (SELECT 1 FROM part WHERE blob = old.blob);
END;
-- A copy of a version onto its own key drops the old row after it has written the new one, or before: either way is fine.
CREATE TRIGGER segment_come AFTER INSERT ON segment BEGIN
    DELETE FROM grave WHERE blob = new.blob;
END;
CREATE TRIGGER upload_gone AFTER DELETE ON upload BEGIN
    DELETE FROM part WHERE upload = old.id;
END;

-- STAC ----------------------------------------------------------------------------------------------------------------
CREATE TABLE collection (
    id     TEXT PRIMARY KEY,
    begins INTEGER NOT NULL,            -- start of the temporal extent, what collections are ordered by
    body   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE item (
    collection TEXT    NOT NULL REFERENCES collection (id) ON DELETE CASCADE,
    id         TEXT    NOT NULL,
    begins     INTEGER NOT NULL,
    ends       INTEGER NOT NULL,
    west       REAL    NOT NULL,
    south      REAL    NOT NULL,
    east       REAL    NOT NULL,
    north      REAL    NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_age ON item (begins DESC, collection DESC, id DESC);

-- Prefect -------------------------------------------------------------------------------------------------------------
CREATE TABLE flow (
    id      TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    name    TEXT    NOT NULL UNIQUE,
    tags    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deployment (
    id      TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    flow    TEXT    NOT NULL REFERENCES flow (id),
    name    TEXT    NOT NULL,
    served  INTEGER NOT NULL,           -- 1: a runner picks its runs up; 0: they wait, as without a worker
    body    TEXT    NOT NULL,           -- what a client may set: parameters, tags, paused, …
    UNIQUE (flow, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE flow_run (
    id              TEXT PRIMARY KEY,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    name            TEXT    NOT NULL,
    flow            TEXT    NOT NULL REFERENCES flow (id),
    deployment      TEXT    REFERENCES deployment (id),
    parameters      TEXT    NOT NULL,
    tags            TEXT    NOT NULL,
    idempotency_key TEXT,
    run_count       INTEGER NOT NULL DEFAULT 0,
    expected_start  INTEGER NOT NULL,
    next_start      INTEGER,
    started         INTEGER,
    ended           INTEGER,
    worked          INTEGER NOT NULL DEFAULT 0,     -- microseconds spent running in finished attempts
    retry_type      TEXT,
    state_id        TEXT    NOT NULL,
    state_type      TEXT    NOT NULL,
    state_name      TEXT    NOT NULL,
    state_since     INTEGER NOT NULL,
    state_message   TEXT,
    state_details   TEXT    NOT NULL,               -- what a client set of them, as JSON
    due             INTEGER,                        -- when the runner does its next step
    step            TEXT,                           -- which one
    UNIQUE (flow, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_run_expected ON flow_run (expected_start DESC);
CREATE INDEX flow_run_due ON flow_run (due) WHERE due IS NOT NULL;

CREATE TABLE flow_run_log (
    seq      INTEGER PRIMARY KEY,       -- order of arrival, for lines of one moment
    id       TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    flow_run TEXT,
    task_run TEXT,
    name     TEXT    NOT NULL,
    level    INTEGER NOT NULL,
    message  TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX flow_run_log_at ON flow_run_log (flow_run, at);

-- Keycloak ------------------------------------------------------------------------------------------------------------
CREATE TABLE person (
    id         TEXT PRIMARY KEY,
    username   TEXT    NOT NULL UNIQUE,     -- in lower case
    first_name TEXT    NOT NULL,
    last_name  TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    enabled    INTEGER NOT NULL,
    created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE team (                         -- a group, which is a word of SQL
    id     TEXT PRIMARY KEY,
    parent TEXT REFERENCES team (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    path   TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
CREATE INDEX team_parent ON team (parent, name);

CREATE TABLE member (
    person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    team   TEXT NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    PRIMARY KEY (person, team)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_team ON member (team, person);

-- Iceberg -------------------------------------------------------------------------------------------------------------
CREATE TABLE ice_namespace (
    name       TEXT PRIMARY KEY,            -- its levels, with a unit separator between
    properties TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ice_table (
    namespace TEXT NOT NULL REFERENCES ice_namespace (name),
    name      TEXT NOT NULL,
    location  TEXT NOT NULL,                -- of its metadata's file
    metadata  TEXT NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

-- Loki ----------------------------------------------------------------------------------------------------------------
CREATE TABLE stream (
    id     INTEGER PRIMARY KEY,
    labels TEXT NOT NULL UNIQUE         -- a JSON object with sorted keys
) STRICT;

CREATE TABLE line (
    seq    INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (id),
    at     INTEGER NOT NULL,
    text   TEXT    NOT NULL,
    UNIQUE (stream, at, text)           -- Loki keeps one of two equal lines
) STRICT;
CREATE INDEX line_at ON line (at);
