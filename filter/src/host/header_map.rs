//! The request's header map in one host call and one allocation.
//!
//! `proxy_wasm::hostcalls::get_map_bytes` makes two more for each header, which is most of what it costs to look at a small request.

#![expect(unsafe_code, reason = "the SDK hands out no header map that is not copied; argued below")]

use std::ptr;

use proxy_wasm::types::MapType;

const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    /// Answers with a status, which is left a number: one that the SDK's type does not know would be undefined behaviour.
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
}

/// The map's bytes, to be read by [`crate::header_map::read`]; `None` when the host has no such map.
pub fn header_map(map: MapType) -> Option<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the declaration is the one of the ABI and of the SDK; both places are valid for writes during the call.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) };
    if status != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host calls the SDK's `proxy_on_memory_allocate` for exactly `size` bytes, which gives away a boxed slice of that
    // length, fills it, and passes it on to nobody else. This is also what the SDK itself does with it.
    Some(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, size)) }.into_vec())
}
