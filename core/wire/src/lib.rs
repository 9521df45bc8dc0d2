//! Every message that leaves the process: the signalling protocol and the HTTP bodies.
