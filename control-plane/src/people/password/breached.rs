//! The operator's list of breached passwords: a file of SHA-1 hashes in order, such as the one of Have I Been Pwned.
//!
//! The file has some forty gigabytes and is searched on the disk. No password, and no part of its hash, leaves the machine.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

/// A file with a hash in each line, in ascending order, in upper-case hexadecimal digits, perhaps followed by `:` and a count.
#[derive(Clone, Debug)]
pub struct BreachList(PathBuf);

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("list of breached passwords {}: {reason}", path.display())]
pub struct BreachListError {
    path: PathBuf,
    reason: String,
}

const DIGITS: usize = 40;

impl BreachList {
    /// Looks at the beginning of the file.
    pub fn open(path: &Path) -> Result<Self, BreachListError> {
        let list = Self(path.to_owned());
        let mut first = String::new();
        let read = File::open(path).and_then(|file| BufReader::new(file).read_line(&mut first));
        read.map_err(|error| list.error(&error.to_string()))?;
        let is_hash =
            first.get(..DIGITS).is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
        if is_hash { Ok(list) } else { Err(list.error("does not begin with a SHA-1 hash in upper-case hexadecimal digits")) }
    }

    /// Whether the password is in the list.
    pub fn contains(&self, password: &str) -> Result<bool, BreachListError> {
        let mut wanted = Zeroizing::new(String::with_capacity(DIGITS));
        for byte in Sha1::digest(password.as_bytes()) {
            let _ = write!(wanted, "{byte:02X}");
        }
        search(&self.0, &wanted).map_err(|error| self.error(&error.to_string()))
    }

    fn error(&self, reason: &str) -> BreachListError {
        BreachListError { path: self.0.clone(), reason: reason.to_owned() }
    }
}

/// Halves the file until the line is found. Every line that begins in `[low, high)` is still possible.
fn search(path: &Path, wanted: &str) -> io::Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut low, mut high) = (0, file.get_ref().metadata()?.len());
    let mut line = Vec::new();
    while low < high {
        let middle = low + (high - low) / 2;
        // The first line that begins at the middle or after it.
        let mut start = middle;
        file.seek(SeekFrom::Start(middle.saturating_sub(1)))?;
        if middle > 0 {
            line.clear();
            start = middle - 1 + file.read_until(b'\n', &mut line)? as u64;
        }
        line.clear();
        let length = file.read_until(b'\n', &mut line)? as u64;
        if start >= high || length == 0 {
            high = middle;
            continue;
        }
        match line.get(..DIGITS).unwrap_or(&line).cmp(wanted.as_bytes()) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + length,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        Sha1::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"))
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for (count, ending) in [(1, "\n"), (2, "\r\n"), (500, "\n")] {
            let mut lines: Vec<String> =
                (0..count).map(|n| format!("{}:{}{ending}", hash(&format!("pw{n}")), n * 7919)).collect();
            lines.sort();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines.concat()).unwrap();
            let list = BreachList::open(file.path()).unwrap();
            for n in 0..count {
                assert!(list.contains(&format!("pw{n}")).unwrap(), "{n} of {count}");
                assert!(!list.contains(&format!("other{n}")).unwrap(), "{n} of {count}");
            }
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        assert!(BreachList::open(file.path()).unwrap_err().to_string().contains("SHA-1"));
        assert!(BreachList::open(Path::new("/nonexistent")).is_err());
    }
}
