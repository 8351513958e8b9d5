-- Every row belongs to a tenant. Times are milliseconds since the Unix epoch. No table holds a token's text.

-- What proves that the key files belong to this database; says nothing about the keys.
CREATE TABLE key_checks (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE tenants (
    id        INTEGER PRIMARY KEY,
    name      TEXT   NOT NULL UNIQUE,
    -- Of the index: grows in the transaction that changes what the index holds.
    epoch     BIGINT NOT NULL,
    epoch_at  BIGINT NOT NULL,
    -- The number of the newest leak.
    last_leak BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY,
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL CHECK (role IN ('administrator', 'analyst')),
    hash         BLOB   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT
);

CREATE TABLE sources (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    kind       TEXT   NOT NULL,
    location   TEXT   NOT NULL,
    title      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, location)
);

CREATE TABLE scans (
    id          INTEGER PRIMARY KEY,
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    source_id   BIGINT NOT NULL REFERENCES sources (id),
    status      TEXT   NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
    -- JSON.
    progress    TEXT,
    coverage    TEXT,
    -- Tokens found, and those among them that no scan had found before.
    found       BIGINT NOT NULL DEFAULT 0,
    found_new   BIGINT NOT NULL DEFAULT 0,
    error       TEXT,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT
);
CREATE INDEX scans_of_source ON scans (source_id, id);

CREATE TABLE leaks (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    number     BIGINT NOT NULL,
    title      TEXT   NOT NULL,
    risk       TEXT   NOT NULL CHECK (risk IN ('critical', 'high', 'medium', 'low')),
    status     TEXT   NOT NULL CHECK (status IN ('open', 'closed', 'false_positive')),
    -- When the virtual patch was applied; NULL when there is none.
    patched_at BIGINT CHECK (patched_at IS NULL OR status = 'open'),
    source_id  BIGINT REFERENCES sources (id),
    path       TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX leaks_of_place ON leaks (tenant_id, source_id, path);

CREATE TABLE tokens (
    id          INTEGER PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    leak        BIGINT NOT NULL,
    fingerprint BLOB   NOT NULL,
    preview     TEXT   NOT NULL,
    -- Bytes of the canonical token: gateways hash only texts of a length that some token has.
    length      BIGINT NOT NULL,
    weakness    TEXT,
    rule        TEXT,
    created_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, fingerprint),
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
CREATE INDEX tokens_of_leak ON tokens (tenant_id, leak);

CREATE TABLE occurrences (
    id            INTEGER PRIMARY KEY,
    tenant_id     BIGINT NOT NULL REFERENCES tenants (id),
    token_id      BIGINT NOT NULL REFERENCES tokens (id),
    source_id     BIGINT NOT NULL REFERENCES sources (id),
    path          TEXT   NOT NULL,
    line_number   BIGINT NOT NULL,
    column_number BIGINT NOT NULL,
    -- Empty outside of version control: NULLs would all count as different.
    commit_id     TEXT   NOT NULL DEFAULT '',
    committed_at  BIGINT,
    seen_at       BIGINT NOT NULL,
    UNIQUE (token_id, source_id, path, line_number, column_number, commit_id)
);

CREATE TABLE decisions (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL,
    leak       BIGINT NOT NULL,
    action     TEXT   NOT NULL,
    reason     TEXT,
    risk       TEXT,
    author     TEXT   NOT NULL,
    decided_at BIGINT NOT NULL,
    -- The first epoch of the index that carries the decision.
    epoch      BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
CREATE INDEX decisions_of_leak ON decisions (tenant_id, leak, id);
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_last BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER leaks_last BEFORE DELETE ON leaks BEGIN SELECT RAISE(ABORT, 'a leak is never deleted'); END;

CREATE TABLE gateways (
    id              INTEGER PRIMARY KEY,
    tenant_id       BIGINT NOT NULL REFERENCES tenants (id),
    name            TEXT   NOT NULL,
    credential_hash BLOB   NOT NULL UNIQUE,
    created_at      BIGINT NOT NULL,
    revoked_at      BIGINT,
    last_seen_at    BIGINT
);
-- A revoked gateway's name may be given again.
CREATE UNIQUE INDEX gateways_by_name ON gateways (tenant_id, name) WHERE revoked_at IS NULL;

CREATE TABLE attempts (
    -- The order of arrival: what lists page by.
    id            INTEGER PRIMARY KEY,
    tenant_id     BIGINT NOT NULL,
    -- 16 bytes, made by the gateway: a batch that is sent again is stored once.
    attempt       BLOB   NOT NULL,
    gateway_id    BIGINT NOT NULL REFERENCES gateways (id),
    leak          BIGINT NOT NULL,
    token_id      BIGINT NOT NULL REFERENCES tokens (id),
    outcome       TEXT   NOT NULL CHECK (outcome IN ('observed', 'blocked')),
    place         TEXT   NOT NULL,
    header        TEXT   NOT NULL,
    client        TEXT   NOT NULL,
    method        TEXT   NOT NULL,
    host          TEXT   NOT NULL,
    path          TEXT   NOT NULL,
    -- Of the upstream's answer; NULL when there was none.
    status        BIGINT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    count         BIGINT NOT NULL,
    UNIQUE (tenant_id, attempt),
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
CREATE INDEX attempts_of_leak ON attempts (tenant_id, leak, id);
