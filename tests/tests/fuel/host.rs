//! A proxy-wasm host in `wasmtime`: enough of Envoy for the filter to be configured, to be fed an index and to judge requests.
//!
//! Time, randomness and everything else that it answers is fixed, so that a run of the same module is the same run.

mod calls;
mod memory;
mod wasi;

use std::collections::BTreeMap;

use wasmtime::{Config, Engine, Instance, Linker, Module, Result, Store, WasmParams, WasmResults, ensure};

/// What the host holds for one VM.
#[derive(Default)]
pub struct Host {
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// By type, as numbered by the ABI.
    buffers: BTreeMap<u32, Vec<u8>>,
    /// By type, as numbered by the ABI.
    maps: BTreeMap<u32, HeaderMap>,
    /// By path, joined by zero bytes.
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Values with the number of the write.
    shared_data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    metrics: Vec<u64>,
    streams: u32,
    queues: u32,
    sent: Vec<Vec<u8>>,
    answered: Option<u32>,
    log: Vec<String>,
    random: u8,
}

/// Names and values.
pub type HeaderMap = Vec<(Vec<u8>, Vec<u8>)>;

/// A module that runs.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    contexts: u32,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the filter's own answer, if it gave one.
    pub answered: Option<u32>,
    /// Fuel that all callbacks of the request took together.
    pub fuel: u64,
}

const ROOT: u32 = 1;
const REQUEST_BODY: u32 = 0;
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const GRPC_MESSAGE: u32 = 5;
const PLUGIN_CONFIGURATION: u32 = 7;

/// An engine that counts.
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.consume_fuel(true);
    // Fuel is counted by the module's own instructions: what the compiler makes of them changes nothing.
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    Engine::new(&config)
}

impl Vm {
    /// Starts a module and gives it its configuration.
    pub fn start(module: &Module, environment: &[(&str, &str)], configuration: &str) -> Result<Self> {
        let mut linker = Linker::new(module.engine());
        calls::define(&mut linker)?;
        wasi::define(&mut linker)?;
        // Whatever the SDK imports and the filter never calls.
        linker.define_unknown_imports_as_traps(module)?;

        let environment = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut store = Store::new(module.engine(), Host { environment, ..Host::default() });
        store.set_fuel(u64::MAX)?;
        let instance = linker.instantiate(&mut store, module)?;
        let mut vm = Self { store, instance, contexts: ROOT };
        vm.call::<(), ()>("_initialize", ())?;
        vm.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32))?;
        vm.call_exported::<_, u32>("proxy_on_vm_start", (ROOT, 0_u32))?;
        let size = vm.set_buffer(PLUGIN_CONFIGURATION, configuration.as_bytes());
        let accepted = vm.call::<_, u32>("proxy_on_configure", (ROOT, size))?;
        ensure!(accepted == 1, "the configuration is refused: {:?}", vm.log());
        Ok(vm)
    }

    /// Lets the time for a tick come.
    pub fn tick(&mut self) -> Result<()> {
        self.call("proxy_on_tick", ROOT)
    }

    /// The streams that it has opened.
    pub fn streams(&self) -> u32 {
        self.store.data().streams
    }

    /// What it has sent over its streams since the last time.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.store.data_mut().sent)
    }

    /// A message arrives over the stream that was opened last.
    pub fn receive(&mut self, message: &[u8]) -> Result<()> {
        let size = self.set_buffer(GRPC_MESSAGE, message);
        self.call("proxy_on_grpc_receive", (ROOT, self.streams(), size))
    }

    /// Everything that it has logged.
    pub fn log(&self) -> &[String] {
        &self.store.data().log
    }

    /// A request from its first callback to its last. Its body, unless that is empty, comes at once.
    pub fn request(&mut self, headers: HeaderMap, body: &[u8]) -> Result<Outcome> {
        self.contexts += 1;
        let context = self.contexts;
        let host = self.store.data_mut();
        host.answered = None;
        let count = u32::try_from(headers.len())?;
        host.maps.insert(REQUEST_HEADERS, headers);
        host.maps.insert(RESPONSE_HEADERS, vec![(b":status".to_vec(), b"200".to_vec())]);

        let size = self.set_buffer(REQUEST_BODY, body);

        let before = self.store.get_fuel()?;
        self.call::<_, ()>("proxy_on_context_create", (context, ROOT))?;
        self.call::<_, u32>("proxy_on_request_headers", (context, count, u32::from(body.is_empty())))?;
        if !body.is_empty() {
            self.call::<_, u32>("proxy_on_request_body", (context, size, 1_u32))?;
        }
        self.call_exported::<_, u32>("proxy_on_response_headers", (context, 1_u32, 1_u32))?;
        self.call_exported::<_, ()>("proxy_on_log", context)?;
        self.call_exported::<_, u32>("proxy_on_done", context)?;
        self.call_exported::<_, ()>("proxy_on_delete", context)?;
        let fuel = before - self.store.get_fuel()?;
        Ok(Outcome { answered: self.store.data().answered, fuel })
    }

    fn set_buffer(&mut self, kind: u32, bytes: &[u8]) -> u32 {
        self.store.data_mut().buffers.insert(kind, bytes.to_vec());
        u32::try_from(bytes.len()).unwrap_or(u32::MAX)
    }

    /// Like Envoy, calls what a module exports and passes over the rest.
    fn call_exported<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<Option<R>> {
        match self.instance.get_func(&mut self.store, name) {
            Some(_) => self.call(name, parameters).map(Some),
            None => Ok(None),
        }
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<R> {
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name)?;
        function.call(&mut self.store, parameters)
    }
}
