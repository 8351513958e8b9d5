//! Messages of gRPC: a flag, a length, and the message.

use prost::bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use stopleak_contract::feed::Message;

/// A flag that says "not compressed", and a length of four bytes.
const PREFIX: usize = 5;

/// Appends a message.
pub fn write(to: &mut BytesMut, message: &impl Message) {
    to.put_u8(0);
    to.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    // A `BytesMut` has room for whatever it is given.
    let _ = message.encode(to);
}

/// What came and is not a whole message yet.
#[derive(Default)]
pub struct Incoming(BytesMut);

impl Incoming {
    /// More has come.
    pub fn push(&mut self, bytes: &Bytes) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub fn next(&mut self) -> Option<BytesMut> {
        let mut prefix = self.0.get(..PREFIX)?;
        prefix.advance(1);
        let length = usize::try_from(prefix.get_u32()).ok()?;
        if self.0.len() < PREFIX + length {
            return None;
        }
        self.0.advance(PREFIX);
        let message = self.0.split_to(length);
        if self.0.is_empty() {
            // Ten thousand empty buffers that once held a push would be most of this process.
            self.0 = BytesMut::new();
        }
        Some(message)
    }
}
