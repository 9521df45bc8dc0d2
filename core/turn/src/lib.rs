//! The TURN server as a machine (RFC 8656): datagrams and time in, answers and places to forward to out.
