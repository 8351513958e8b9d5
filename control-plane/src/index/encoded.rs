//! A message to gateways as it goes over the wire: encoded once, however many gateways get it.

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use stopleak_contract::feed::wire;
use stopleak_contract::feed::wire::to_gateway::Message as ToGateway;

/// A [`wire::ToGateway`], encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded(Bytes);

impl Encoded {
    /// Encodes a message.
    #[must_use]
    pub fn of(message: ToGateway) -> Self {
        Self(wire::ToGateway { message: Some(message) }.encode_to_vec().into())
    }

    /// The bytes, shared.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

/// What gRPC asks of a message that it sends. It never receives one of these.
impl Message for Encoded {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
