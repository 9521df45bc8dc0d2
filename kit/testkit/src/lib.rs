//! What tests share: a clock, a network with loss, delay and NATs, seeds.
