-- Where virtual patches apply, and what a blocked request is answered.

-- One row for each scope that was ever asked for, as JSON in one form: equal scopes are one row, which its digest finds.
CREATE TABLE scopes (
    id        INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    digest    BLOB   NOT NULL,
    scope     TEXT   NOT NULL,
    UNIQUE (tenant_id, digest)
);
-- NULL: everywhere.
ALTER TABLE leaks ADD COLUMN scope_id BIGINT REFERENCES scopes (id) CHECK (scope_id IS NULL OR patched_at IS NOT NULL);
ALTER TABLE decisions ADD COLUMN scope_id BIGINT REFERENCES scopes (id);
ALTER TABLE pending_decisions ADD COLUMN scope_id BIGINT REFERENCES scopes (id);
CREATE INDEX leaks_scoped ON leaks (tenant_id, scope_id, number) WHERE scope_id IS NOT NULL;

-- No row: the usual response.
CREATE TABLE responses (
    tenant_id  BIGINT PRIMARY KEY REFERENCES tenants (id),
    -- The status is NULL when it was reset: the version still only grows.
    status     BIGINT,
    -- JSON: pairs of name and value.
    headers    TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT   NOT NULL
);
