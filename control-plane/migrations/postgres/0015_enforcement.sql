-- What is in force where, and since when: of every decision, over all servers.

-- One row for each epoch, written in the transaction that it carries. Epochs from before this table have none.
CREATE TABLE epochs (
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    epoch        BIGINT NOT NULL,
    committed_at BIGINT NOT NULL,
    -- When every connected gateway had it in force for the first time, and how many those were.
    enforced_at  BIGINT,
    gateways     BIGINT,
    PRIMARY KEY (tenant_id, epoch)
);
CREATE INDEX epochs_pending ON epochs (tenant_id, epoch) WHERE enforced_at IS NULL;

-- Whether gateways have to know of the decision, 1 or 0. Where they have not, its epoch is one that was there before.
ALTER TABLE decisions ADD COLUMN index_changes BIGINT NOT NULL DEFAULT 1;

-- The servers on this database, where there can be several. Each counts its beats up; one whose beat stands still is removed by the others.
CREATE TABLE servers (
    name TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);

-- What one server knows of one gateway, for the others. It goes with its server.
CREATE TABLE server_gateways (
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    gateway_id   BIGINT NOT NULL REFERENCES gateways (id),
    server       TEXT   NOT NULL REFERENCES servers (name) ON DELETE CASCADE,
    -- The lowest in force among its workers that are connected there, 0 when one has none; NULL when none is connected.
    epoch        BIGINT,
    epoch_at     BIGINT NOT NULL,
    connected_at BIGINT,
    -- JSON: what people are shown.
    state        TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, gateway_id, server)
);
CREATE INDEX server_gateways_of_server ON server_gateways (server);
