-- Reports of other scanners, read by `imports`. What came of each token is in the leaks, as with scans.
CREATE TABLE imports (
    id                 INTEGER PRIMARY KEY,
    tenant_id          BIGINT NOT NULL REFERENCES tenants (id),
    source_id          BIGINT NOT NULL REFERENCES sources (id),
    status             TEXT   NOT NULL CHECK (status IN ('waiting', 'done')),
    -- Findings of the report that are written down or passed over. A report that is sent again goes on behind them.
    findings           BIGINT NOT NULL DEFAULT 0,
    -- Over what those were: tells whether a report that is sent again is the same one.
    digest             BLOB   NOT NULL,
    found_new          BIGINT NOT NULL DEFAULT 0,
    -- Passed over, and why.
    without_secret     BIGINT NOT NULL DEFAULT 0,
    redacted           BIGINT NOT NULL DEFAULT 0,
    with_white_space   BIGINT NOT NULL DEFAULT 0,
    unfit              BIGINT NOT NULL DEFAULT 0,
    error              TEXT,
    author             TEXT   NOT NULL,
    created_at         BIGINT NOT NULL,
    -- Until then one reader has it.
    reading_until      BIGINT,
    finished_at        BIGINT
);
CREATE INDEX imports_of_tenant ON imports (tenant_id, id);
