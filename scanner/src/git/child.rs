//! A `git` under way. It reads what a foreign repository or server gives it, which may be a pipe that nobody writes into or a
//! connection that nobody answers: whoever waits for it looks at the clock, and at whether the scan goes on.

use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::scan::Run;
use crate::{Cancel, ScanError};

/// How often cancelling is looked for while `git` works.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The same, as the system wants it.
const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// The first pause when waiting for an end, which as a rule follows the end of the output at once.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a child may take to end when it is asked to, before it is ended.
const GRACE: Duration = Duration::from_secs(2);
/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;
/// A command whose output is taken as a whole says a few lines; more than this is not its answer.
const OUTPUT_MAX: u64 = 1 << 20;

/// How long is waited.
#[derive(Clone)]
pub(super) struct Patience {
    cancel: Cancel,
    silence: Duration,
}

/// A child process that does not outlive its use.
pub(super) struct Running {
    child: Child,
    patience: Patience,
}

/// A pipe from a child.
pub(super) struct Patient<R> {
    pipe: R,
    patience: Patience,
}

/// What a command said in all.
pub(super) struct Said {
    pub(super) success: bool,
    pub(super) output: Vec<u8>,
    pub(super) errors: Vec<u8>,
}

impl Patience {
    pub(super) fn of(run: &Run<'_>) -> Self {
        Self { cancel: run.cancel.clone(), silence: run.options.silence_limit }
    }

    /// Fails when it makes no sense to wait on for somebody who was last heard `since`.
    pub(super) fn check(&self, since: Instant) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the scan was cancelled"));
        }
        if since.elapsed() > self.silence {
            let silence = self.silence.as_secs();
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("git said nothing for {silence} s")));
        }
        Ok(())
    }

    /// What it means for the scan of `location` that waiting or reading failed.
    pub(super) fn explain(&self, location: &str, error: &io::Error) -> ScanError {
        let location = location.to_owned();
        match error.kind() {
            _ if self.cancel.is_cancelled() => ScanError::Cancelled,
            io::ErrorKind::TimedOut => ScanError::Silent { location, limit: self.silence },
            _ => ScanError::Git { location, detail: format!("git could not be read: {error}") },
        }
    }
}

impl Running {
    pub(super) fn start(command: &mut Command, patience: &Patience) -> io::Result<Self> {
        Ok(Self { child: command.spawn()?, patience: patience.clone() })
    }

    pub(super) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(super) fn output(&mut self) -> Option<BufReader<Patient<ChildStdout>>> {
        let pipe = self.child.stdout.take()?;
        Some(BufReader::with_capacity(BUFFER, Patient { pipe, patience: self.patience.clone() }))
    }

    /// What it says, for another program.
    pub(super) fn pipe(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe itself, for a reader who may be left alone with it.
    pub(super) fn errors(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Reads everything that it says, and waits for its end.
    pub(super) fn listen(&mut self) -> io::Result<Said> {
        let output = self.output();
        let errors = self.errors().map(|pipe| Patient { pipe, patience: self.patience.clone() });
        let (output, errors) = thread::scope(|scope| {
            let errors = scope.spawn(|| whole(errors));
            (whole(output), errors.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        Ok(Said { output: output?, errors: errors?, success: self.wait()?.success() })
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        let since = Instant::now();
        let mut pause = PAUSE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            self.patience.check(since)?;
            thread::park_timeout(pause);
            pause = POLL_INTERVAL.min(2 * pause);
        }
    }

    /// Ends it, and with it the helpers that it started, which may be waiting for a server.
    pub(super) fn stop(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            // A child that was waited for has given up its id, and somebody else may have it.
            let Some(group) = Pid::from_raw(self.child.id().cast_signed()).filter(|_| self.runs()) else { return };
            let _ = kill_process_group(group, signal);
            let since = Instant::now();
            while self.runs() && since.elapsed() < GRACE {
                thread::park_timeout(PAUSE);
            }
        }
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let since = Instant::now();
        loop {
            self.patience.check(since)?;
            match poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], Some(&POLL)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.pipe.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn whole(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
