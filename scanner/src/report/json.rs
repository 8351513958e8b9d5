//! For programs: `{"findings": […], "coverage": {…}}`.

use std::io::{self, Write};

use serde::Serialize;

use super::Report;
use crate::{Coverage, Finding};

#[derive(Serialize)]
struct Document<'r> {
    findings: Vec<&'r Finding>,
    coverage: &'r Coverage,
}

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let document = Document { findings: report.sorted(), coverage: report.coverage };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
