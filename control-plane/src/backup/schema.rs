//! What tables there are, asked of the database itself, so that a backup forgets none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::store::{Connection, Database};

/// A table, in the order in which rows can be written: after those that it refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a column holds, besides NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
}

const COLUMNS_OF_SQLITE: &str = "SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, p.cid";
const COLUMNS_OF_POSTGRES: &str = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
    WHERE is_generated = 'NEVER' AND table_schema = current_schema() AND table_name NOT LIKE '\\_%' ORDER BY 1, ordinal_position";
const REFERENCES_OF_SQLITE: &str = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table'";
const REFERENCES_OF_POSTGRES: &str =
    "SELECT c.relname::text, r.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_class r ON r.oid = k.confrelid WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace";

/// What triggers keep of other tables. Written last: it takes the place of what they have counted while those were restored, which lacks what
/// is gone since.
pub(super) const COUNTED: [&str; 7] =
    ["attempt_counts", "day_counts", "leak_counts", "leak_rules", "life_counts", "status_days", "token_lengths"];

/// What servers that run know of each other and of their gateways: nothing of it is true of another database.
const PASSING: [&str; 2] = ["servers", "server_gateways"];

/// All tables of the database that a backup has.
pub(super) async fn tables(database: &Database, db: &mut Connection) -> Result<Vec<Table>, sqlx::Error> {
    let (columns, references) = match database {
        Database::Sqlite(_) => (COLUMNS_OF_SQLITE, REFERENCES_OF_SQLITE),
        Database::Postgres(_) => (COLUMNS_OF_POSTGRES, REFERENCES_OF_POSTGRES),
    };
    let columns: Vec<(String, String, String)> = sqlx::query_as(columns).fetch_all(&mut *db).await?;
    let references: Vec<(String, String)> = sqlx::query_as(references).fetch_all(&mut *db).await?;
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for (table, name, kind) in columns.into_iter().filter(|(table, ..)| !PASSING.contains(&table.as_str())) {
        let kind = Kind::of(&kind).ok_or_else(|| sqlx::Error::Decode(format!("{table}.{name} is a {kind}").into()))?;
        tables.entry(table).or_default().push(Column { name, kind });
    }
    let mut tables = in_order(tables, &references);
    tables.sort_by_key(|table| COUNTED.contains(&table.table.as_str()));
    Ok(tables)
}

fn in_order(mut tables: BTreeMap<String, Vec<Column>>, references: &[(String, String)]) -> Vec<Table> {
    let mut ordered = Vec::new();
    let mut done = BTreeSet::new();
    while !tables.is_empty() {
        let waits = |table: &String| references.iter().any(|(from, to)| from == table && to != table && !done.contains(to));
        // Tables that refer to each other could not be written in any order; then any will do, and writing says what is wrong.
        let Some(next) = tables.keys().find(|table| !waits(table)).or_else(|| tables.keys().next()).cloned() else { break };
        let columns = tables.remove(&next).unwrap_or_default();
        done.insert(next.clone());
        ordered.push(Table { table: next, columns });
    }
    ordered
}

impl Kind {
    fn of(kind: &str) -> Option<Self> {
        match kind.to_lowercase().as_str() {
            "integer" | "bigint" => Some(Self::Number),
            "text" => Some(Self::Text),
            "blob" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

impl Table {
    /// A name within a statement. They come from a schema or from a file, and are checked against the schema before.
    pub(super) fn quoted(&self) -> String {
        quote(&self.table)
    }

    /// The names of the columns within a statement.
    pub(super) fn list(&self) -> String {
        self.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|there| there.name == column)
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
