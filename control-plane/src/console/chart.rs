//! Charts: tables of numbers in which every number leads to the things behind it. A script draws them; without it the table is there.

use crate::console::{filters, words};
use crate::leaks::Counts;

/// A chart, and the table that it is drawn of.
pub(crate) struct Chart {
    /// How it is drawn.
    pub(super) kind: Kind,
    /// Its name on the page.
    pub(super) id: &'static str,
    pub(super) title: String,
    /// What its rows are.
    pub(super) of: &'static str,
    /// Its columns.
    pub(super) series: Vec<Series>,
    pub(super) rows: Vec<Row>,
    /// What is said below it.
    pub(super) note: String,
}

/// How a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A ring; its table is the legend.
    Donut,
    /// The table, with a bar in each row.
    Bars,
    /// Areas on each other, over time.
    Area,
    /// Columns on each other, over time.
    Columns,
}

/// A column of the table.
pub(super) struct Series {
    pub(super) name: String,
    /// The name of its colour.
    pub(super) tone: &'static str,
    pub(super) href: String,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) tone: &'static str,
    pub(super) href: String,
    pub(super) values: Vec<i64>,
    /// Whether the list behind it is shown now.
    pub(super) is_chosen: bool,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Donut => "donut",
            Self::Bars => "bars",
            Self::Area => "area",
            Self::Columns => "columns",
        }
    }

    /// Whether the table stays beside the chart.
    pub(super) fn has_legend(self) -> bool {
        matches!(self, Self::Donut | Self::Bars)
    }
}

impl Chart {
    /// One value in each row.
    pub(super) fn of_rows(kind: Kind, id: &'static str, title: &str, of: &'static str, rows: Vec<Row>) -> Self {
        let series = vec![Series { name: "Leaks".to_owned(), tone: "accent", href: String::new() }];
        Self { kind, id, title: title.to_owned(), of, series, rows, note: String::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.values.iter().all(|value| *value == 0))
    }

    /// What somebody hears who does not see it.
    pub(super) fn summary(&self) -> String {
        let total: i64 = self.rows.iter().flat_map(|row| &row.values).sum();
        format!("{}: {} in all. The same numbers are in the table.", self.title, filters::group(&total.to_string()))
    }

    /// How long the bar of a row is, of a hundred.
    pub(super) fn share(&self, row: &Row) -> i64 {
        let longest = self.rows.iter().filter_map(|row| row.values.first()).max().copied().unwrap_or(0);
        row.values.first().map_or(0, |value| if *value == 0 { 0 } else { (value * 100 / longest.max(1)).max(1) })
    }
}

impl Row {
    pub(super) fn new(name: &str, tone: &'static str, href: String, value: i64) -> Self {
        Self { name: name.to_owned(), tone, href, values: vec![value], is_chosen: false }
    }
}

/// Leaks by where they stand, each as a row with the link of its status.
pub(super) fn by_status(counts: &Counts, href: impl Fn(&str) -> String) -> Vec<Row> {
    let values = [counts.open, counts.closed, counts.false_positive];
    let row = |(status, value): (crate::leaks::Status, i64)| {
        Row::new(words::status(status), tone_of_status(status), href(status.as_str()), value)
    };
    words::STATUSES.into_iter().zip(values).map(row).collect()
}

pub(super) fn tone_of_status(status: crate::leaks::Status) -> &'static str {
    match status {
        crate::leaks::Status::Open => "open",
        crate::leaks::Status::Closed => "closed",
        crate::leaks::Status::FalsePositive => "false",
    }
}

pub(super) fn tone_of_life(life: &str) -> &'static str {
    match life {
        "alive" => "critical",
        "dead" => "closed",
        _ => "false",
    }
}

pub(super) fn tone_of_risk(risk: stopleak_detector::Risk) -> &'static str {
    risk.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_of_the_longest() {
        let row = |value| Row::new("", "", String::new(), value);
        let chart = Chart::of_rows(Kind::Bars, "c", "Leaks", "Source", vec![row(200), row(50), row(1), row(0)]);
        assert_eq!(chart.rows.iter().map(|row| chart.share(row)).collect::<Vec<_>>(), [100, 25, 1, 0]);
        assert!(chart.summary().contains("251"));
    }
}
