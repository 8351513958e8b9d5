//! The module, compiled.

use std::path::Path;

use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel};

use crate::host::Host;
use crate::{calls, wasi};

/// A filter module that is compiled and bound to the host's calls. VMs of it start in a fraction of a millisecond.
pub struct FilterModule {
    pub(crate) instance: InstancePre<Host>,
}

/// Why the module did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// Not a module, or one that asks for what this host does not have.
    #[error("the module cannot be used: {0:#}")]
    Unusable(wasmtime::Error),
    /// It trapped, used up its fuel or wanted more memory than it may have. The VM is of no use any more.
    #[error("the module failed: {0:#}")]
    Failed(#[from] wasmtime::Error),
    /// It runs, and does not do what a filter does.
    #[error("{0}")]
    Refused(String),
}

impl FilterModule {
    /// Compiles the module in a file.
    pub fn from_file(path: &Path) -> Result<Self, HostError> {
        Self::new(&std::fs::read(path)?)
    }

    /// Compiles a module.
    pub fn new(bytes: &[u8]) -> Result<Self, HostError> {
        Self::compile(bytes).map_err(HostError::Unusable)
    }

    fn compile(bytes: &[u8]) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        // Nearly a unit for each instruction, whatever the compiler makes of them: a limit of work that is the same everywhere.
        config.consume_fuel(true);
        config.cranelift_opt_level(OptLevel::Speed);
        let engine = Engine::new(&config)?;
        let module = Module::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        calls::define(&mut linker)?;
        wasi::define(&mut linker)?;
        // Whatever the SDK imports and the filter never calls.
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Self { instance: linker.instantiate_pre(&module)? })
    }
}
