//! The rows of each table, as statements that both databases read. Numbers are put in by the program, nothing else.

use crate::database::Database;
use crate::spread::{PEOPLE, Sizes, any, kinds, mostly_low};

/// Whose rows, and until when.
pub struct Rows<'a> {
    pub database: &'a Database,
    pub sizes: Sizes,
    pub tenant: i64,
    pub gateways: Vec<i64>,
    /// Milliseconds since the Unix epoch.
    pub now: i64,
}

const DAY: i64 = 24 * 60 * 60 * 1000;
/// For so long leaks have been found,
const LEAKS_SINCE: i64 = 730 * DAY;
/// and attempts been seen.
const ATTEMPTS_SINCE: i64 = 90 * DAY;

/// The numbers of the rows of one statement.
fn numbers(from: i64, to: i64) -> String {
    format!("n (i) AS (SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {to})")
}

impl Rows<'_> {
    pub fn sources(&self) -> String {
        let (tenant, since, numbers) = (self.tenant, self.now - LEAKS_SINCE, numbers(1, self.sizes.sources()));
        format!(
            "WITH RECURSIVE {numbers}
             INSERT INTO sources (tenant_id, kind, location, title, created_at)
             SELECT {tenant}, 'git', 'https://git.example/group-' || (i % 50) || '/repository-' || i || '.git',
                    'group-' || (i % 50) || '/repository-' || i, {since} FROM n"
        )
    }

    /// Four fifths are open, a third of those patched. `first` is the key of the first source.
    pub fn leaks(&self, from: i64, to: i64, first: i64) -> String {
        let Self { tenant, now, sizes, .. } = self;
        let numbers = numbers(from, to);
        let created = format!("{now} - {LEAKS_SINCE} + i * {}", LEAKS_SINCE / sizes.leaks);
        let (standing, severity, patched, age) = (any("i", 1, 100), any("i", 2, 100), any("i", 3, 100), any("i", 4, 1000));
        let (source, folder) = (mostly_low("i", 5, sizes.sources()), any("i", 6, 3000));
        let (somebody, person, tokens) = (any("i", 7, 100), mostly_low("i", 8, PEOPLE), sizes.tokens_of("i"));
        format!(
            "WITH RECURSIVE {numbers},
             drawn AS (SELECT i, {standing} AS standing, {severity} AS severity, {patched} AS patched, {created} AS created,
                              {source} + {first} AS source, {tokens} AS tokens FROM n),
             changed AS (SELECT drawn.*, created + ({now} - created) / 1000 * ({age}) AS updated,
                                CASE WHEN standing < 80 THEN 'open' WHEN standing < 92 THEN 'closed' ELSE 'false_positive' END AS status,
                                CASE WHEN i % 50 = 7 THEN NULL ELSE 'services/team-' || {folder} || '/config-' || i || '.yaml' END AS path
                         FROM drawn)
             INSERT INTO leaks (tenant_id, number, title, risk, risk_from, status, patched_at, source_id, path, created_at, updated_at,
                                assignee, version, token_count)
             SELECT {tenant}, c.i, CASE WHEN path IS NULL THEN 'Key in support ticket ' || c.i ELSE path || ' in ' || s.title END,
                    CASE WHEN severity < 3 THEN 'critical' WHEN severity < 15 THEN 'high' WHEN severity < 65 THEN 'medium' ELSE 'low' END,
                    CASE WHEN path IS NULL THEN 'person' ELSE 'rule' END, status,
                    CASE WHEN status = 'open' AND patched < 33 THEN updated END,
                    CASE WHEN path IS NULL THEN NULL ELSE s.id END, path, created, updated,
                    CASE WHEN {somebody} < 60 THEN '' ELSE 'person-' || {person} END,
                    1 + tokens + CASE WHEN status <> 'open' OR patched < 33 THEN 1 ELSE 0 END, tokens
             FROM changed c JOIN sources s ON s.id = c.source ORDER BY c.i"
        )
    }

    /// The tokens of some leaks.
    pub fn tokens(&self, from: i64, to: i64) -> String {
        let (kinds, count) = kinds();
        let (tenant, largest) = (self.tenant, self.sizes.largest());
        let is_largest = from == largest && to == largest;
        let (most, others) = if is_largest {
            (self.sizes.tokens_of_largest(), String::new())
        } else {
            (self.sizes.most_tokens(), format!("AND l.number <> {largest}"))
        };
        let numbers = numbers(1, most);
        // A leak has fewer.
        let id = "(l.number * 16384 + n.i)";
        let (kind, weak, fingerprint) = (mostly_low(id, 20, count), any(id, 21, 100), self.database.random(id, 32));
        format!(
            "WITH RECURSIVE {kinds}, {numbers}
             INSERT INTO tokens (tenant_id, leak, fingerprint, preview, length, classes, weakness, rule, created_at)
             SELECT {tenant}, l.number, {fingerprint}, 'fake…' || ({id} % 10000), k.length, k.classes,
                    CASE WHEN {weak} = 0 THEN 'low_entropy' END, CASE WHEN l.source_id IS NULL THEN NULL ELSE k.rule END, l.created_at
             FROM leaks l JOIN n ON n.i <= l.token_count JOIN kinds k ON k.k = {kind}
             WHERE l.tenant_id = {tenant} AND l.number BETWEEN {from} AND {to} {others} ORDER BY l.number, n.i"
        )
    }

    /// One place for each token that a scan has found.
    pub fn occurrences(&self, from: i64, to: i64) -> String {
        let (tenant, commit) = (self.tenant, self.database.hex(&self.database.random("t.leak", 20)));
        format!(
            "INSERT INTO occurrences (tenant_id, token_id, source_id, path, line_number, column_number, commit_id, committed_at, seen_at)
             SELECT {tenant}, t.id, l.source_id, l.path, 1 + t.id % 700, 1 + t.id % 60, {commit}, l.created_at - {DAY}, l.created_at
             FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak
             WHERE t.id BETWEEN {from} AND {to} AND l.source_id IS NOT NULL ORDER BY t.id"
        )
    }

    /// What has made the leaks what they are, with an epoch each.
    pub fn decisions(&self, from: i64, to: i64) -> String {
        let (tenant, person) = (self.tenant, mostly_low("l.number", 8, PEOPLE));
        format!(
            "INSERT INTO decisions (tenant_id, leak, action, reason, author, decided_at, epoch)
             SELECT {tenant}, l.number,
                    CASE status WHEN 'open' THEN 'apply_virtual_patch' WHEN 'closed' THEN 'close' ELSE 'mark_false' END,
                    'seen with the team, ticket ' || l.number, 'person-' || {person}, l.updated_at, l.number + 1
             FROM leaks l WHERE l.tenant_id = {tenant} AND l.number BETWEEN {from} AND {to}
               AND (l.status <> 'open' OR l.patched_at IS NOT NULL) ORDER BY l.number"
        )
    }

    /// A twentieth is of one token, nearly half of a thousand tokens, the others of any.
    pub fn attempts(&self, from: i64, to: i64) -> String {
        let Self { tenant, now, sizes, .. } = self;
        let numbers = numbers(from, to);
        let (some, all, random) = (any("i", 30, 1000), any("i", 31, sizes.tokens), self.database.random("n.i", 16));
        let token = format!(
            "CASE WHEN i % 20 = 0 THEN {} WHEN i % 20 < 10 THEN 1 + {some} * {} ELSE 1 + {all} END",
            sizes.busiest_token(),
            sizes.tokens / 1000
        );
        let seen = format!("{now} - {ATTEMPTS_SINCE} + n.i * {}", ATTEMPTS_SINCE / sizes.attempts);
        let cases: Vec<_> = self.gateways.iter().enumerate().map(|(n, id)| format!("WHEN {n} THEN {id}")).collect();
        let gateway = format!("CASE n.i % {} {} END", self.gateways.len(), cases.join(" "));
        let blocked = format!("l.patched_at IS NOT NULL AND {} < 90", any("n.i", 32, 100));
        let (a, b, path, count) = (any("n.i", 33, 250), any("n.i", 34, 40), any("n.i", 35, 500), any("n.i", 36, 5));
        format!(
            "WITH RECURSIVE {numbers},
             used AS (SELECT i, {token} AS token FROM n)
             INSERT INTO attempts (tenant_id, attempt, gateway_id, leak, token_id, outcome, place, header, client, method, host, path, status,
                                   first_seen_at, last_seen_at, count)
             SELECT {tenant}, {random}, {gateway}, t.leak, t.id, CASE WHEN {blocked} THEN 'blocked' ELSE 'observed' END,
                    CASE n.i % 3 WHEN 0 THEN 'header' WHEN 1 THEN 'query' ELSE 'authorization' END,
                    CASE WHEN n.i % 3 = 0 THEN 'x-api-key' ELSE '' END, '10.' || {b} || '.7.' || {a},
                    CASE WHEN n.i % 4 = 0 THEN 'POST' ELSE 'GET' END, 'api-' || {b} || '.example', '/v1/orders/' || {path},
                    CASE WHEN {blocked} THEN NULL WHEN n.i % 5 < 3 THEN 200 ELSE 401 END, {seen} - 30000, {seen}, 1 + {count}
             FROM used n JOIN tokens t ON t.id = n.token JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak ORDER BY n.i"
        )
    }

    /// Of a hundred tokens, two that gateways have seen at work, and one that was refused.
    pub fn lives(&self) -> String {
        let Self { tenant, now, .. } = self;
        let (draw, since) = (any("id", 40, 100), format!("{now} - {} % {ATTEMPTS_SINCE}", any("id", 41, 1_000_000_000)));
        format!(
            "UPDATE tokens SET life = CASE WHEN {draw} < 2 THEN 'alive' ELSE 'dead' END, life_since = {since}, used_at = {now},
                    alive_at = CASE WHEN {draw} < 2 THEN {now} END, refused_at = CASE WHEN {draw} = 2 THEN {now} END,
                    refused_since = CASE WHEN {draw} = 2 THEN {since} END
             WHERE tenant_id = {tenant} AND {draw} < 3"
        )
    }

    /// Of a thousand leaks, three that were used from a new client.
    pub fn new_clients(&self) -> String {
        let Self { tenant, now, .. } = self;
        let draw = any("number", 42, 1000);
        format!("UPDATE leaks SET new_client = '192.0.2.7', new_client_at = {now} WHERE tenant_id = {tenant} AND {draw} < 3")
    }

    /// As if all of that had come one after the other.
    pub fn tenant(&self) -> String {
        let Self { tenant, now, sizes, .. } = self;
        format!("UPDATE tenants SET last_leak = {0}, epoch = {0} + 2, epoch_at = {now} WHERE id = {tenant}", sizes.leaks)
    }
}
