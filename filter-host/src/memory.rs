//! The guest's memory: what it hands over is read, what it asks for is put where it can find it.

use wasmtime::{Caller, Memory, Result, bail, ensure};

use crate::host::Host;

/// What every imported function works with.
pub struct Guest<'c> {
    caller: Caller<'c, Host>,
    memory: Memory,
}

impl<'c> Guest<'c> {
    pub fn new(mut caller: Caller<'c, Host>) -> Result<Self> {
        let Some(memory) = caller.get_export("memory").and_then(wasmtime::Extern::into_memory) else {
            bail!("the module exports no memory");
        };
        Ok(Self { caller, memory })
    }

    /// What the host holds.
    pub fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    pub fn read(&self, at: u32, size: u32) -> Result<Vec<u8>> {
        // Not more than there is: it may ask for any number.
        ensure!(size as usize <= self.memory.data_size(&self.caller), "the module hands over more than it has");
        let mut bytes = vec![0; size as usize];
        self.memory.read(&self.caller, at as usize, &mut bytes)?;
        Ok(bytes)
    }

    pub fn read_text(&self, at: u32, size: u32) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    pub fn read_u32(&self, at: u32) -> Result<u32> {
        let mut bytes = [0; 4];
        self.memory.read(&self.caller, at as usize, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.write(&mut self.caller, at as usize, bytes)?)
    }

    /// Leaves bytes in memory that the guest allocates for them, and tells it where.
    pub fn give(&mut self, bytes: &[u8], at_address: u32, at_size: u32) -> Result<()> {
        let size = u32::try_from(bytes.len())?;
        let Some(allocate) = self.caller.get_export("proxy_on_memory_allocate").and_then(wasmtime::Extern::into_func) else {
            bail!("the module exports no proxy_on_memory_allocate");
        };
        let address = allocate.typed::<u32, u32>(&self.caller)?.call(&mut self.caller, size)?;
        self.write(address, bytes)?;
        self.write(at_address, &address.to_le_bytes())?;
        self.write(at_size, &size.to_le_bytes())
    }
}
