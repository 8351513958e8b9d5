//! Things that go from thread to thread some at a time: to wake a thread for each file costs as much as reading it.

use std::cell::RefCell;
use std::sync::mpsc::SyncSender;

/// What waits until it is worth sending.
pub(super) struct Batch<T> {
    sender: SyncSender<Vec<T>>,
    most: usize,
    waiting: RefCell<Vec<T>>,
}

impl<T> Batch<T> {
    pub(super) fn new(sender: SyncSender<Vec<T>>, most: usize) -> Self {
        Self { sender, most, waiting: RefCell::default() }
    }

    /// Sends it, with the next ones; `None` when nobody listens any more.
    pub(super) fn send(&self, item: T) -> Option<()> {
        self.waiting.borrow_mut().push(item);
        if self.waiting.borrow().len() < self.most { Some(()) } else { self.flush() }
    }

    /// Sends what waits.
    pub(super) fn flush(&self) -> Option<()> {
        let waiting = self.waiting.take();
        if waiting.is_empty() { Some(()) } else { self.sender.send(waiting).ok() }
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        self.flush();
    }
}
