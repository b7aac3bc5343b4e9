//! What the caller of a port does about an error.

/// The answer that each variant of each port's error gives, by an exhaustive match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Trouble of the infrastructure: the same call may succeed later. Leave the message in its queue.
    Retry,
    /// Somebody has to change something (a permission, a secret, a setting) and then it may go on.
    Hold,
    /// The same call never succeeds: what is asked for is itself wrong.
    Drop,
}
