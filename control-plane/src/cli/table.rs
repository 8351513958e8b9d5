//! Shows JSON to people.

use std::io::{self, Write as _};

use serde_json::Value;

use super::Fault;

/// Prints JSON.
pub(super) fn json(value: &Value) -> Result<(), Fault> {
    print(&format!("{value:#}"))
}

/// Prints rows under their headings, in columns.
pub(super) fn rows(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Fault> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = vec![line(headings.to_vec())];
    text.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    print(&text.join("\n"))
}

/// Prints a text and a line's end. A reader that has seen enough is no error.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fault::Refused(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// One member of an object as a cell; `-` when it is not there.
pub(super) fn cell(object: &Value, member: &str) -> String {
    match object.pointer(&format!("/{member}")) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => harmless(text),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), harmless)).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// The members of an array.
pub(super) fn items<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Paths and hosts come from whoever called the gateway: nothing in them may steer the terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_show_what_is_there_and_steer_nothing() {
        let object = json!({"a": "x\u{1b}[2J", "b": null, "c": 7, "d": ["e", "f"], "g": {"h": true}});
        let cells: Vec<String> = ["a", "b", "c", "d", "g/h", "i"].map(|member| cell(&object, member)).to_vec();
        assert_eq!(cells, ["x·[2J", "-", "7", "e,f", "true", "-"]);
    }
}
