-- From version 2 to 3: the inbox.

ALTER TABLE state ADD COLUMN inbox_size INTEGER NOT NULL DEFAULT 0;

-- The inbox: objects that clients put before they make versions of them. Rows of an object and of
-- a part are inserted and deleted, never changed; that, the size and `inbox_gone` hang on triggers.
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
    parts      INTEGER NOT NULL,            -- parts it was put in; 1 when it was put whole
    etag       TEXT    NOT NULL,            -- entity tag without quotes
    media_type TEXT    NOT NULL,            -- as its owner stated it; empty when he did not
    metadata   TEXT    NOT NULL,            -- JSON object of text: names and values of its owner's
    stored     INTEGER NOT NULL,            -- when it was put
    expires    INTEGER,                     -- from when on it is not there; NULL: it stays
    PRIMARY KEY (tenant, bucket, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_objects_by_file ON inbox_objects (file);
CREATE INDEX inbox_objects_by_expiry ON inbox_objects (expires) WHERE expires IS NOT NULL;

-- Multipart uploads into the inbox that are not completed.
CREATE TABLE inbox_multiparts (
    id         TEXT    PRIMARY KEY,         -- what clients name it by, a UUID of our own
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    bucket     TEXT    NOT NULL,
    key        TEXT    NOT NULL,            -- of the object that it becomes
    media_type TEXT    NOT NULL,            -- that object's
    metadata   TEXT    NOT NULL,            -- that object's
    started    INTEGER NOT NULL,
    expires    INTEGER                      -- from when on it is not there; parts do not renew it
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_multiparts_by_key ON inbox_multiparts (tenant, bucket, key, id);
CREATE INDEX inbox_multiparts_by_expiry ON inbox_multiparts (expires) WHERE expires IS NOT NULL;

-- Their parts.
CREATE TABLE inbox_parts (
    upload TEXT    NOT NULL REFERENCES inbox_multiparts (id),
    number INTEGER NOT NULL CHECK (number > 0),     -- the client's, from 1
    file   TEXT    NOT NULL,                -- name of its file, as an object's
    size   INTEGER NOT NULL,                -- bytes
    md5    BLOB    NOT NULL CHECK (length(md5) = 16),
    stored INTEGER NOT NULL,                -- when it was put
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_parts_by_file ON inbox_parts (file);

-- Files of the inbox that no row needs any longer, until they are removed: written with the change
-- that deletes the row, so that none is forgotten, however the server ends.
CREATE TABLE inbox_gone (
    file TEXT PRIMARY KEY                   -- name of the file
) STRICT, WITHOUT ROWID;

-- What counts of an object, an upload and a part is its bytes and 4096 more: what is empty takes
-- rows, a file and a place in a folder too.
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
