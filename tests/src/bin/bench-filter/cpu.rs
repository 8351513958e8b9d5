//! Time that threads have spent on a processor, as the kernel counts it, in nanoseconds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What all threads of a process have taken.
pub fn of_process(id: u32) -> Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread that has just ended took next to nothing.
        total += of_task(&task?.path()).unwrap_or(0);
    }
    Ok(total)
}

/// The calling thread, to be asked about by others.
pub fn this_thread() -> Result<PathBuf> {
    Ok(Path::new("/proc").join(fs::read_link("/proc/thread-self")?))
}

/// What one thread has taken.
pub fn of_task(task: &Path) -> Result<u64> {
    let text = fs::read_to_string(task.join("schedstat"))?;
    text.split(' ').next().and_then(|ns| ns.parse().ok()).with_context(|| format!("schedstat says {text:?}"))
}
