//! The link between a gateway and the control plane: passes bytes on, and can be cut or made to damage what it carries.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// A relay in front of one address.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    connections: Mutex<Vec<TcpStream>>,
    cut: AtomicBool,
    damaging: AtomicBool,
    /// What is written in the place of what.
    tampering: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
    closed: AtomicBool,
}

/// Every shard begins with these bytes.
const SHARD: &[u8] = b"SLsh";

/// A byte in the middle of a shard of any size, counted from its beginning.
const DAMAGED: usize = 20;

impl Network {
    /// Relays from a free port to `target`.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            connections: Mutex::default(),
            cut: AtomicBool::new(false),
            damaging: AtomicBool::new(false),
            tampering: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let relay = Arc::clone(&shared);
        std::thread::spawn(move || {
            for inbound in listener.incoming().flatten() {
                if relay.closed.load(Ordering::SeqCst) {
                    return;
                }
                relay.accept(inbound);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where the gateway connects to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the control plane is now.
    pub fn lead_to(&self, target: SocketAddr) {
        *lock(&self.shared.target) = target;
    }

    /// Ends all connections and takes no new ones.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        self.shared.end_all();
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// Whether every shard that passes has one bit changed.
    pub fn damage_shards(&self, damaging: bool) {
        self.shared.damaging.store(damaging, Ordering::SeqCst);
    }

    /// Puts other bytes, as many, in the place of some; `None`: no longer.
    pub fn tamper(&self, bytes: Option<(&[u8], &[u8])>) {
        *lock(&self.shared.tampering) = bytes.map(|(from, to)| (from.to_vec(), to.to_vec()));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.end_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, inbound: TcpStream) {
        let target = *lock(&self.target);
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(outbound) = TcpStream::connect(target) else { return };
        let streams = [inbound.try_clone(), outbound.try_clone(), inbound.try_clone(), outbound.try_clone()];
        let [Ok(inbound_reader), Ok(outbound_writer), Ok(inbound_writer), Ok(outbound_reader)] = streams else { return };
        lock(&self.connections).extend([inbound, outbound]);
        let (to, from) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || to.relay(inbound_reader, outbound_writer));
        std::thread::spawn(move || from.relay(outbound_reader, inbound_writer));
    }

    fn relay(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &mut buffer[..read];
            if self.damaging.load(Ordering::SeqCst)
                && let Some(at) = bytes.windows(SHARD.len()).position(|window| window == SHARD)
                && let Some(byte) = bytes.get_mut(at + DAMAGED)
            {
                *byte ^= 1;
            }
            if let Some((from, to)) = &*lock(&self.tampering)
                && let Some(at) = bytes.windows(from.len()).position(|window| window == from)
                && let Some(there) = bytes.get_mut(at..at + to.len())
            {
                there.copy_from_slice(to);
            }
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn end_all(&self) {
        for connection in lock(&self.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
