//! What Envoy calls. It calls a module's functions as far as they are exported, so those for which there is nothing to do are not here: each
//! call takes nearly half a microsecond, and most would come with every request.
//!
//! A context is a plugin's configuration in this VM, a root, or a request under one; Envoy numbers them. [`proxy_on_done`] is the last that
//! is heard of either: there is neither `proxy_on_log` nor `proxy_on_delete`, since what they would tell is known there already.

#![expect(unsafe_code, reason = "functions are exported under the names of the ABI, which nothing else in the module has")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::abi::{Action, LogLevel, log};
use super::{Filter, Root, refuse};

thread_local! {
    /// One for each configuration: few.
    static ROOTS: RefCell<Vec<(u32, Root)>> = const { RefCell::new(Vec::new()) };
    /// The requests under way. As many as Envoy has itself, which keeps far more of each.
    static REQUESTS: RefCell<BTreeMap<u32, Filter>> = const { RefCell::new(BTreeMap::new()) };
}

unsafe extern "C" {
    /// Of the linker: makes what the C library needs.
    safe fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    __wasm_call_ctors();
    std::panic::set_hook(Box::new(|info| log(LogLevel::Critical, &info.to_string())));
}

/// Roots come with their configuration, requests with their root.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    let filter = ROOTS.with_borrow(|roots| roots.iter().find(|(id, _)| *id == root).map(|(_, root)| root.filter()));
    if let Some(filter) = filter {
        REQUESTS.with_borrow_mut(|requests| requests.insert(context, filter));
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    let configured = Root::configure(size);
    let is_accepted = configured.is_some();
    if let Some(configured) = configured {
        take_root(root);
        ROOTS.with_borrow_mut(|roots| roots.push((root, configured)));
    }
    is_accepted
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with_root(root, Root::on_tick);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    with_root(root, |root| root.on_queue_ready(queue));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(root: u32, stream: u32, size: usize) {
    with_root(root, |root| root.on_stream_message(stream, size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(root: u32, stream: u32, code: u32) {
    with_root(root, |root| root.on_stream_close(stream, code));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(request: u32, _: usize, is_end: bool) -> Action {
    with_request(request, |filter| filter.on_headers(is_end))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(request: u32, size: usize, is_end: bool) -> Action {
    with_request(request, |filter| filter.body_arrived(size, is_end))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(request: u32, _: usize) -> Action {
    with_request(request, Filter::trailers_arrived)
}

/// Whether the context may go, which it always may.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> bool {
    if let Some(filter) = REQUESTS.with_borrow_mut(|requests| requests.remove(&context)) {
        filter.done();
    } else if let Some(root) = take_root(context) {
        root.done();
    }
    true
}

/// A root that is gone has nothing to do.
fn with_root(root: u32, act: impl FnOnce(&mut Root)) {
    ROOTS.with_borrow_mut(|roots| roots.iter_mut().find(|(id, _)| *id == root).map(|(_, root)| act(root)));
}

fn take_root(root: u32) -> Option<Root> {
    let take = |roots: &mut Vec<(u32, Root)>| roots.iter().position(|(id, _)| *id == root).map(|at| roots.swap_remove(at).1);
    ROOTS.with_borrow_mut(take)
}

/// A request that nobody has announced is not let through.
fn with_request(request: u32, act: impl FnOnce(&mut Filter) -> Action) -> Action {
    REQUESTS.with_borrow_mut(|requests| requests.get_mut(&request).map(act)).unwrap_or_else(refuse)
}
