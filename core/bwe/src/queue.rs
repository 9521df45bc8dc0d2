//! The pacer's queue: one line for each priority, counted in bytes.

use std::collections::VecDeque;

use crate::Micros;

/// Something that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) since: Micros,
    pub(crate) item: T,
    pub(crate) bytes: u16,
}

/// First in, first out, with its sum of bytes and a bound of its own.
#[derive(Debug)]
pub(crate) struct Line<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    most: usize,
}

impl<T: Copy> Line<T> {
    /// A line for at most so many.
    pub(crate) const fn new(most: usize) -> Line<T> {
        Line {
            waiting: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most
    }

    pub(crate) fn push(&mut self, waiting: Waiting<T>) {
        self.bytes += usize::from(waiting.bytes);
        self.waiting.push_back(waiting);
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting<T>> {
        let first = self.waiting.pop_front()?;
        self.bytes -= usize::from(first.bytes);
        Some(first)
    }

    pub(crate) fn first(&self) -> Option<&Waiting<T>> {
        self.waiting.front()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets go of what is not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.waiting.retain(|waiting| keep(&waiting.item));
        self.bytes = self
            .waiting
            .iter()
            .map(|waiting| usize::from(waiting.bytes))
            .sum();
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}
