//! Why bytes are not what they claim to be.

/// What is wrong with a packet or a part of one. Such a packet is dropped and counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends before a field that must be there.
    #[error("it ends too early")]
    Short,
    /// The version is not 2.
    #[error("the version is not 2")]
    Version,
    /// The CSRC list runs past the end.
    #[error("the CSRC list runs past the end")]
    Csrcs,
    /// The header extension runs past the end.
    #[error("the header extension runs past the end")]
    Extension,
    /// The padding is empty or longer than what it pads.
    #[error("the padding does not fit")]
    Padding,
    /// A length or count field disagrees with the bytes.
    #[error("a length or count does not fit the bytes")]
    Length,
    /// More of something than any sender needs.
    #[error("more parts than are read")]
    TooMany,
    /// A field has a value that it cannot have.
    #[error("a field has an impossible value")]
    Field,
    /// A dependency descriptor names a template that its structure does not have.
    #[error("an unknown template of the dependency structure")]
    Template,
}
