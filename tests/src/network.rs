//! The link between a gateway and the control plane: passes bytes on, and can be cut, be slow, lose or repeat bytes, or damage what it carries.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// A relay in front of one address.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToControlPlane,
    ToGateway,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    connections: Mutex<Vec<TcpStream>>,
    cut: AtomicBool,
    damage: Mutex<Option<Damage>>,
    slow: AtomicBool,
    swallowing: AtomicBool,
    repeating: AtomicBool,
    /// What is written in the place of what.
    tampering: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
    closed: AtomicBool,
}

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A byte in the middle of a shard.
    Shards,
    /// A byte of a header's signature.
    Signatures,
    /// A byte of the kinds of tokens, which a header has between its root and its end.
    Kinds,
    /// The epoch of a header.
    Epochs,
}

/// Every shard begins with these bytes.
const SHARD: &[u8] = b"SLsh";

/// In a header, as Protocol Buffers write it: the field of the root and its length, and, after the root, the same of the signature.
const ROOT: &[u8] = &[8 << 3 | 2, 32];
const SIGNATURE: &[u8] = &[9 << 3 | 2, 64];
/// And of the set of kinds, whose length takes two bytes.
const KINDS: &[u8] = &[12 << 3 | 2, 0x80, 0x10];
/// And of the tenant that a test has, before the epoch.
const TENANT: &[u8] = b"\x12\x07default\x18";

/// What a slow link passes on before it pauses, and for how long: a kilobyte a second.
const SLOW_BYTES: usize = 100;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

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
            damage: Mutex::default(),
            slow: AtomicBool::new(false),
            swallowing: AtomicBool::new(false),
            repeating: AtomicBool::new(false),
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

    /// Whether it carries a kilobyte a second, in each direction.
    pub fn slow_down(&self, slow: bool) {
        self.shared.slow.store(slow, Ordering::SeqCst);
    }

    /// Whether it takes what is sent and delivers nothing, while all connections stay open: they are half-open. Those that have lost something
    /// carry nothing ever again, also afterwards.
    pub fn swallow(&self, swallowing: bool) {
        self.shared.swallowing.store(swallowing, Ordering::SeqCst);
    }

    /// Whether it delivers twice what the control plane sends.
    pub fn repeat(&self, repeating: bool) {
        self.shared.repeating.store(repeating, Ordering::SeqCst);
    }

    /// Of everything of this kind that passes, one bit is changed; `None`: no longer.
    pub fn damage(&self, damage: Option<Damage>) {
        *lock(&self.shared.damage) = damage;
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

impl Damage {
    /// Where in these bytes, if there is any of it.
    fn place(self, bytes: &[u8]) -> Option<usize> {
        let signature = || {
            let after = ROOT.len() + 32;
            memchr::memmem::find_iter(bytes, ROOT)
                .map(|at| at + after)
                .find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(SIGNATURE)))
        };
        match self {
            Self::Shards => Some(memchr::memmem::find(bytes, SHARD)? + DAMAGED),
            Self::Signatures => Some(signature()? + SIGNATURE.len()),
            Self::Kinds => Some(memchr::memmem::find(bytes, KINDS)? + KINDS.len()),
            Self::Epochs => Some(memchr::memmem::find(bytes, TENANT)? + TENANT.len()),
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, inbound: TcpStream) {
        let target = *lock(&self.target);
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(outbound) = TcpStream::connect(target) else { return };
        // Messages are small: a link that waits to fill a packet would add the 40 ms of a delayed acknowledgement.
        let _ = (inbound.set_nodelay(true), outbound.set_nodelay(true));
        let streams = [inbound.try_clone(), outbound.try_clone(), inbound.try_clone(), outbound.try_clone()];
        let [Ok(inbound_reader), Ok(outbound_writer), Ok(inbound_writer), Ok(outbound_reader)] = streams else { return };
        lock(&self.connections).extend([inbound, outbound]);
        let (to, from) = (Arc::clone(self), Arc::clone(self));
        let half_open = Arc::new(AtomicBool::new(false));
        let there = Arc::clone(&half_open);
        std::thread::spawn(move || to.relay(inbound_reader, outbound_writer, Direction::ToControlPlane, &there));
        std::thread::spawn(move || from.relay(outbound_reader, inbound_writer, Direction::ToGateway, &half_open));
    }

    fn relay(&self, mut from: TcpStream, mut to: TcpStream, direction: Direction, half_open: &AtomicBool) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let slow = self.slow.load(Ordering::SeqCst);
            let room = if slow { SLOW_BYTES } else { buffer.len() };
            let Ok(read @ 1..) = from.read(&mut buffer[..room]) else { break };
            if slow {
                std::thread::park_timeout(SLOW_PAUSE);
            }
            if self.swallowing.load(Ordering::SeqCst) {
                half_open.store(true, Ordering::SeqCst);
            }
            if half_open.load(Ordering::SeqCst) {
                continue;
            }
            let bytes = &mut buffer[..read];
            let damage = *lock(&self.damage);
            if let Some(byte) = damage.and_then(|damage| damage.place(bytes)).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1;
            }
            if let Some((from, to)) = &*lock(&self.tampering)
                && let Some(at) = bytes.windows(from.len()).position(|window| window == from)
                && let Some(there) = bytes.get_mut(at..at + to.len())
            {
                there.copy_from_slice(to);
            }
            if self.repeating.load(Ordering::SeqCst) && direction == Direction::ToGateway && to.write_all(bytes).is_err() {
                break;
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
