//! A page of a list whose entries lie in the order in which they came.

use super::Sql;

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The last entry of the page before.
    pub behind: Option<i64>,
    /// Which end the list begins at.
    pub order: Order,
    /// Most entries of the page.
    pub limit: u32,
}

/// Which end a list begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What came last.
    #[default]
    NewestFirst,
    /// What came first.
    OldestFirst,
}

impl Page {
    /// The newest entries.
    #[must_use]
    pub fn newest(limit: u32) -> Self {
        Self { behind: None, order: Order::NewestFirst, limit }
    }

    /// Where the list goes on behind these entries of the page, unless they are its last ones.
    pub fn next<T>(&self, entries: &[T], id: impl Fn(&T) -> i64) -> Option<i64> {
        let is_full = entries.len() == self.limit as usize;
        entries.last().filter(|_| is_full).map(id)
    }
}

impl Sql {
    /// Ends a query that has a condition, with this page by a column that says who came when.
    pub fn page(&mut self, column: &'static str, page: &Page) -> &mut Self {
        let (is_behind, direction) = match page.order {
            Order::NewestFirst => (" < ", " DESC"),
            Order::OldestFirst => (" > ", ""),
        };
        if let Some(behind) = page.behind {
            self.push(" AND ").push(column).push(is_behind).int(behind);
        }
        self.push(" ORDER BY ").push(column).push(direction).push(" LIMIT ").int(page.limit.into())
    }
}
