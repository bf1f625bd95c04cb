-- The catalog's schema, version 4. One server owns the file; commands on the data folder may write
-- to it at the same time: see ARCHITECTURE.md.
-- Times are microseconds since 1970-01-01 UTC. Digests are raw bytes; dialects spell them.
-- `sequence` columns hold the number of the change that last wrote the row.

-- One row: the state of the catalog as a whole.
CREATE TABLE state (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    sequence    INTEGER NOT NULL,           -- number of the last change; every change takes the next
    link_secret BLOB    NOT NULL,           -- key of the HMAC in download links, 32 bytes
    access      INTEGER NOT NULL DEFAULT 0, -- raised when a key, cloud ids or the link secret change
    inbox_size  INTEGER NOT NULL DEFAULT 0  -- size of the inbox, maintained by triggers
) STRICT;

-- Tenants own layers, functions and objects.
CREATE TABLE tenants (
    id        TEXT    PRIMARY KEY,
    created   INTEGER NOT NULL,
    layers    INTEGER NOT NULL DEFAULT 0,   -- layers with at least one version, maintained by the writer
    code_size INTEGER NOT NULL DEFAULT 0,   -- bytes of all versions and heads, maintained by triggers
    spelling  TEXT    NOT NULL DEFAULT '{}' -- JSON object: its cloud ids, where they are not derived
) STRICT, WITHOUT ROWID;

-- Keys that sign requests, by every cloud's rules.
CREATE TABLE keys (
    id        TEXT    PRIMARY KEY,
    secret    TEXT    NOT NULL,             -- in plain text: the clouds' signatures are computed with it
    tenant    TEXT    NOT NULL REFERENCES tenants (id),
    role      TEXT    NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    enabled   INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created   INTEGER NOT NULL,
    last_used INTEGER                       -- precise to about ten minutes
) STRICT, WITHOUT ROWID;

-- The audit log: a row for each change, written in the transaction of the change.
CREATE TABLE audit (
    sequence  INTEGER PRIMARY KEY,          -- number of the change
    at        INTEGER NOT NULL,
    tenant    TEXT    NOT NULL,
    key       TEXT,                         -- the key that signed; NULL: no authentication, owner or task
    dialect   TEXT    NOT NULL,             -- 'local' for the node's owner, 'upkeep' for a task of upkeep
    operation TEXT    NOT NULL,             -- in the vendor's spelling; of a task, its name
    kind      TEXT    NOT NULL,             -- of the subject: layer, function, object, key, tenant, links
    name      TEXT    NOT NULL,             -- of the subject: demo, default/hello, code/a.zip, AKID
    version   INTEGER,                      -- NULL: the layer or function as a whole, or another kind
    request   TEXT                          -- the request's id; NULL for owner and tasks
) STRICT;
-- By the root tenant: `a` for `a` and for its subtenant `a@b`.
CREATE INDEX audit_by_whole ON audit (substr(tenant, 1, instr(tenant || '@', '@') - 1), sequence);
CREATE INDEX audit_by_subject
ON audit (substr(tenant, 1, instr(tenant || '@', '@') - 1), kind, name, sequence);

-- One row and one file (`code/<first two hex>/<sha256>.zip`) per distinct content.
CREATE TABLE code (
    sha256   BLOB    PRIMARY KEY CHECK (length(sha256) = 32),
    sha512   BLOB    NOT NULL CHECK (length(sha512) = 64),
    md5      BLOB    NOT NULL CHECK (length(md5) = 16),
    crc64    INTEGER NOT NULL,              -- CRC-64/XZ, the same 64 bits read as signed
    size     INTEGER NOT NULL,              -- bytes of the upload
    entries  INTEGER NOT NULL,              -- entries in the zip's directory
    unpacked INTEGER NOT NULL,              -- bytes of all entries unpacked
    stored   INTEGER NOT NULL               -- when it was first stored
) STRICT, WITHOUT ROWID;

