//! People and programs that call the API: who they are, and which role they have.
//!
//! A [`Caller`] is somebody who has been recognised, with a [`Role`] and the tenant that the request is about. What a role may do is
//! said in one place, the table of [`crate::api::rights`].

mod role;
mod caller;
pub mod users;
pub mod sessions;
pub mod limits;
pub mod lockout;
mod password;
pub mod sso;

pub use caller::{Caller, Who};
pub use password::{BreachList, BreachListError, MIN_LENGTH, PasswordError, Passwords};
pub use role::Role;
