//! What every kind of server can be asked for, so that one load fits them all.

/// A room on some server, and everybody whom the load put into it, by number: publishers first.
pub(super) trait Call {
    /// Somebody comes in.
    ///
    /// # Errors
    /// Why they may not.
    fn enter(&mut self, number: usize, publishes: bool) -> anyhow::Result<()>;

    /// Somebody publishes what this offers; the server's answer.
    ///
    /// # Errors
    /// Why they may not.
    fn publish(&mut self, number: usize, offer: String) -> anyhow::Result<String>;

    /// Somebody wants to receive everything; `answer` answers the server's offer.
    ///
    /// # Errors
    /// Why they may not.
    fn subscribe(
        &mut self,
        number: usize,
        answer: &mut dyn FnMut(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()>;

    /// Does what keeps everybody inside; to be called several times a second.
    ///
    /// # Errors
    /// If somebody was put out.
    fn stay(&mut self) -> anyhow::Result<()>;

    /// Everybody leaves, and the room is closed if it was made here. What fails now matters no more.
    fn leave(&mut self);
}
