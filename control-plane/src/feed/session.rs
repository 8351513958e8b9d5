//! The protocol of one stream, without the stream: what comes in, what it means, and what has to go out.

use stopleak_contract::CONTRACT_VERSION;
use stopleak_contract::feed::wire::{self, to_control_plane::Message};

/// Where one stream stands.
#[derive(Debug, Default)]
pub struct Session {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Greeting,
    Open {
        /// What the gateway had when it came.
        had: u64,
        had_root: Vec<u8>,
        /// The newest epoch that was sent on this stream, and whether as a whole.
        sent: Option<u64>,
        whole: bool,
    },
}

/// What a message means.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// The gateway said Hello: it is to be welcomed.
    Joined(wire::Hello),
    /// An epoch is in force in a worker.
    Enforced(wire::Ack),
    /// A worker is not there any more.
    Gone(wire::Gone),
    /// A push was refused, and what was there stays.
    Kept(wire::Nack),
    /// Attempts to be stored, then acknowledged.
    Reported(wire::AttemptBatch),
    /// A worker's totals.
    Counted(wire::Stats),
}

/// Why a stream is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A filter that canonicalises or hashes differently would let leaked tokens pass in silence.
    #[error(
        "the filter speaks contract version {got}, this control plane version {expected}: \
         install the filter that was released with this control plane"
    )]
    Contract {
        /// [`CONTRACT_VERSION`] of this build.
        expected: u32,
        /// Of the filter.
        got: u32,
    },
    /// Anything before Hello.
    #[error("the first message of a stream has to be Hello, this was {got}")]
    HelloExpected {
        /// The message's name.
        got: &'static str,
    },
    /// Hello once more.
    #[error("Hello came twice")]
    HelloTwice,
    /// A message of a kind that this version does not know.
    #[error("an empty message, or one of an unknown kind")]
    Unknown,
    /// An epoch that this stream cannot have.
    #[error("epoch {got} was answered, but never sent on this stream")]
    NeverSent {
        /// The epoch.
        got: u64,
    },
    /// The work for one message has to be bounded.
    #[error("a batch of {got} attempts came, {max} is the most", max = Session::MAX_ATTEMPTS)]
    TooManyAttempts {
        /// In the batch.
        got: usize,
    },
}

impl Session {
    /// Attempts in one batch: as many as the filter sends.
    pub const MAX_ATTEMPTS: usize = 256;
    /// Characters of a text that a gateway says of itself. They are kept, logged and shown; a message may have a megabyte.
    pub const MAX_TEXT: usize = 200;
    /// Bytes of a worker's id, and of a root.
    const MAX_ID: usize = 64;

    /// Takes a message.
    pub fn receive(&mut self, message: wire::ToControlPlane) -> Result<Event, Violation> {
        let message = message.message.ok_or(Violation::Unknown)?;
        let State::Open { had, sent, .. } = &self.state else { return self.greet(message) };
        let known =
            |epoch| if epoch <= sent.unwrap_or(*had).max(*had) { Ok(()) } else { Err(Violation::NeverSent { got: epoch }) };
        match message {
            Message::Hello(_) => Err(Violation::HelloTwice),
            Message::Ack(ack) => known(ack.epoch).map(|()| Event::Enforced(wire::Ack { worker: id(ack.worker), ..ack })),
            Message::Gone(gone) => Ok(Event::Gone(wire::Gone { worker: id(gone.worker) })),
            Message::Nack(nack) => known(nack.epoch).map(|()| Event::Kept(wire::Nack { reason: cut(nack.reason), ..nack })),
            Message::Attempts(batch) if batch.attempts.len() > Self::MAX_ATTEMPTS => {
                Err(Violation::TooManyAttempts { got: batch.attempts.len() })
            }
            Message::Attempts(batch) => Ok(Event::Reported(batch)),
            Message::Stats(stats) => Ok(Event::Counted(wire::Stats { worker: id(stats.worker), ..stats })),
        }
    }

    /// Whether this index has to be sent now. A push that the gateway refused is not sent again on the same stream: it would
    /// be refused again. (One that held only what had changed is sent once more as a whole, which is another push.)
    pub fn push(&mut self, epoch: u64, root: &[u8]) -> bool {
        let State::Open { had, had_root, sent, .. } = &mut self.state else { return false };
        let has = match sent {
            Some(sent) => *sent == epoch,
            None => *had == epoch && had_root == root,
        };
        if !has {
            *sent = Some(epoch);
        }
        !has
    }

    /// How the newest epoch was sent.
    pub fn sent(&mut self, as_a_whole: bool) {
        if let State::Open { whole, .. } = &mut self.state {
            *whole = as_a_whole;
        }
    }

    /// Whether a refused push is worth another try, as a whole.
    pub fn again(&mut self, epoch: u64) -> bool {
        match &mut self.state {
            State::Open { had_root, sent, whole: false, .. } if *sent == Some(epoch) => {
                *sent = None;
                had_root.clear();
                true
            }
            _ => false,
        }
    }

    /// Whether Hello has come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    fn greet(&mut self, message: Message) -> Result<Event, Violation> {
        let mut hello = match message {
            Message::Hello(hello) => wire::Hello { node: cut(hello.node), filter_version: cut(hello.filter_version), ..hello },
            other => return Err(Violation::HelloExpected { got: name(&other) }),
        };
        if hello.contract_version != CONTRACT_VERSION {
            return Err(Violation::Contract { expected: CONTRACT_VERSION, got: hello.contract_version });
        }
        // Kept as long as the stream is open, and compared with a root of 32 bytes.
        hello.root.truncate(Self::MAX_ID);
        self.state = State::Open { had: hello.epoch, had_root: hello.root.clone(), sent: None, whole: false };
        Ok(Event::Joined(hello))
    }
}

