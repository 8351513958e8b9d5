-- Work that follows from a change, and commits with it: see `jobs`. What is done is removed; what failed too often stays, dead, until somebody
-- looks at it.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    tenant_id     BIGINT NOT NULL REFERENCES tenants (id),
    kind          TEXT   NOT NULL,
    -- JSON: what the work is about, by keys; never a secret.
    payload       TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    -- Not before.
    run_at        BIGINT NOT NULL,
    -- How often it was begun.
    attempts      BIGINT NOT NULL DEFAULT 0,
    last_error    TEXT,
    -- Which worker has it, and until when the others leave it alone.
    claimed_by    TEXT,
    claimed_until BIGINT,
    died_at       BIGINT
);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE died_at IS NULL;
CREATE INDEX jobs_alike ON jobs (tenant_id, kind, payload) WHERE died_at IS NULL;
CREATE INDEX jobs_dead ON jobs (tenant_id, id) WHERE died_at IS NOT NULL;

INSERT INTO jobs (tenant_id, kind, payload, created_at, run_at)
SELECT tenant_id, 'scan', '{"scan":' || CAST(id AS TEXT) || '}', created_at, created_at FROM scans WHERE status IN ('queued', 'running');
