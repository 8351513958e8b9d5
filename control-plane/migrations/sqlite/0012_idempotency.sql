-- Requests that callers may send again, by the key that they gave them.
CREATE TABLE idempotency_keys (
    id                 INTEGER PRIMARY KEY,
    tenant_id          BIGINT NOT NULL REFERENCES tenants (id),
    -- Who gave the key: 'user' or 'api_token', and its number. Each has keys of their own.
    caller_kind        TEXT   NOT NULL,
    caller             BIGINT NOT NULL,
    key                TEXT   NOT NULL,
    -- A keyed hash of method, path and body, which may hold tokens.
    request            BLOB   NOT NULL,
    begun_at           BIGINT NOT NULL,
    -- NULL as long as the request is under way.
    status             BIGINT,
    location           TEXT,
    -- NULL where the answer is not kept.
    answer             BLOB,
    UNIQUE (tenant_id, caller_kind, caller, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, begun_at);
