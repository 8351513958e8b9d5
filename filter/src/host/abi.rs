//! The proxy-wasm ABI, as far as the filter needs it: the host's functions, and memory for what it hands over.
//!
//! The SDK wraps the same functions, and panics on a status that it does not expect. Here, every status but "ok" is an [`Error`].

#![expect(unsafe_code, reason = "the host's functions take addresses; each call argues for its own")]

use std::cell::RefCell;
use std::fmt::{self, Formatter};
use std::ptr;

/// The status of a call that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(u32);

/// How much a log line matters.
#[derive(Clone, Copy)]
pub enum LogLevel {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// What a callback wants to become of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    Continue = 0,
    Pause = 1,
}

/// Bytes that the host has.
#[derive(Clone, Copy)]
pub enum Buffer {
    RequestBody = 0,
    GrpcMessage = 5,
    PluginConfiguration = 7,
}

/// Names and values that the host has.
#[derive(Clone, Copy)]
pub enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
}

#[derive(Clone, Copy)]
pub enum Metric {
    Counter = 0,
    Gauge = 1,
}

/// Bytes of an address, and where the host puts an address and a size.
type Data = *const u8;
type DataOut = *mut *mut u8;
type SizeOut = *mut usize;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: Data, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_status(code: *mut u32, message: DataOut, size: SizeOut) -> u32;

    fn proxy_get_buffer_bytes(buffer: u32, start: usize, most: usize, data: DataOut, size: SizeOut) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: DataOut, size: SizeOut) -> u32;
    fn proxy_get_property(path: Data, path_size: usize, data: DataOut, size: SizeOut) -> u32;
    fn proxy_set_property(path: Data, path_size: usize, value: Data, value_size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: Data,
        details_size: usize,
        body: Data,
        body_size: usize,
        headers: Data,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    safe fn proxy_close_stream(stream: u32) -> u32;

    fn proxy_get_shared_data(key: Data, key_size: usize, data: DataOut, size: SizeOut, version: *mut u32) -> u32;
    fn proxy_set_shared_data(key: Data, key_size: usize, value: Data, value_size: usize, version: u32) -> u32;
    fn proxy_register_shared_queue(name: Data, size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, message: Data, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: DataOut, size: SizeOut) -> u32;

    fn proxy_define_metric(kind: u32, name: Data, size: usize, metric: *mut u32) -> u32;
    safe fn proxy_increment_metric(metric: u32, by: i64) -> u32;
    safe fn proxy_record_metric(metric: u32, value: u64) -> u32;

    fn proxy_grpc_stream(
        target: Data,
        target_size: usize,
        service: Data,
        service_size: usize,
        method: Data,
        method_size: usize,
        metadata: Data,
        metadata_size: usize,
        stream: *mut u32,
    ) -> u32;
    fn proxy_grpc_send(stream: u32, message: Data, size: usize, is_end: bool) -> u32;
    safe fn proxy_grpc_cancel(stream: u32) -> u32;
}

thread_local! {
    /// What the host was given memory for last.
    static GIVEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory that is kept for what comes next: that of any header map, and not that of a push.
const KEPT: usize = 64 * 1024;

/// The host asks for memory in the middle of a call whose answer has no fixed size, and tells the call where the answer lies.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    GIVEN.with_borrow_mut(|given| {
        given.clear();
        given.reserve_exact(size);
        given.as_mut_ptr()
    })
}

/// Does not need the memory any longer, so that the next answer may have it.
pub fn give_back(bytes: Vec<u8>) {
    if bytes.capacity() <= KEPT {
        GIVEN.set(bytes);
    }
}

/// A call whose answer has no fixed size.
fn given(call: impl FnOnce(DataOut, SizeOut) -> u32) -> Result<Vec<u8>, Error> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    done(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    let mut bytes = GIVEN.take();
    // A host that has put its answer elsewhere, or asked for less memory than it needs, has none.
    if !ptr::eq(data, bytes.as_ptr()) || size > bytes.capacity() {
        return Err(Error(u32::MAX));
    }
    // SAFETY: so many bytes there are, and the host has written them.
    unsafe { bytes.set_len(size) };
    Ok(bytes)
}

fn done(status: u32) -> Result<(), Error> {
    const OK: u32 = 0;
    if status == OK { Ok(()) } else { Err(Error(status)) }
}

