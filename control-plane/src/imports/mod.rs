//! Imports: what other scanners found.

mod report;

pub use report::{Lack, ReportError, Reported, Sink, read};
