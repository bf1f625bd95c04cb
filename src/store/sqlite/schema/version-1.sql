-- The catalog's schema, version 1. One file, one process: see ARCHITECTURE.md.
-- Times are microseconds since 1970-01-01 UTC. Digests are raw bytes; dialects spell them.
-- `sequence` columns hold the number of the change that last wrote the row.

-- One row: what the catalog knows of itself.
CREATE TABLE state (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    sequence    INTEGER NOT NULL,           -- number of the last change; every change takes the next
    link_secret BLOB    NOT NULL            -- key of the HMAC in download links, 32 bytes
) STRICT;

-- The owner of everything.
CREATE TABLE tenants (
    id      TEXT    PRIMARY KEY,
    created INTEGER NOT NULL,
    layers  INTEGER NOT NULL DEFAULT 0      -- layers with at least one version, kept by the writer
) STRICT, WITHOUT ROWID;

-- One row and one file (`code/<first two hex>/<sha256>.zip`) per distinct content.
CREATE TABLE code (
    sha256   BLOB    PRIMARY KEY CHECK (length(sha256) = 32),
    sha512   BLOB    NOT NULL CHECK (length(sha512) = 64),
    md5      BLOB    NOT NULL CHECK (length(md5) = 16),
    crc64    INTEGER NOT NULL,              -- CRC-64/XZ, the same 64 bits read as signed
    size     INTEGER NOT NULL,              -- bytes of the upload
    entries  INTEGER NOT NULL,              -- entries in the zip's directory
    unpacked INTEGER NOT NULL,              -- bytes of all entries unpacked
    stored   INTEGER NOT NULL               -- when it was first kept
) STRICT, WITHOUT ROWID;

-- A layer's name and counter. The row outlives its versions, so that no number is used twice.
CREATE TABLE layers (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    name        TEXT    NOT NULL,
    uid         TEXT    NOT NULL UNIQUE,    -- Huawei's dependency id
    acl         INTEGER NOT NULL DEFAULT 0 CHECK (acl IN (0, 1)),   -- 1: readable by every tenant
    tags        TEXT    NOT NULL DEFAULT '[]',                      -- JSON: [[key, value], ...]
    last_number INTEGER NOT NULL DEFAULT 0, -- highest number ever given out
    versions    INTEGER NOT NULL DEFAULT 0, -- versions that exist
    newest      INTEGER,                    -- highest number that exists; NULL: the layer is not listed
    newest_at   INTEGER,                    -- creation of that version
    sequence    INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE INDEX layers_by_name ON layers (tenant, name) WHERE newest IS NOT NULL;
CREATE INDEX public_layers_by_name ON layers (tenant, name) WHERE newest IS NOT NULL AND acl = 1;
CREATE INDEX layers_by_age ON layers (tenant, newest_at DESC, name) WHERE newest IS NOT NULL;

CREATE TABLE layer_versions (
    layer       INTEGER NOT NULL REFERENCES layers (id),
    number      INTEGER NOT NULL CHECK (number > 0),
    uid         TEXT    NOT NULL,           -- Huawei's dependency version id
    description TEXT    NOT NULL,
    license     TEXT    NOT NULL,
    runtimes    TEXT    NOT NULL,           -- JSON array of text, in the order given
    code        BLOB    NOT NULL REFERENCES code (sha256),
    created     INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    PRIMARY KEY (layer, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX layer_versions_by_uid ON layer_versions (uid);
CREATE INDEX layer_versions_by_code ON layer_versions (code);

CREATE TRIGGER layer_versions_are_immutable
BEFORE UPDATE OF layer, number, uid, runtimes, code, created ON layer_versions
BEGIN
    SELECT RAISE(ABORT, 'a published layer version never changes');
END;

-- A function's name and counter. The row outlives the function, so that no number is used twice.
CREATE TABLE functions (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    grp         TEXT    NOT NULL,           -- what the name is unique within; 'default' where a cloud has no groups
    name        TEXT    NOT NULL,
    uid         TEXT    NOT NULL UNIQUE,    -- renewed when the function is created again
    live        INTEGER NOT NULL DEFAULT 1 CHECK (live IN (0, 1)),  -- 0: deleted, the counter remains
    created     INTEGER NOT NULL,
    last_number INTEGER NOT NULL DEFAULT 0, -- highest number ever given out
    versions    INTEGER NOT NULL DEFAULT 0, -- published versions that exist
    sequence    INTEGER NOT NULL,
    UNIQUE (tenant, grp, name)
) STRICT;
CREATE INDEX functions_by_name ON functions (tenant, grp, name) WHERE live = 1;

-- The states of a function: number 0 is the mutable head, the others are immutable snapshots of it.
CREATE TABLE function_versions (
    function            INTEGER NOT NULL REFERENCES functions (id),
    number              INTEGER NOT NULL CHECK (number >= 0),
    name                TEXT    NOT NULL,   -- the version's name; the head's is 'latest' or '$latest'
    version_description TEXT    NOT NULL,
    description         TEXT    NOT NULL,
    runtime             TEXT    NOT NULL,
    handler             TEXT    NOT NULL,
    memory              INTEGER NOT NULL,   -- MiB
    timeout             INTEGER NOT NULL,   -- seconds
    environment         TEXT    NOT NULL,   -- JSON object of text
    extra               TEXT    NOT NULL,   -- JSON object: dialect name to that dialect's own fields as text
    layers              INTEGER NOT NULL,   -- rows in function_layers
    code                BLOB    REFERENCES code (sha256),   -- NULL: a path or an image instead
    revision            INTEGER NOT NULL,   -- stamp of the head: milliseconds since 1970, always growing
    code_changed        INTEGER NOT NULL,
    updated             INTEGER,            -- last change of the head after its creation
    published           INTEGER NOT NULL,
    sequence            INTEGER NOT NULL,
    PRIMARY KEY (function, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX function_versions_by_name ON function_versions (function, name);
CREATE INDEX function_versions_by_change ON function_versions (function, sequence DESC, name);
CREATE INDEX function_versions_by_sequence ON function_versions (sequence DESC, name);
CREATE INDEX function_versions_by_code ON function_versions (code);

CREATE TRIGGER function_versions_are_immutable
BEFORE UPDATE ON function_versions WHEN OLD.number > 0
BEGIN
    SELECT RAISE(ABORT, 'a published function version never changes');
END;

-- Layer versions bound to a state of a function. The code stays referenced here when the layer
-- version itself is deleted.
CREATE TABLE function_layers (
    function     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    position     INTEGER NOT NULL,          -- order of precedence as given, from 0
    layer        INTEGER NOT NULL REFERENCES layers (id),
    layer_number INTEGER NOT NULL,
    code         BLOB    NOT NULL REFERENCES code (sha256),
    PRIMARY KEY (function, number, position),
    FOREIGN KEY (function, number) REFERENCES function_versions (function, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX function_layers_by_layer ON function_layers (layer, layer_number);
CREATE INDEX function_layers_by_code ON function_layers (code);