-- A layer's name and counter. The row stays when its versions are deleted, so that no number is used
-- twice.
CREATE TABLE layers (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    name        TEXT    NOT NULL,
    uid         TEXT    NOT NULL UNIQUE,    -- Huawei's dependency id
    acl         INTEGER NOT NULL DEFAULT 0 CHECK (acl IN (0, 1)),   -- 1: readable by every tenant
    tags        TEXT    NOT NULL DEFAULT '[]',                      -- JSON: [[key, value], ...]
    last_number INTEGER NOT NULL DEFAULT 0, -- highest number ever assigned
    versions    INTEGER NOT NULL DEFAULT 0, -- versions that exist
    newest      INTEGER,                    -- highest number that exists; NULL: the layer is not listed
    newest_at   INTEGER,                    -- when that version was created
    sequence    INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
-- Has all that a list by name shows of a layer, so that the list does not read the layers' rows.
CREATE INDEX layers_by_name ON layers (tenant, name, newest, acl) WHERE newest IS NOT NULL;
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

CREATE TRIGGER layer_versions_add_code
AFTER INSERT ON layer_versions
BEGIN
    UPDATE tenants SET code_size = code_size + (SELECT size FROM code WHERE sha256 = NEW.code)
    WHERE id = (SELECT tenant FROM layers WHERE id = NEW.layer);
END;

CREATE TRIGGER layer_versions_remove_code
AFTER DELETE ON layer_versions
BEGIN
    UPDATE tenants SET code_size = code_size - (SELECT size FROM code WHERE sha256 = OLD.code)
    WHERE id = (SELECT tenant FROM layers WHERE id = OLD.layer);
END;

-- A function's name and counter. The row stays when the function is deleted, so that no number is
-- used twice.
CREATE TABLE functions (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    grp         TEXT    NOT NULL,           -- the name is unique within it; 'default' in clouds without groups
    name        TEXT    NOT NULL,
    uid         TEXT    NOT NULL UNIQUE,    -- renewed when the function is created again
    live        INTEGER NOT NULL DEFAULT 1 CHECK (live IN (0, 1)),  -- 0: deleted, the counter remains
    created     INTEGER NOT NULL,
    last_number INTEGER NOT NULL DEFAULT 0, -- highest number ever assigned
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
    revision            INTEGER NOT NULL,   -- of the head: milliseconds since 1970, always growing
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

CREATE TRIGGER function_versions_add_code
AFTER INSERT ON function_versions WHEN NEW.code IS NOT NULL
BEGIN
    UPDATE tenants SET code_size = code_size + (SELECT size FROM code WHERE sha256 = NEW.code)
    WHERE id = (SELECT tenant FROM functions WHERE id = NEW.function);
END;

CREATE TRIGGER function_versions_change_code
AFTER UPDATE OF code ON function_versions WHEN NEW.code IS NOT OLD.code
BEGIN
    UPDATE tenants SET code_size = code_size
        + coalesce((SELECT size FROM code WHERE sha256 = NEW.code), 0)
        - coalesce((SELECT size FROM code WHERE sha256 = OLD.code), 0)
    WHERE id = (SELECT tenant FROM functions WHERE id = NEW.function);
END;

CREATE TRIGGER function_versions_remove_code
AFTER DELETE ON function_versions WHEN OLD.code IS NOT NULL
BEGIN
    UPDATE tenants SET code_size = code_size - (SELECT size FROM code WHERE sha256 = OLD.code)
    WHERE id = (SELECT tenant FROM functions WHERE id = OLD.function);
END;

-- Layer versions bound to a state of a function. This row still refers to the code when the layer
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

-- The inbox: objects that clients put before they make versions of them. Rows of objects and of
-- parts are inserted and deleted, never updated. Triggers enforce that, and maintain
-- `state.inbox_size` and `inbox_gone`.
CREATE TABLE inbox_objects (
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    bucket     TEXT    NOT NULL,
    key        TEXT    NOT NULL,            -- compared by its bytes
    file       TEXT    NOT NULL,            -- name of its file (`inbox/<first two>/<file>`), a UUID of our own
    size       INTEGER NOT NULL,            -- bytes
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    sha512     BLOB    NOT NULL CHECK (length(sha512) = 64),
    md5        BLOB    NOT NULL CHECK (length(md5) = 16),
    crc64      INTEGER NOT NULL,            -- CRC-64/XZ, the same 64 bits read as signed
    parts      INTEGER NOT NULL,            -- number of parts it was put in; 1 if it was put whole
    etag       TEXT    NOT NULL,            -- entity tag without quotes
    media_type TEXT    NOT NULL,            -- as the client stated it; empty if it did not
    metadata   TEXT    NOT NULL,            -- JSON object of text: the client's own names and values
    stored     INTEGER NOT NULL,            -- when it was put
    expires    INTEGER,                     -- reads do not see it from this time on; NULL: it stays
    part_sizes TEXT,                        -- JSON array of the parts' bytes; NULL: it was put whole, or before version 5
    PRIMARY KEY (tenant, bucket, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_objects_by_file ON inbox_objects (file);
CREATE INDEX inbox_objects_by_expiry ON inbox_objects (expires) WHERE expires IS NOT NULL;

-- Multipart uploads into the inbox that are not completed.
CREATE TABLE inbox_multiparts (
    id         TEXT    PRIMARY KEY,         -- its name for clients, a UUID of our own
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    bucket     TEXT    NOT NULL,
    key        TEXT    NOT NULL,            -- key of the object that it becomes
    media_type TEXT    NOT NULL,            -- media type of that object
    metadata   TEXT    NOT NULL,            -- metadata of that object
    started    INTEGER NOT NULL,
    expires    INTEGER                      -- reads do not see it from this time on; parts do not extend it
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_multiparts_by_key ON inbox_multiparts (tenant, bucket, key, id);
CREATE INDEX inbox_multiparts_by_expiry ON inbox_multiparts (expires) WHERE expires IS NOT NULL;

-- The parts of these uploads.
CREATE TABLE inbox_parts (
    upload TEXT    NOT NULL REFERENCES inbox_multiparts (id),
    number INTEGER NOT NULL CHECK (number > 0),     -- the client's number, from 1
    file   TEXT    NOT NULL,                -- name of its file, like that of an object
    size   INTEGER NOT NULL,                -- bytes
    md5    BLOB    NOT NULL CHECK (length(md5) = 16),
    stored INTEGER NOT NULL,                -- when it was put
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_parts_by_file ON inbox_parts (file);

-- Files of the inbox that no row refers to any longer, until they are removed. The change that
-- deletes a file's row inserts the file here, so that it is removed even if the server is killed.
CREATE TABLE inbox_gone (
    file TEXT PRIMARY KEY                   -- name of the file
) STRICT, WITHOUT ROWID;

-- An object and a part count their bytes and 4096 more, an upload counts 4096: even an empty one
-- takes up rows, and an object or a part also a file and a directory entry.
CREATE TRIGGER inbox_objects_add
AFTER INSERT ON inbox_objects
BEGIN
    UPDATE state SET inbox_size = inbox_size + NEW.size + 4096;
END;

CREATE TRIGGER inbox_objects_remove
AFTER DELETE ON inbox_objects
BEGIN
    UPDATE state SET inbox_size = inbox_size - OLD.size - 4096;
    INSERT INTO inbox_gone (file) VALUES (OLD.file);
END;

CREATE TRIGGER inbox_objects_are_immutable
BEFORE UPDATE ON inbox_objects
BEGIN
    SELECT RAISE(ABORT, 'an object is replaced as a whole');
END;

CREATE TRIGGER inbox_multiparts_add
AFTER INSERT ON inbox_multiparts
BEGIN
    UPDATE state SET inbox_size = inbox_size + 4096;
END;

CREATE TRIGGER inbox_multiparts_remove
AFTER DELETE ON inbox_multiparts
BEGIN
    UPDATE state SET inbox_size = inbox_size - 4096;
END;

CREATE TRIGGER inbox_parts_add
AFTER INSERT ON inbox_parts
BEGIN
    UPDATE state SET inbox_size = inbox_size + NEW.size + 4096;
END;

CREATE TRIGGER inbox_parts_remove
AFTER DELETE ON inbox_parts
BEGIN
    UPDATE state SET inbox_size = inbox_size - OLD.size - 4096;
    INSERT INTO inbox_gone (file) VALUES (OLD.file);
END;

CREATE TRIGGER inbox_parts_are_immutable
BEFORE UPDATE ON inbox_parts
BEGIN
    SELECT RAISE(ABORT, 'a part is replaced as a whole');
END;
