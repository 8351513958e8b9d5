//! The calls of the proxy-wasm ABI that the filter makes.

use wasmtime::{Caller, Linker, Result};

use crate::host::{HeaderMap, Host};
use crate::memory::Guest;

const MODULE: &str = "env";

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const EMPTY: u32 = 7;
const CAS_MISMATCH: u32 = 8;
const INTERNAL_FAILURE: u32 = 10;

pub fn define(linker: &mut Linker<Host>) -> Result<()> {
    environment(linker)?;
    request(linker)?;
    shared_data(linker)?;
    queues(linker)?;
    metrics(linker)?;
    grpc(linker)
}

fn environment(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "proxy_log", |caller: Caller<'_, Host>, _level: u32, at: u32, size: u32| -> Result<u32> {
        let mut guest = Guest::new(caller)?;
        let line = guest.read_text(at, size)?;
        guest.host().note(line);
        Ok(OK)
    })?;
    linker.func_wrap(MODULE, "proxy_get_current_time_nanoseconds", |caller: Caller<'_, Host>, at: u32| -> Result<u32> {
        let mut guest = Guest::new(caller)?;
        let now = guest.host().now_ns();
        guest.write(at, &now.to_le_bytes())?;
        Ok(OK)
    })?;
    linker.func_wrap(MODULE, "proxy_set_tick_period_milliseconds", |_period: u32| OK)?;
    linker.func_wrap(MODULE, "proxy_set_effective_context", |_context: u32| OK)?;
    linker.func_wrap(
        MODULE,
        "proxy_get_buffer_bytes",
        |caller: Caller<'_, Host>, kind: u32, start: u32, most: u32, at_address: u32, at_size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let Some(buffer) = guest.host().buffers.get(&kind) else { return Ok(NOT_FOUND) };
            let bytes: Vec<u8> = buffer.iter().copied().skip(start as usize).take(most as usize).collect();
            guest.give(&bytes, at_address, at_size)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_property",
        |caller: Caller<'_, Host>, path: u32, path_size: u32, at_address: u32, at_size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let path = guest.read(path, path_size)?;
            let Some(value) = guest.host().properties.get(&path).cloned() else { return Ok(NOT_FOUND) };
            guest.give(&value, at_address, at_size)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_property",
        |caller: Caller<'_, Host>, path: u32, path_size: u32, value: u32, value_size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let (path, value) = (guest.read(path, path_size)?, guest.read(value, value_size)?);
            guest.host().properties.insert(path, value);
            Ok(OK)
        },
    )?;
    Ok(())
}

fn request(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_pairs",
        |caller: Caller<'_, Host>, kind: u32, at_address: u32, at_size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let pairs = serialised(guest.host().maps.get(&kind).map(Vec::as_slice).unwrap_or_default())?;
            guest.give(&pairs, at_address, at_size)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_value",
        |caller: Caller<'_, Host>, kind: u32, name: u32, name_size: u32, at_address: u32, at_size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let name = guest.read(name, name_size)?;
            let found = |map: &HeaderMap| map.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
            let Some(value) = guest.host().maps.get(&kind).and_then(found) else { return Ok(NOT_FOUND) };
            guest.give(&value, at_address, at_size)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_send_local_response",
        |mut caller: Caller<'_, Host>,
         status: u32,
         _details: u32,
         _details_size: u32,
         _body: u32,
         _body_size: u32,
         _headers: u32,
         _headers_size: u32,
         _grpc_status: u32| {
            caller.data_mut().answered = Some(status);
            OK
        },
    )?;
    Ok(())
}

/// The number of pairs, the lengths of each, then each name and value with a zero byte behind it.
fn serialised(pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut bytes = u32::try_from(pairs.len())?.to_le_bytes().to_vec();
    for (name, value) in pairs {
        bytes.extend(u32::try_from(name.len())?.to_le_bytes());
        bytes.extend(u32::try_from(value.len())?.to_le_bytes());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend(text);
            bytes.push(0);
        }
    }
    Ok(bytes)
}

fn shared_data(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_shared_data",
        |caller: Caller<'_, Host>, key: u32, key_size: u32, at_address: u32, at_size: u32, at_cas: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let key = guest.read(key, key_size)?;
            let Some((value, cas)) = guest.host().shared_data.get(&key) else { return Ok(NOT_FOUND) };
            guest.give(&value, at_address, at_size)?;
            guest.write(at_cas, &cas.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_shared_data",
        |caller: Caller<'_, Host>, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let (key, value) = (guest.read(key, key_size)?, guest.read(value, value_size)?);
            let host = guest.host();
            let value = host.page(&value).unwrap_or_else(|| value.into());
            Ok(if host.shared_data.set(key, value, cas) { OK } else { CAS_MISMATCH })
        },
    )?;
    Ok(())
}

/// Queues lead to other VMs: the host keeps what would go there.
fn queues(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_register_shared_queue",
        |caller: Caller<'_, Host>, _name: u32, _name_size: u32, at: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            guest.host().queues += 1;
            let queue = guest.host().queues;
            guest.write(at, &queue.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_enqueue_shared_queue",
        |caller: Caller<'_, Host>, _queue: u32, value: u32, size: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let message = guest.read(value, size)?;
            let host = guest.host();
            if !host.has_room(&message) {
                return Ok(INTERNAL_FAILURE);
            }
            host.queued.push(message);
            Ok(OK)
        },
    )?;
    linker.func_wrap(MODULE, "proxy_dequeue_shared_queue", |_queue: u32, _at_address: u32, _at_size: u32| EMPTY)?;
    Ok(())
}

fn metrics(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_define_metric",
        |caller: Caller<'_, Host>, _kind: u32, _name: u32, _name_size: u32, at: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let metrics = &mut guest.host().metrics;
            metrics.push(0);
            let id = u32::try_from(metrics.len())? - 1;
            guest.write(at, &id.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(MODULE, "proxy_record_metric", |mut caller: Caller<'_, Host>, id: u32, value: u64| {
        let metric = caller.data_mut().metrics.get_mut(id as usize);
        metric.map_or(NOT_FOUND, |metric| {
            *metric = value;
            OK
        })
    })?;
    linker.func_wrap(MODULE, "proxy_increment_metric", |mut caller: Caller<'_, Host>, id: u32, by: i64| {
        let metric = caller.data_mut().metrics.get_mut(id as usize);
        metric.map_or(NOT_FOUND, |metric| {
            *metric = metric.wrapping_add_signed(by);
            OK
        })
    })?;
    Ok(())
}

fn grpc(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_grpc_stream",
        |caller: Caller<'_, Host>,
         _upstream: u32,
         _upstream_size: u32,
         _service: u32,
         _service_size: u32,
         _method: u32,
         _method_size: u32,
         _metadata: u32,
         _metadata_size: u32,
         at: u32|
         -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            guest.host().streams += 1;
            let stream = guest.host().streams;
            guest.write(at, &stream.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_grpc_send",
        |caller: Caller<'_, Host>, _stream: u32, message: u32, size: u32, _end: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let message = guest.read(message, size)?;
            let host = guest.host();
            if !host.has_room(&message) {
                return Ok(INTERNAL_FAILURE);
            }
            host.sent.push(message);
            Ok(OK)
        },
    )?;
    linker.func_wrap(MODULE, "proxy_grpc_cancel", |mut caller: Caller<'_, Host>, _stream: u32| {
        caller.data_mut().cancelled += 1;
        OK
    })?;
    Ok(())
}
