//! Token formats as data, and the matching of bytes against them: bytes in, matches out.
//!
//! The flow: [`Rules`] are read from the TOML files in `rules/` (and from an operator's own file); a
//! [`Detector`] builds one keyword automaton over them; [`Detector::scan`] runs a rule's pattern only where
//! one of its keywords stands, then asks the checksum and the plausibility checks, settles overlaps, and hands
//! each [`Match`] to the caller. [`Detector::scan_decoded`] also looks into what the text encodes, and [`Detector::stays_clean`] reads only what is new in a text. [`prove`] holds an operator's formats against their own examples. [`Position`] turns an offset into a line and a column, and [`Example`] makes
//! well-formed fake tokens at run time, so that none has to be written down anywhere.
//!
//! The crate does no IO, starts no thread and never panics on its input, so that it runs in a browser too.

mod risk;
mod reason;
mod rule;
mod shape;
mod anchor;
mod gitleaks;
mod rules;

mod detector;
mod windows;
mod boundary;
mod checksum;
mod jwt;
mod canary;
mod plausible;
mod overlap;
mod decode;
mod changed;

mod prove;
mod position;
mod example;

pub use checksum::{Checksum, crc32_base62};
pub use detector::{Detector, Match};
pub use example::{Example, token};
pub use jwt::Claims;
pub use position::Position;
pub use prove::prove;
pub use reason::Reason;
pub use risk::{Confidence, Risk};
pub use rule::{Rule, RuleError, Tier};
pub use rules::{Rules, RulesError};
