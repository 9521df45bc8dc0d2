//! Tests about the tree itself: what may depend on what, how long a file may be, what must not be written.

mod tree;

pub use tree::{Source, Tree};
