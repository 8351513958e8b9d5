//! The stream under the subscription: when it is up, and when to try again.

/// A cluster's name and an authority of this length still fit into a [`target`].
pub const MAX_NAME: usize = 125;

/// What Envoy's gRPC calls take as the name of a service.
///
/// The name of a cluster is one, and then becomes the stream's `:authority` too. That of a mesh, `outbound|8081||host`, is not a valid
/// authority, and the control plane's HTTP/2 server refuses it. So with an authority the target is a serialised `GrpcService`,
/// which Envoy takes as well: field 1 holds `EnvoyGrpc`, whose field 1 is the cluster and field 2 the authority. The two are written
/// as two messages, which a protobuf parser merges, since a length over 127 would not be valid UTF-8, and the call takes text.
#[must_use]
pub fn target(cluster: &str, authority: Option<&str>) -> Option<String> {
    let Some(authority) = authority else { return Some(cluster.to_owned()) };
    let mut target = String::new();
    for (field, text) in [('\x0a', cluster), ('\x12', authority)] {
        let length = u8::try_from(text.len()).ok().filter(|length| usize::from(*length) <= MAX_NAME)?;
        target.extend(['\x0a', char::from(length + 2), field, char::from(length)]);
        target.push_str(text);
    }
    Some(target)
}

/// One VM's link to the control plane.
#[derive(Debug)]
pub struct Link {
    state: State,
    /// Attempts to open it that have not led to a welcome.
    failures: u32,
}

#[derive(Debug)]
enum State {
    Down { retry_at_ms: u64 },
    Up { stream: u32 },
}

/// The first retry comes after this time; each failure doubles it.
const FIRST_BACKOFF_MS: u64 = 100;

/// No retry waits longer: a control plane that comes back is found within a second.
const MAX_BACKOFF_MS: u64 = 1_000;

/// After that many failures in a row, some three seconds, another VM may have more luck.
const UNLUCKY: u32 = 6;

impl Link {
    /// Not yet opened; due at once.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Down { retry_at_ms: 0 }, failures: 0 }
    }

    /// Whether it is time to open a stream.
    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        // A time that no back-off reaches is one before the clock was set back.
        matches!(self.state, State::Down { retry_at_ms } if retry_at_ms <= now_ms || retry_at_ms - now_ms > MAX_BACKOFF_MS)
    }

    /// Whether it failed again and again.
    #[must_use]
    pub fn is_unlucky(&self) -> bool {
        self.failures >= UNLUCKY && self.stream().is_none()
    }

    /// The open stream.
    #[must_use]
    pub fn stream(&self) -> Option<u32> {
        match self.state {
            State::Up { stream } => Some(stream),
            State::Down { .. } => None,
        }
    }

    /// A stream was opened. It has yet to prove itself.
    pub fn opened(&mut self, stream: u32) {
        self.state = State::Up { stream };
    }

    /// The control plane has answered.
    pub fn proved(&mut self) {
        self.failures = 0;
    }

    /// The stream ended or could not be opened. `jitter` is random: it keeps a fleet from returning all at once.
    pub fn broke(&mut self, now_ms: u64, jitter: u8) {
        let backoff = FIRST_BACKOFF_MS.checked_shl(self.failures).unwrap_or(MAX_BACKOFF_MS).min(MAX_BACKOFF_MS);
        let shortened = backoff - backoff / 2 * u64::from(jitter) / 255;
        self.failures = (self.failures + 1).min(16);
        self.state = State::Down { retry_at_ms: now_ms + shortened };
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after(link: &Link, now_ms: u64) -> u64 {
        (now_ms..now_ms + 10_000).find(|&at| link.is_due(at)).unwrap() - now_ms
    }

    #[test]
    fn a_target_with_an_authority_is_a_serialised_message() {
        assert_eq!(target("feed", None).as_deref(), Some("feed"));
        assert_eq!(target("feed", Some("host")).as_deref(), Some("\n\x06\n\x04feed\n\x06\x12\x04host"));
        assert!(target(&"c".repeat(125), Some("host")).is_some());
        assert!(target(&"c".repeat(126), Some("host")).is_none());
    }

    #[test]
    fn a_new_link_is_due_and_an_open_one_is_not() {
        let mut link = Link::new();
        assert!(link.is_due(0));
        link.opened(7);
        assert_eq!((link.is_due(u64::MAX), link.stream()), (false, Some(7)));
    }

    #[test]
    fn back_off_doubles_up_to_a_second_and_starts_anew_after_an_answer() {
        let mut link = Link::new();
        for expected in [100, 200, 400, 800, 1_000, 1_000] {
            link.broke(5_000, 0);
            assert_eq!(retry_after(&link, 5_000), expected);
        }
        for _ in 0..1_000 {
            link.broke(5_000, 0);
        }
        assert_eq!(retry_after(&link, 5_000), 1_000);
        link.proved();
        link.broke(5_000, 0);
        assert_eq!(retry_after(&link, 5_000), 100);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_the_link_down() {
        let mut link = Link::new();
        link.broke(1_000_000_000, 0);
        assert!(!link.is_due(1_000_000_000));
        assert!(link.is_due(5_000));
    }

    #[test]
    fn jitter_shortens_by_half_at_most() {
        let mut link = Link::new();
        link.broke(5_000, 255);
        assert_eq!(retry_after(&link, 5_000), 50);
    }
}
