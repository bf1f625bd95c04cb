-- From version 3 to 4: the subject of each line of the audit log in columns; an index with all that
-- a list of layers by name shows of a layer.

DROP INDEX layers_by_name;
CREATE INDEX layers_by_name ON layers (tenant, name, newest, acl) WHERE newest IS NOT NULL;

DROP INDEX audit_by_whole;
ALTER TABLE audit RENAME TO audit_of_version_3;

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

-- A subject was kind, name and version with slashes between them. No name of a layer, a group or a
-- function has a slash: the second part of a layer, and the third of a function, is the version.
INSERT INTO audit (sequence, at, tenant, key, dialect, operation, kind, name, version, request)
WITH kinds AS (
    SELECT *, substr(subject, 1, instr(subject || '/', '/') - 1) AS kind,
           substr(subject, instr(subject || '/', '/') + 1) AS rest
    FROM audit_of_version_3
), starts AS (
    -- Where the version's slash may be found: after the group, if there is one.
    SELECT *, CASE kind WHEN 'function' THEN instr(rest, '/') ELSE 0 END AS start FROM kinds
), slashes AS (
    SELECT *, CASE WHEN kind IN ('layer', 'function') THEN instr(substr(rest, start + 1), '/')
              ELSE 0 END AS slash
    FROM starts
)
SELECT sequence, at, tenant, key, dialect, operation, kind,
       CASE slash WHEN 0 THEN rest ELSE substr(rest, 1, start + slash - 1) END,
       CASE slash WHEN 0 THEN NULL ELSE CAST(substr(rest, start + slash + 1) AS INTEGER) END,
       request
FROM slashes;

DROP TABLE audit_of_version_3;
