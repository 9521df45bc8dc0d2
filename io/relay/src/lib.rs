//! The traversal server: sharded sockets around the TURN machine.
