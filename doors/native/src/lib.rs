//! Trefoil's own signalling protocol: its messages become room commands, room events become its messages.
