//! Scans of real sources: repositories that `git` makes on the spot, folders, standard input, and servers on loopback.
//!
//! Tokens are made at run time from the rules' templates, so that none stands in this repository.

mod packing;
mod support;

mod again;
mod archives;
mod bombs;
mod files;
mod history;
mod hostile;
mod packs;
mod places;
mod remote;
mod reports;
mod seeded;
