//! The words between the estimator and its caller: what was sent, what to probe, why the estimate is what it is.

/// What a packet was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Audio or video.
    Media,
    /// Again, because it was asked for (RTX, or NACK answered in place).
    Retransmission,
    /// Because [`crate::Estimator::probe`] asked for it.
    Probe,
    /// Padding that no probe asked for.
    Padding,
}

/// How much to send, and how fast, to find out whether the path carries more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Bytes until the cluster is complete. Everything that is sent meanwhile counts, media too.
    pub bytes_left: usize,
    /// Bytes that should have left by now and have not: what to send at once, with padding if there is nothing better.
    pub bytes_due: usize,
    /// Bits per second at which to send until then.
    pub bitrate: u64,
    /// A number for this cluster, for logs.
    pub cluster: u32,
}

/// Where the estimate is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// The path carries what is sent: more is tried.
    Increase,
    /// A queue drains, or nothing is known: neither more nor less.
    Hold,
    /// A queue grows, packets are lost, or feedback is missing.
    Decrease,
}

/// What keeps the estimate from being higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing but time: it grows as fast as it may.
    None,
    /// Queues that grew.
    Delay,
    /// Packets that were lost.
    Loss,
    /// The sender sends less than the estimate, so that nothing is learnt above it.
    Application,
    /// The receiver said so (REMB).
    Receiver,
    /// Feedback is missing.
    Silence,
    /// [`crate::Settings::max`].
    Settings,
}

/// For statistics: why the estimate is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Where it is going.
    pub trend: Trend,
    /// What limits it.
    pub limit: Limit,
    /// Whether a probe is under way.
    pub probing: bool,
}
