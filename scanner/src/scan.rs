//! One scan of one source.

use std::io::{Read, stdin};
use std::time::Instant;

use stopleak_detector::{Confidence, Detector};

use crate::archive::{Part, Reading};
use crate::blob::Reported;
use crate::progress::Phase;
use crate::{Cancel, Coverage, Finding, Observer, Options, Progress, ScanError, Seen, SourceLocation, folder, git, stream};

/// More findings than any real source has; the rest is counted as an error, so that memory stays bounded.
pub(crate) const FINDINGS_MAX: u64 = 100_000;

/// A way to scan sources: a detector and options.
#[derive(Debug)]
pub struct Scan<'d> {
    detector: &'d Detector,
    options: Options,
}

/// What every part of a scan works with.
pub(crate) struct Run<'r> {
    pub(crate) detector: &'r Detector,
    pub(crate) options: &'r Options,
    pub(crate) cancel: &'r Cancel,
    pub(crate) coverage: Coverage,
    observer: &'r mut dyn Observer,
    reported: Reported,
}

impl<'d> Scan<'d> {
    /// Prepares scans with `detector`.
    #[must_use]
    pub fn new(detector: &'d Detector, options: Options) -> Self {
        Self { detector, options }
    }

    /// Scans `location`; blocks until it is done. Findings that the observer got before an error stand.
    pub fn run(&self, location: &SourceLocation, observer: &mut dyn Observer, cancel: &Cancel) -> Result<Coverage, ScanError> {
        self.record(observer, cancel, |run| match location {
            SourceLocation::Remote(url) => git::remote(run, url),
            SourceLocation::Repository(path) => git::local(run, path),
            SourceLocation::Folder(path) => folder::scan(run, path),
            SourceLocation::File(path) => stream::file(run, path),
            SourceLocation::StandardInput => stream::read(run, "standard input", &mut stdin().lock()),
        })
    }

    /// Scans what `input` brings, under the name `name`, in bounded memory; if it is an archive, the files inside, whose paths are
    /// such as `name!/inner/x.env`. What of it could not be read, the coverage record says; only a broken input is an error.
    pub fn run_reader(
        &self,
        name: &str,
        input: &mut dyn Read,
        observer: &mut dyn Observer,
        cancel: &Cancel,
    ) -> Result<Coverage, ScanError> {
        self.record(observer, cancel, |run| stream::read(run, name, input))
    }

    fn record(
        &self,
        observer: &mut dyn Observer,
        cancel: &Cancel,
        work: impl FnOnce(&mut Run<'_>) -> Result<(), ScanError>,
    ) -> Result<Coverage, ScanError> {
        let started = Instant::now();
        let coverage = Coverage { rules_version: self.detector.version().into(), ..Coverage::default() };
        let limit = self.options.time_limit;
        let limited = &cancel.limited(limit);
        let mut run = Run {
            detector: self.detector,
            options: &self.options,
            cancel: limited,
            coverage,
            observer,
            reported: Reported::default(),
        };
        let outcome = work(&mut run).and_then(|()| run.stop_if_cancelled());
        outcome.map_err(|error| match error {
            ScanError::Cancelled if !cancel.is_cancelled() => ScanError::TimeLimit { limit },
            error => error,
        })?;
        Ok(Coverage { seconds: started.elapsed().as_secs_f64(), ..run.coverage })
    }
}

impl<'r> Run<'r> {
    /// What reading a file needs to know.
    pub(crate) fn reading(&self) -> Reading<'r> {
        let temporary_folder = self.options.temporary_folder.clone();
        Reading { detector: self.detector, cancel: self.cancel.clone(), temporary_folder }
    }

    /// Reports a finding unless the same token was reported for the same path.
    pub(crate) fn found(&mut self, finding: Finding) {
        if !self.reported.is_new(&finding) {
            return;
        }
        // With the generic rules off, these are keys of tests.
        if finding.confidence == Confidence::Low && !self.detector.is_generic() {
            self.coverage.unlikely += 1;
            return;
        }
        if self.coverage.findings == FINDINGS_MAX {
            self.coverage.error(finding.path, format!("not reported: more than {FINDINGS_MAX} findings"));
            return;
        }
        self.coverage.findings += 1;
        self.observer.found(finding);
    }

    /// Takes note of what became known of the file at `path`.
    pub(crate) fn part(&mut self, path: &str, part: Part<'_>) {
        for hit in self.coverage.part(path, part) {
            if let Some(finding) = hit.at(path.to_owned()) {
                self.found(finding);
            }
        }
    }

    /// What an earlier scan has read, if it read it with the same rules.
    pub(crate) fn seen(&self) -> Option<&'r Seen> {
        self.options.seen.as_ref().filter(|seen| seen.rules_version == self.coverage.rules_version)
    }

    /// Tells what the next scan need not read.
    pub(crate) fn remember(&mut self, seen: Seen) {
        self.observer.seen(seen);
    }

    pub(crate) fn progress(&mut self, phase: Phase, done: u64, total: Option<u64>, bytes: u64) {
        self.observer.progress(Progress { phase, done, total, bytes });
    }

    pub(crate) fn stop_if_cancelled(&self) -> Result<(), ScanError> {
        if self.cancel.is_cancelled() { Err(ScanError::Cancelled) } else { Ok(()) }
    }
}