/// The text's beginning, in memory of its own: the rest is freed.
fn cut(text: String) -> String {
    if text.len() <= Session::MAX_TEXT { text } else { text.chars().take(Session::MAX_TEXT).collect() }
}

/// The same of an id, which is kept as long as its worker is there.
fn id(id: Vec<u8>) -> Vec<u8> {
    if id.len() <= Session::MAX_ID { id } else { id.get(..Session::MAX_ID).unwrap_or_default().to_vec() }
}

fn name(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "Hello",
        Message::Ack(_) => "Ack",
        Message::Nack(_) => "Nack",
        Message::Attempts(_) => "AttemptBatch",
        Message::Stats(_) => "Stats",
        Message::Gone(_) => "Gone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(epoch: u64, root: &[u8]) -> Message {
        Message::Hello(wire::Hello { contract_version: CONTRACT_VERSION, epoch, root: root.to_vec(), ..Default::default() })
    }

    fn ack(epoch: u64) -> Message {
        Message::Ack(wire::Ack { epoch, tokens: 0, worker: vec![1] })
    }

    fn batch(attempts: usize) -> Message {
        Message::Attempts(wire::AttemptBatch { attempts: vec![wire::Attempt::default(); attempts], ..Default::default() })
    }

    fn receive(session: &mut Session, message: Message) -> Result<Event, Violation> {
        session.receive(wire::ToControlPlane { message: Some(message) })
    }

    /// What came before, what comes, and the violation, if it is one. Epoch 5 was sent on every open stream.
    #[test]
    fn the_table_of_messages() {
        let nack = |epoch| Message::Nack(wire::Nack { epoch, reason: "bad".to_owned() });
        let stats = || Message::Stats(wire::Stats::default());
        let gone = || Message::Gone(wire::Gone::default());
        let old = Message::Hello(wire::Hello { contract_version: 0, ..Default::default() });
        let (greeting, open) = (false, true);
        let table = [
            (greeting, hello(0, b""), None),
            (greeting, old, Some(Violation::Contract { expected: CONTRACT_VERSION, got: 0 })),
            (greeting, ack(0), Some(Violation::HelloExpected { got: "Ack" })),
            (greeting, nack(0), Some(Violation::HelloExpected { got: "Nack" })),
            (greeting, batch(1), Some(Violation::HelloExpected { got: "AttemptBatch" })),
            (greeting, stats(), Some(Violation::HelloExpected { got: "Stats" })),
            (greeting, gone(), Some(Violation::HelloExpected { got: "Gone" })),
            (open, hello(0, b""), Some(Violation::HelloTwice)),
            (open, ack(5), None),
            (open, ack(3), None),
            (open, ack(6), Some(Violation::NeverSent { got: 6 })),
            (open, nack(5), None),
            (open, nack(6), Some(Violation::NeverSent { got: 6 })),
            (open, batch(Session::MAX_ATTEMPTS), None),
            (open, batch(Session::MAX_ATTEMPTS + 1), Some(Violation::TooManyAttempts { got: Session::MAX_ATTEMPTS + 1 })),
            (open, stats(), None),
            (open, gone(), None),
        ];
        for (is_open, message, expected) in table {
            let mut session = Session::default();
            if is_open {
                receive(&mut session, hello(0, b"")).unwrap();
                assert!(session.push(5, b"five"));
            }
            let label = format!("open {is_open}, {}", name(&message));
            assert_eq!(receive(&mut session, message).err(), expected, "{label}");
        }
        assert_eq!(Session::default().receive(wire::ToControlPlane { message: None }), Err(Violation::Unknown));
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "ü".repeat(100_000);
        let mut session = Session::default();
        let greeting = wire::Hello {
            contract_version: CONTRACT_VERSION,
            node: long.clone(),
            filter_version: long.clone(),
            ..Default::default()
        };
        let Ok(Event::Joined(hello)) = receive(&mut session, Message::Hello(greeting)) else { panic!("not joined") };
        let nack = Message::Nack(wire::Nack { epoch: 0, reason: long });
        let Ok(Event::Kept(nack)) = receive(&mut session, nack) else { panic!("not kept") };
        for text in [hello.node, hello.filter_version, nack.reason] {
            assert_eq!(text, "ü".repeat(Session::MAX_TEXT));
        }
        let ack = Message::Ack(wire::Ack { epoch: 0, tokens: 0, worker: vec![7; 100_000] });
        let Ok(Event::Enforced(ack)) = receive(&mut session, ack) else { panic!("not enforced") };
        assert_eq!(ack.worker.len(), Session::MAX_ID);
    }

    #[test]
    fn an_index_is_sent_once_and_only_when_it_is_not_there() {
        let mut fresh = Session::default();
        assert!(!fresh.push(5, b"five"), "nothing is sent before Hello");
        receive(&mut fresh, hello(0, b"")).unwrap();
        assert!(fresh.push(5, b"five"));
        assert!(!fresh.push(5, b"five"));
        assert!(fresh.push(7, b"seven"), "a gateway that missed an epoch gets the newest");

        let mut returning = Session::default();
        receive(&mut returning, hello(5, b"five")).unwrap();
        assert!(!returning.push(5, b"five"));
        assert!(receive(&mut returning, ack(5)).is_ok(), "what it had when it came may be answered");
        assert!(returning.push(6, b"six"));

        let mut foreign = Session::default();
        receive(&mut foreign, hello(5, b"other")).unwrap();
        assert!(foreign.push(5, b"five"), "the same epoch with another root is not the same index");
    }
}
