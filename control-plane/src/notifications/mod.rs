//! Notifications: what happens to leaks, told to the channels of a tenant.
//!
//! Whoever changes something calls [`tell`] in the transaction of the change: for each [channel](Channel) that wants the [`Event`],
//! it writes a delivery, or adds to one that waits. The [worker](work) sends what is due, by signed webhook, Slack's webhook or
//! e-mail, tries again for a day, and then leaves it among the dead, where an administrator finds it. A delivery may arrive twice,
//! and never not at all without a trace.

mod event;
mod channels;
mod message;
mod outbox;
mod deliveries;
mod send;
mod worker;

pub(crate) use channels::reseal;
pub use channels::{Address, Channel, ChannelError, Kind, NewChannel, Settings, add, get, list, remove, renew_secret, update};
pub use deliveries::{DeliveryView, Filter, Status, find as find_delivery, list as list_deliveries, retry};
pub use event::{Event, Topic, Used};
pub use outbox::tell;
pub use send::Sender;
pub use worker::{Test, send_due, test, work};