// SAFETY, for all calls below: every address is that of a reference, with the size of what it refers to, and the host uses it only while
// it is called; the declarations are those of the ABI (0.2.1), in which numbers and addresses have 32 bits.

pub fn log(level: LogLevel, message: &str) {
    // SAFETY: see above.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> Result<u64, Error> {
    let mut time = 0;
    // SAFETY: see above.
    done(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub fn set_tick_period(milliseconds: u32) -> Result<(), Error> {
    done(proxy_set_tick_period_milliseconds(milliseconds))
}

/// The message of the status with which a gRPC stream has ended.
pub fn grpc_message() -> Result<Vec<u8>, Error> {
    let mut code = 0;
    // SAFETY: see above.
    given(|data, size| unsafe { proxy_get_status(&raw mut code, data, size) })
}

/// At most so many bytes from the start of a buffer.
pub fn buffer(buffer: Buffer, most: usize) -> Result<Vec<u8>, Error> {
    // SAFETY: see above.
    given(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, most, data, size) })
}

/// A map's bytes, to be read by [`crate::header_map::read`].
pub fn header_map(map: Map) -> Result<Vec<u8>, Error> {
    // SAFETY: see above.
    given(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })
}

pub fn property(path: &[&str]) -> Result<Vec<u8>, Error> {
    let path = path.join("\0");
    // SAFETY: see above.
    given(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub fn set_property(name: &str, value: &[u8]) -> Result<(), Error> {
    // SAFETY: see above.
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Answers the request; `headers` as [`crate::header_map::write`] writes them.
pub fn send_local_response(status: u32, headers: &[u8], body: &[u8]) -> Result<(), Error> {
    const NO_GRPC: i32 = -1;
    let (at, size) = (headers.as_ptr(), headers.len());
    // SAFETY: see above.
    done(unsafe { proxy_send_local_response(status, ptr::null(), 0, body.as_ptr(), body.len(), at, size, NO_GRPC) })
}

/// Breaks the request off.
pub fn reset_request() -> Result<(), Error> {
    const REQUEST: u32 = 0;
    done(proxy_close_stream(REQUEST))
}

/// A record, and its version.
pub fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Error> {
    let mut version = 0;
    // SAFETY: see above.
    let bytes = given(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version) })?;
    Ok((bytes, version))
}

/// Writes a record; with a version that is not 0 only while it has that one.
pub fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), Error> {
    // SAFETY: see above.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

pub fn register_queue(name: &str) -> Result<u32, Error> {
    let mut queue = 0;
    // SAFETY: see above.
    done(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
    Ok(queue)
}

pub fn enqueue(queue: u32, message: &[u8]) -> Result<(), Error> {
    // SAFETY: see above.
    done(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

pub fn dequeue(queue: u32) -> Result<Vec<u8>, Error> {
    // SAFETY: see above.
    given(|data, size| unsafe { proxy_dequeue_shared_queue(queue, data, size) })
}

pub fn define_metric(kind: Metric, name: &str) -> Result<u32, Error> {
    let mut metric = 0;
    // SAFETY: see above.
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

pub fn increment_metric(metric: u32, by: i64) -> Result<(), Error> {
    done(proxy_increment_metric(metric, by))
}

pub fn record_metric(metric: u32, value: u64) -> Result<(), Error> {
    done(proxy_record_metric(metric, value))
}

/// Opens a stream; `metadata` as [`crate::header_map::write`] writes it.
pub fn open_stream(target: &str, service: &str, method: &str, metadata: &[u8]) -> Result<u32, Error> {
    let mut stream = 0;
    // SAFETY: see above.
    done(unsafe {
        proxy_grpc_stream(
            target.as_ptr(),
            target.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            &raw mut stream,
        )
    })?;
    Ok(stream)
}

/// Sends over a stream, which stays open.
pub fn send(stream: u32, message: &[u8]) -> Result<(), Error> {
    // SAFETY: see above.
    done(unsafe { proxy_grpc_send(stream, message.as_ptr(), message.len(), false) })
}

pub fn cancel(stream: u32) -> Result<(), Error> {
    done(proxy_grpc_cancel(stream))
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "NotFound",
            2 => "BadArgument",
            3 => "SerializationFailure",
            4 => "ParseFailure",
            7 => "Empty",
            8 => "CasMismatch",
            10 => "InternalFailure",
            other => return write!(f, "status {other}"),
        })
    }
}
