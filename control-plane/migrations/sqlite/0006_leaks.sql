-- What a company does with a leak: assignees and comments, decisions that wait, policies, the pause, and what lists and charts read.

-- Empty: nobody.
ALTER TABLE leaks ADD COLUMN assignee TEXT NOT NULL DEFAULT '';
-- Who says how bad the leak is: the rules of its tokens, or a person, whom no rule overrides.
ALTER TABLE leaks ADD COLUMN risk_from TEXT NOT NULL DEFAULT 'rule' CHECK (risk_from IN ('rule', 'person'));
-- Grows with each change: of two that change the leak at the same time, one finds that it has grown.
ALTER TABLE leaks ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE leaks ADD COLUMN patch_expires_at BIGINT CHECK (patch_expires_at IS NULL OR patched_at IS NOT NULL);
ALTER TABLE leaks ADD COLUMN token_count BIGINT NOT NULL DEFAULT 0;
-- What lists sort by: never NULL, and in the order of meaning.
ALTER TABLE leaks ADD COLUMN risk_rank BIGINT
    GENERATED ALWAYS AS (CASE risk WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END) VIRTUAL;
ALTER TABLE leaks ADD COLUMN is_patched BIGINT GENERATED ALWAYS AS (CASE WHEN patched_at IS NULL THEN 0 ELSE 1 END) VIRTUAL;
ALTER TABLE leaks ADD COLUMN patched_rank BIGINT GENERATED ALWAYS AS (coalesce(patched_at, 0)) VIRTUAL;
ALTER TABLE leaks ADD COLUMN source_rank BIGINT GENERATED ALWAYS AS (coalesce(source_id, 0)) VIRTUAL;
ALTER TABLE leaks ADD COLUMN path_rank TEXT GENERATED ALWAYS AS (coalesce(path, '')) VIRTUAL;

UPDATE leaks SET token_count = (SELECT count(*) FROM tokens t WHERE t.tenant_id = leaks.tenant_id AND t.leak = leaks.number);
UPDATE leaks SET risk_from = 'person' WHERE source_id IS NULL
    OR EXISTS (SELECT 1 FROM decisions d WHERE d.tenant_id = leaks.tenant_id AND d.leak = leaks.number AND d.action = 'set_risk');

-- One for each column that lists sort by; a filter of one value uses the same.
CREATE INDEX leaks_by_title ON leaks (tenant_id, title, number);
CREATE INDEX leaks_by_risk ON leaks (tenant_id, risk_rank, number);
CREATE INDEX leaks_by_status ON leaks (tenant_id, status, number);
CREATE INDEX leaks_by_patched ON leaks (tenant_id, is_patched, number);
CREATE INDEX leaks_by_patch ON leaks (tenant_id, patched_rank, number);
CREATE INDEX leaks_by_source ON leaks (tenant_id, source_rank, number);
CREATE INDEX leaks_by_path ON leaks (tenant_id, path_rank, number);
CREATE INDEX leaks_by_assignee ON leaks (tenant_id, assignee, number);
CREATE INDEX leaks_by_tokens ON leaks (tenant_id, token_count, number);
CREATE INDEX leaks_by_update ON leaks (tenant_id, updated_at, number);
CREATE INDEX leaks_to_expire ON leaks (patch_expires_at) WHERE patch_expires_at IS NOT NULL;

-- What gateways have seen of a token: whether it still works. Filled in by attempts.
ALTER TABLE tokens ADD COLUMN life TEXT NOT NULL DEFAULT 'unseen' CHECK (life IN ('alive', 'dead', 'unseen'));
ALTER TABLE tokens ADD COLUMN life_since BIGINT;

-- The lengths that tokens have, so that a text is searched for tokens without reading all of them.
CREATE TABLE token_lengths (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    length    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, length)
);
INSERT INTO token_lengths (tenant_id, length) SELECT DISTINCT tenant_id, length FROM tokens;
CREATE TRIGGER tokens_measured AFTER INSERT ON tokens
BEGIN
    INSERT INTO token_lengths (tenant_id, length) VALUES (NEW.tenant_id, NEW.length) ON CONFLICT DO NOTHING;
END;

-- Where a decision comes from; the author of a machine's is `policy NAME`, `expiry` or `regression`.
ALTER TABLE decisions ADD COLUMN origin TEXT NOT NULL DEFAULT 'person'
    CHECK (origin IN ('person', 'schedule', 'policy', 'expiry', 'regression'));
-- Of the second administrator.
ALTER TABLE decisions ADD COLUMN approved_by TEXT;
ALTER TABLE decisions ADD COLUMN expires_at BIGINT;

