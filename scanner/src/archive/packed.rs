//! One file, made smaller by gzip, zstd or xz.

use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::kind::Method;
use super::meter::{Meter, Packed, Unpacked};
use super::{Level, Unpacker};

/// How far back packed text may refer: what the strongest usual settings use. What asks for more would take as much memory.
const WINDOW_MAX: u64 = 32 << 20;
/// The same for xz, in KiB, with room for its tables.
const XZ_MEMORY_KIB: u32 = 66 << 10;

impl Unpacker<'_, '_> {
    /// Reads what is packed as if it were the file itself: it has no name of its own.
    pub(super) fn packed(&mut self, level: &Level<'_>, method: Method, input: &mut dyn Read) -> io::Result<()> {
        let meter = Meter::inside(level.meter);
        let inner = Level { inside: level.inside.clone(), depth: level.depth + 1, meter: &meter };
        let packed = Packed { input, meter: &meter };
        let outcome = match method {
            Method::Gzip => self.unpacked(&inner, MultiGzDecoder::new(BufReader::new(packed))),
            Method::Zstd => self.unpacked(&inner, Zstd::new(packed)),
            Method::Xz => self.unpacked(&inner, XzReader::new_mem_limit(BufReader::new(packed), true, XZ_MEMORY_KIB)),
        };
        self.settle(&inner, outcome)
    }

    fn unpacked(&mut self, level: &Level<'_>, output: impl Read) -> io::Result<()> {
        let cancel = self.reading.cancel.clone();
        self.file(level, &mut Unpacked { output, meter: level.meter, cancel: &cancel })
    }
}

/// All frames of a file of zstd; the library reads one.
struct Zstd<R: Read> {
    state: Option<State<R>>,
}

enum State<R: Read> {
    Between(BufReader<R>),
    Inside(Box<StreamingDecoder<BufReader<R>, FrameDecoder>>),
}

impl<R: Read> Zstd<R> {
    fn new(input: R) -> Self {
        Self { state: Some(State::Between(BufReader::new(input))) }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state.take() {
                None => return Ok(0),
                Some(State::Between(mut input)) => {
                    if input.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let frame = StreamingDecoder::new_with_max_window_size(input, WINDOW_MAX).map_err(io::Error::other)?;
                    self.state = Some(State::Inside(Box::new(frame)));
                }
                Some(State::Inside(mut frame)) => {
                    let read = frame.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        self.state = Some(State::Inside(frame));
                        return Ok(read);
                    }
                    self.state = Some(State::Between(frame.into_inner()));
                }
            }
        }
    }
}
