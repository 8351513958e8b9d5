//! Messages with small buffers: a stream is idle most of its life, and there are thousands of them.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// Protocol Buffers, as the generated service uses them.
pub struct FeedCodec<T, U>(PhantomData<(T, U)>);

/// Of the buffer that each direction of a stream keeps: acknowledgements fit, in both. It grows in such steps for what does not.
/// Tonic's usual 8 KB would be a third of what an idle gateway takes.
const BUFFER: usize = 1024;

/// Messages that are ready are put into one piece up to this size: tonic's usual.
const TOGETHER: usize = 32 * 1024;

impl<T, U> Default for FeedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for FeedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER, TOGETHER))
    }
}
