//! Sockets, batches and the clock.
