//! Turns that nobody takes all of: whoever sends slowly, from as many connections as they like, leaves some to others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many at once, and so many of one network.
pub struct Turns {
    all: Arc<Semaphore>,
    of_one: usize,
    /// Of those who have a turn or wait for one: no more than there are connections.
    networks: Mutex<HashMap<Option<IpAddr>, Weak<Semaphore>>>,
}

/// Given back when it is dropped.
pub struct Turn {
    _of_one: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    /// As many as that, and as many of one network.
    #[must_use]
    pub fn new(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_one, networks: Mutex::default() }
    }

    /// Waits for a turn: first for one of the network's own, so that who waits there is in nobody else's way.
    pub async fn turn(&self, network: Option<IpAddr>) -> Option<Turn> {
        let own = self.own(network);
        // The semaphores are never closed.
        let of_one = own.acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _of_one: of_one, _of_all: of_all })
    }

    fn own(&self, network: Option<IpAddr>) -> Arc<Semaphore> {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = networks.get(&network).and_then(Weak::upgrade) {
            return own;
        }
        networks.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.of_one));
        networks.insert(network, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};

    use super::*;

    /// What a future says at once.
    async fn now<T>(future: Pin<&mut impl Future<Output = Option<T>>>) -> Option<T> {
        tokio::select! {
            biased;
            said = future => said,
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn one_network_leaves_turns_to_others() {
        let turns = Turns::new(3, 2);
        let of = |last| turns.turn(Some(IpAddr::from([192, 0, 2, last])));
        let mut had = Vec::new();
        let mut many: Vec<_> = (0..9).map(|_| Box::pin(of(1))).collect();
        for turn in &mut many {
            had.extend(now(turn.as_mut()).await);
        }
        assert_eq!(had.len(), 2);
        let other = now(pin!(of(2))).await;
        assert!(other.is_some(), "there is one left");
        assert!(now(pin!(of(3))).await.is_none(), "there are three");
        drop((had, many, other));
        assert!(now(pin!(of(4))).await.is_some());
        assert_eq!(turns.networks.lock().unwrap().len(), 1, "who has gone is forgotten");
    }
}
