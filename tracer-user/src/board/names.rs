//! How the source of names does.

/// The container runtime of this node, as the source of names of containers and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamesHealth {
    /// It answered when it was last asked.
    pub answers: bool,
    /// Names that are kept now.
    pub kept: u64,
    /// How often it was asked, and how often of these in vain.
    pub asked: u64,
    pub failed: u64,
}
