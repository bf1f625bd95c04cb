-- From version 1 to 2: keys, spellings, the audit log, the size of a tenant's code.

ALTER TABLE state ADD COLUMN access INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN code_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN spelling TEXT NOT NULL DEFAULT '{}';

-- Who may sign requests, in every cloud's way.
CREATE TABLE keys (
    id        TEXT    PRIMARY KEY,
    secret    TEXT    NOT NULL,             -- as it is: the clouds' signatures are made with it
    tenant    TEXT    NOT NULL REFERENCES tenants (id),
    role      TEXT    NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    enabled   INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created   INTEGER NOT NULL,
    last_used INTEGER                       -- to about ten minutes
) STRICT, WITHOUT ROWID;

-- The audit log: one row for each change, written in its own transaction.
CREATE TABLE audit (
    sequence  INTEGER PRIMARY KEY,          -- number of the change
    at        INTEGER NOT NULL,
    tenant    TEXT    NOT NULL,
    key       TEXT,                         -- who signed; NULL: authentication was off, or the node's owner
    dialect   TEXT    NOT NULL,             -- 'local': a command on the data folder
    operation TEXT    NOT NULL,             -- in the vendor's spelling
    subject   TEXT    NOT NULL,             -- kind and name: layer/demo/3, function/default/hello, key/AKID
    request   TEXT                          -- the request's id; NULL for a local command
) STRICT;
-- By the root tenant: `a` for `a` and for `a@b`.
CREATE INDEX audit_by_whole ON audit (substr(tenant, 1, instr(tenant || '@', '@') - 1), sequence);

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

UPDATE tenants SET code_size =
    coalesce((SELECT sum(c.size) FROM layers l JOIN layer_versions v ON v.layer = l.id
              JOIN code c ON c.sha256 = v.code WHERE l.tenant = tenants.id), 0) +
    coalesce((SELECT sum(c.size) FROM functions f JOIN function_versions v ON v.function = f.id
              JOIN code c ON c.sha256 = v.code WHERE f.tenant = tenants.id), 0);
