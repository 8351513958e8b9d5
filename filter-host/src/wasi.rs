//! The few calls of WASI that the standard library makes: environment, randomness, and the message of a panic.

use wasmtime::{Caller, Linker, Result, bail};

use crate::host::Host;
use crate::memory::Guest;

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: u32 = 0;

pub fn define(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "environ_sizes_get", |caller: Caller<'_, Host>, count_at: u32, size_at: u32| -> Result<u32> {
        let mut guest = Guest::new(caller)?;
        let sizes: Vec<usize> = guest.host().environment.iter().map(|entry| entry.len() + 1).collect();
        guest.write(count_at, &u32::try_from(sizes.len())?.to_le_bytes())?;
        guest.write(size_at, &u32::try_from(sizes.iter().sum::<usize>())?.to_le_bytes())?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "environ_get", |caller: Caller<'_, Host>, mut entries_at: u32, mut at: u32| -> Result<u32> {
        let mut guest = Guest::new(caller)?;
        for entry in guest.host().environment.clone() {
            guest.write(entries_at, &at.to_le_bytes())?;
            guest.write(at, format!("{entry}\0").as_bytes())?;
            entries_at += 4;
            at += u32::try_from(entry.len())? + 1;
        }
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "random_get", |caller: Caller<'_, Host>, at: u32, size: u32| -> Result<u32> {
        let mut guest = Guest::new(caller)?;
        for offset in 0..size {
            let next = guest.host().random.wrapping_mul(5).wrapping_add(99);
            guest.host().random = next;
            guest.write(at + offset, &[next])?;
        }
        Ok(SUCCESS)
    })?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |caller: Caller<'_, Host>, _file: u32, pieces_at: u32, count: u32, written_at: u32| -> Result<u32> {
            let mut guest = Guest::new(caller)?;
            let mut written = 0;
            for piece in 0..count {
                let (at, size) = (guest.read_u32(pieces_at + 8 * piece)?, guest.read_u32(pieces_at + 8 * piece + 4)?);
                let text = guest.read_text(at, size)?;
                guest.host().note(text);
                written += size;
            }
            guest.write(written_at, &written.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> Result<()> { bail!("the module ends itself with {code}") })?;
    Ok(())
}
