-- Where a tenant's notifications go.
CREATE TABLE notification_channels (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT   NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('webhook', 'email', 'slack')),
    -- The address and the secret, encrypted: some addresses are secrets themselves.
    sealed     BLOB   NOT NULL,
    -- What of the address may be shown.
    summary    TEXT   NOT NULL,
    -- Names of events, with commas between them.
    events     TEXT   NOT NULL,
    min_risk   TEXT   NOT NULL CHECK (min_risk IN ('critical', 'high', 'medium', 'low')),
    enabled    BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

-- What is to be sent, and the history of what was.
CREATE TABLE notification_deliveries (
    id            INTEGER PRIMARY KEY,
    tenant_id     BIGINT NOT NULL REFERENCES tenants (id),
    channel_id    BIGINT NOT NULL REFERENCES notification_channels (id),
    event         TEXT   NOT NULL,
    -- The worst of its leaks.
    risk          TEXT   NOT NULL,
    -- JSON; names leaks and shows previews, never a token.
    body          TEXT   NOT NULL,
    status        TEXT   NOT NULL CHECK (status IN ('waiting', 'delivered', 'dead')),
    tries         BIGINT NOT NULL DEFAULT 0,
    -- Not to be sent before.
    next_at       BIGINT NOT NULL,
    -- Somebody sends it, until then.
    claimed_until BIGINT,
    last_error    TEXT,
    -- Of the answer.
    last_status   BIGINT,
    created_at    BIGINT NOT NULL,
    finished_at   BIGINT
);
CREATE INDEX notification_deliveries_of_tenant ON notification_deliveries (tenant_id, id);
CREATE INDEX notification_deliveries_of_channel ON notification_deliveries (channel_id, event, id);
CREATE INDEX notification_deliveries_waiting ON notification_deliveries (next_at) WHERE status = 'waiting';
CREATE INDEX notification_deliveries_claimed ON notification_deliveries (channel_id, claimed_until) WHERE status = 'waiting';

-- When a channel was last told of a leak's attempts: many come in an hour, and one message is enough.
CREATE TABLE notification_attempts_told (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    event      TEXT   NOT NULL,
    leak       BIGINT NOT NULL,
    channel_id BIGINT NOT NULL REFERENCES notification_channels (id),
    told_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, event, leak, channel_id)
);
CREATE INDEX notification_attempts_told_to ON notification_attempts_told (channel_id);