CREATE TABLE comments (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL,
    leak       BIGINT NOT NULL,
    author     TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
CREATE INDEX comments_of_leak ON comments (tenant_id, leak, id);

-- Decisions that are asked for and not taken yet: they wait for another administrator, or for their time.
CREATE TABLE pending_decisions (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL,
    leak       BIGINT NOT NULL,
    status     TEXT   NOT NULL
        CHECK (status IN ('needs_approval', 'scheduled', 'taken', 'refused', 'rejected', 'cancelled', 'lapsed')),
    action     TEXT   NOT NULL,
    risk       TEXT,
    confirm    BIGINT NOT NULL,
    reason     TEXT,
    -- When the patch that it applies is to end.
    expires_at BIGINT,
    author     TEXT   NOT NULL,
    -- Who the author is, also under another name.
    author_key TEXT   NOT NULL,
    asked_at   BIGINT NOT NULL,
    -- When it is to be taken, where it is not at once.
    due_at     BIGINT,
    -- When something happens by itself: it is taken, or it lapses. NULL when it is settled.
    next_at    BIGINT,
    approved_by TEXT,
    settled_at BIGINT,
    settled_by TEXT,
    -- Why it was refused or rejected.
    outcome    TEXT,
    -- What it became.
    decision   BIGINT,
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
CREATE INDEX pending_decisions_due ON pending_decisions (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX pending_decisions_of_leak ON pending_decisions (tenant_id, leak, id);
CREATE INDEX pending_decisions_open ON pending_decisions (tenant_id, status, id);

-- Decisions that an administrator lets the machine take.
CREATE TABLE policies (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT   NOT NULL,
    enabled    BIGINT NOT NULL DEFAULT 0,
    action     TEXT   NOT NULL CHECK (action IN ('apply_virtual_patch', 'close')),
    -- The conditions, all of which must hold; NULL is none.
    rule       TEXT,
    own_format BIGINT,
    risk       TEXT,
    life       TEXT,
    life_days  BIGINT,
    age_days   BIGINT,
    author     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

-- Decisions on critical leaks take two administrators.
ALTER TABLE tenants ADD COLUMN second_approver BIGINT NOT NULL DEFAULT 0;
-- Until then every block is an observation.
ALTER TABLE tenants ADD COLUMN paused_until BIGINT;
ALTER TABLE tenants ADD COLUMN paused_at BIGINT;
ALTER TABLE tenants ADD COLUMN paused_reason TEXT;
ALTER TABLE tenants ADD COLUMN paused_by TEXT;

-- What charts show, counted with each change: counting a million rows for each chart takes too long.
CREATE TABLE leak_counts (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    -- 0: no source.
    source    BIGINT NOT NULL,
    status    TEXT   NOT NULL,
    risk      TEXT   NOT NULL,
    patched   BIGINT NOT NULL,
    leaks     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, source, status, risk, patched)
);
INSERT INTO leak_counts (tenant_id, source, status, risk, patched, leaks)
    SELECT tenant_id, source_rank, status, risk, is_patched, count(*) FROM leaks GROUP BY 1, 2, 3, 4, 5;
CREATE TRIGGER leaks_counted AFTER INSERT ON leaks
BEGIN
    INSERT INTO leak_counts (tenant_id, source, status, risk, patched, leaks)
        VALUES (NEW.tenant_id, NEW.source_rank, NEW.status, NEW.risk, NEW.is_patched, 1)
        ON CONFLICT (tenant_id, source, status, risk, patched) DO UPDATE SET leaks = leak_counts.leaks + 1;
END;
CREATE TRIGGER leaks_recounted AFTER UPDATE OF status, risk, patched_at, source_id ON leaks
    WHEN NEW.source_rank <> OLD.source_rank OR NEW.status <> OLD.status OR NEW.risk <> OLD.risk OR NEW.is_patched <> OLD.is_patched
BEGIN
    UPDATE leak_counts SET leaks = leaks - 1 WHERE tenant_id = OLD.tenant_id AND source = OLD.source_rank
        AND status = OLD.status AND risk = OLD.risk AND patched = OLD.is_patched;
    INSERT INTO leak_counts (tenant_id, source, status, risk, patched, leaks)
        VALUES (NEW.tenant_id, NEW.source_rank, NEW.status, NEW.risk, NEW.is_patched, 1)
        ON CONFLICT (tenant_id, source, status, risk, patched) DO UPDATE SET leaks = leak_counts.leaks + 1;
END;

-- What happened on each day since the Unix epoch: `found`, an action of a decision, or an outcome of attempts.
CREATE TABLE day_counts (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    day       BIGINT NOT NULL,
    what      TEXT   NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, what)
);
INSERT INTO day_counts (tenant_id, day, what, count)
    SELECT tenant_id, created_at / 86400000, 'found', count(*) FROM leaks GROUP BY 1, 2;
INSERT INTO day_counts (tenant_id, day, what, count)
    SELECT tenant_id, decided_at / 86400000, action, count(*) FROM decisions GROUP BY 1, 2, 3;
INSERT INTO day_counts (tenant_id, day, what, count)
    SELECT tenant_id, last_seen_at / 86400000, outcome, CAST(sum(count) AS BIGINT) FROM attempts GROUP BY 1, 2, 3;
CREATE TRIGGER leaks_by_day AFTER INSERT ON leaks
BEGIN
    INSERT INTO day_counts (tenant_id, day, what, count) VALUES (NEW.tenant_id, NEW.created_at / 86400000, 'found', 1)
        ON CONFLICT (tenant_id, day, what) DO UPDATE SET count = day_counts.count + 1;
END;
CREATE TRIGGER decisions_by_day AFTER INSERT ON decisions
BEGIN
    INSERT INTO day_counts (tenant_id, day, what, count) VALUES (NEW.tenant_id, NEW.decided_at / 86400000, NEW.action, 1)
        ON CONFLICT (tenant_id, day, what) DO UPDATE SET count = day_counts.count + 1;
END;
CREATE TRIGGER attempts_by_day AFTER INSERT ON attempts
BEGIN
    INSERT INTO day_counts (tenant_id, day, what, count) VALUES (NEW.tenant_id, NEW.last_seen_at / 86400000, NEW.outcome, NEW.count)
        ON CONFLICT (tenant_id, day, what) DO UPDATE SET count = day_counts.count + excluded.count;
END;
-- An impact reads the newest attempts of a leak.
CREATE INDEX attempts_of_outcome ON attempts (tenant_id, leak, outcome, id);
