//! A module that runs: the callbacks that Envoy would make.

use std::collections::{BTreeMap, VecDeque};

use wasmtime::{AsContext as _, Instance, Store, WasmParams, WasmResults};

use crate::host::{Clock, HeaderMap, Host};
use crate::limits::Limits;
use crate::module::{FilterModule, HostError};
use crate::shared_data::SharedData;

/// What a VM is started with.
pub struct Settings<'s> {
    /// The VM's environment.
    pub environment: &'s [(&'s str, &'s str)],
    /// The plugin configuration, JSON.
    pub configuration: &'s str,
    /// What it may use.
    pub limits: Limits,
    /// What time it is told.
    pub clock: Clock,
    /// What other VMs have left.
    pub shared_data: SharedData,
    /// Tells VMs apart that share data.
    pub number: u8,
}

/// A module that runs. After an error it is of no use any more.
pub struct Vm {
    pub(crate) store: Store<Host>,
    instance: Instance,
    limits: Limits,
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

impl Vm {
    /// Starts a module and gives it its configuration.
    pub fn start(module: &FilterModule, settings: Settings<'_>) -> Result<Self, HostError> {
        let Settings { environment, configuration, limits, clock, shared_data, number } = settings;
        let host = Host {
            environment: environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            clock,
            limits: limits.store(),
            buffers: BTreeMap::new(),
            maps: BTreeMap::new(),
            properties: BTreeMap::new(),
            shared_data,
            pages: VecDeque::new(),
            metrics: Vec::new(),
            streams: 0,
            cancelled: 0,
            queues: u32::from(number),
            sent: Vec::new(),
            queued: Vec::new(),
            kept: 0,
            answered: None,
            log: VecDeque::new(),
            random: number,
        };
        let mut store = Store::new(module.instance.module().engine(), host);
        store.limiter(|host| &mut host.limits);
        store.set_fuel(limits.fuel)?;
        let instance = module.instance.instantiate(&mut store).map_err(HostError::Unusable)?;
        let mut vm = Self { store, instance, limits, contexts: ROOT };
        vm.call::<(), ()>("_initialize", ())?;
        vm.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32))?;
        vm.call_exported::<_, u32>("proxy_on_vm_start", (ROOT, 0_u32))?;
        let size = vm.set_buffer(PLUGIN_CONFIGURATION, configuration.as_bytes());
        if vm.call::<_, u32>("proxy_on_configure", (ROOT, size))? != 1 {
            return Err(HostError::Refused(format!("the module refuses its configuration: {}", vm.log())));
        }
        Ok(vm)
    }

    /// Lets the time for a tick come.
    pub fn tick(&mut self) -> Result<(), HostError> {
        self.refuel()?;
        self.call("proxy_on_tick", ROOT)
    }

    /// The streams that it has opened.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.store.data().streams
    }

    /// What it has sent over its streams since the last time.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        let host = self.store.data_mut();
        host.kept = 0;
        host.queued.clear();
        std::mem::take(&mut host.sent)
    }

    /// A message arrives over the stream that was opened last.
    pub fn receive(&mut self, message: &[u8]) -> Result<(), HostError> {
        self.refuel()?;
        let size = self.set_buffer(GRPC_MESSAGE, message);
        self.call("proxy_on_grpc_receive", (ROOT, self.streams(), size))
    }

    /// What it has logged lately, line by line.
    #[must_use]
    pub fn log(&self) -> String {
        self.store.data().log.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// What other VMs would see.
    #[must_use]
    pub fn shared_data(&self) -> SharedData {
        self.store.data().shared_data.clone()
    }

    /// A request from its first callback to its last. Its body, unless that is empty, comes at once.
    pub fn request(&mut self, headers: HeaderMap, body: &[u8]) -> Result<Outcome, HostError> {
        self.refuel()?;
        self.contexts += 1;
        let context = self.contexts;
        let before = self.store.get_fuel()?;
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let host = self.store.data_mut();
        host.answered = None;
        host.properties.clear();
        host.maps.insert(REQUEST_HEADERS, headers);
        host.maps.insert(RESPONSE_HEADERS, vec![(b":status".to_vec(), b"200".to_vec())]);
        let size = self.set_buffer(REQUEST_BODY, body);

        self.call::<_, ()>("proxy_on_context_create", (context, ROOT))?;
        self.call::<_, u32>("proxy_on_request_headers", (context, count, u32::from(body.is_empty())))?;
        if !body.is_empty() && self.store.data().answered.is_none() {
            self.call::<_, u32>("proxy_on_request_body", (context, size, 1_u32))?;
        }
        self.call_exported::<_, u32>("proxy_on_response_headers", (context, 1_u32, 1_u32))?;
        self.call_exported::<_, ()>("proxy_on_log", context)?;
        self.call_exported::<_, u32>("proxy_on_done", context)?;
        self.call_exported::<_, ()>("proxy_on_delete", context)?;
        let fuel = before - self.store.get_fuel()?;
        self.store.data_mut().forget();
        Ok(Outcome { answered: self.store.data().answered, fuel })
    }

    /// What the module has set since the last request began.
    pub(crate) fn property(&self, path: &str) -> Option<String> {
        let host = self.store.as_context().data();
        host.properties.get(path.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn refuel(&mut self) -> Result<(), HostError> {
        Ok(self.store.set_fuel(self.limits.fuel)?)
    }

    fn set_buffer(&mut self, kind: u32, bytes: &[u8]) -> u32 {
        self.store.data_mut().buffers.insert(kind, bytes.to_vec());
        u32::try_from(bytes.len()).unwrap_or(u32::MAX)
    }

    /// Like Envoy, calls what a module exports and passes over the rest.
    fn call_exported<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<Option<R>, HostError> {
        match self.instance.get_func(&mut self.store, name) {
            Some(_) => self.call(name, parameters).map(Some),
            None => Ok(None),
        }
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<R, HostError> {
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name)?;
        Ok(function.call(&mut self.store, parameters)?)
    }
}
