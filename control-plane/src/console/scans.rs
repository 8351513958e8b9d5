//! One scan: how far it is while it runs, and afterwards what was and was not read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use serde_json::value::RawValue;

use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::input::IdInPath;
use crate::api::problem::Answer;
use crate::app::App;
use crate::people::Caller;
use crate::scans::{ScanView, Status};
use crate::sources::{self, Source};

/// The page.
#[derive(askama::Template)]
#[template(path = "scan.html")]
pub(crate) struct ScanPage {
    frame: Frame,
    scan: ScanView,
    source: Option<Source>,
    progress: Value,
    coverage: Value,
}

pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, frame: Frame, id: IdInPath) -> Answer<Page<ScanPage>> {
    let tenant = caller.tenant.id;
    let Json(scan) = api::scans::show(State(Arc::clone(&app)), caller, id).await?;
    let source = sources::get(&mut *app.store.read().await?, tenant, scan.source).await?;
    // What another version wrote is shown as far as it is known.
    let read = |json: &Option<Box<RawValue>>| {
        json.as_ref().and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or(Value::Null)
    };
    Ok(Page(ScanPage { frame, progress: read(&scan.progress), coverage: read(&scan.coverage), scan, source }))
}

impl ScanPage {
    fn goes_on(&self) -> bool {
        matches!(self.scan.status, Status::Queued | Status::Running)
    }

    fn title(&self) -> &str {
        self.source.as_ref().map_or(words::GONE_SOURCE, |source| source.title.as_str())
    }

    /// `12,000 of 40,000 files`
    fn done(&self) -> String {
        let count = |member: &str| self.progress[member].as_u64().map(|number| filters::group(&number.to_string()));
        match (count("done"), count("total")) {
            (Some(done), Some(total)) => format!("{done} of {total}"),
            (Some(done), None) => done,
            _ => String::new(),
        }
    }

    /// Of a hundred; `None` while nobody knows how much there is.
    fn share(&self) -> Option<u64> {
        let (done, total) = (self.progress["done"].as_u64()?, self.progress["total"].as_u64()?);
        done.saturating_mul(100).checked_div(total).map(|share| share.min(100))
    }

    /// Numbers of the coverage record, with their names.
    fn numbers(&self) -> Vec<(&'static str, String)> {
        const NAMES: [(&str, &str); 7] = [
            ("discovered", "Files and blobs"),
            ("scanned", "Read to the end"),
            ("bytes", "Bytes"),
            ("commits", "Commits"),
            ("refs", "Branches, tags and other references"),
            ("unreachable", "With tokens, and out of reach"),
            ("error_count", "Errors"),
        ];
        let number = |(member, name): (&str, &'static str)| {
            let number = self.coverage[member].as_u64()?;
            Some((name, filters::group(&number.to_string())))
        };
        NAMES.into_iter().filter_map(number).collect()
    }

    /// Why something was not read, and how much.
    fn skipped(&self) -> Vec<(String, u64)> {
        let entry = |entry: &Value| Some((entry["reason"].as_str()?.replace('_', " "), entry["count"].as_u64()?));
        self.coverage["skipped"].as_array().into_iter().flatten().filter_map(entry).collect()
    }

    /// What went wrong with single files.
    fn errors(&self) -> Vec<(&str, &str)> {
        let errors = self.coverage["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| Some((error["path"].as_str()?, error["problem"].as_str()?))).collect()
    }
}
