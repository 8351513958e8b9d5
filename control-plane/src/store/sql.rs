//! A query whose conditions depend on what is asked. Values are only ever bound: the text holds nothing that a caller sent.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::Connection;

/// The text so far, and its values.
#[derive(Default)]
pub struct Sql {
    text: String,
    values: Vec<Value>,
}

enum Value {
    Int(i64),
    Text(String),
}

impl Sql {
    /// A query that begins so.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Goes on with a text of this program.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Goes on with a number's placeholder.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.value(Value::Int(value))
    }

    /// Goes on with a text's placeholder.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.value(Value::Text(value.to_owned()))
    }

    /// Asks.
    pub async fn fetch_all<T>(self, db: &mut Connection) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::any::AnyRow> + Send + Unpin,
    {
        let mut query = sqlx::query_as(AssertSqlSafe(self.text));
        for value in self.values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
            };
        }
        query.fetch_all(db).await
    }

    fn value(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        // Writing into a String does not fail.
        let _ = write!(self.text, "${}", self.values.len());
        self
    }
}
