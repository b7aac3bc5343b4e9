//! The port of whoever makes and ends secrets: `api`, for a connection that is added or removed.
//!
//! Apart from [`Secrets`], because nobody else may do this.

use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;

/// For how long a secret that was ended can be brought back, in days. Secrets Manager takes 7 to 30.
pub const RECOVERY_DAYS: i64 = 30;

/// What storing a secret did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It was made.
    Created,
    /// It was there, perhaps ended and now brought back; its content was replaced.
    Replaced,
}

/// Makes and ends secrets.
#[async_trait]
pub trait SecretStore: Secrets {
    /// Makes `value` the current content of the secret, whether there is one of the name or not; one that
    /// was ended is brought back. May be repeated.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn store(&self, name: &str, value: &SecretValue) -> Result<Stored, SecretError>;

    /// Ends a secret: it is read no more, and can be brought back for [`RECOVERY_DAYS`]. Answers whether
    /// there was one; one that was ended before is none.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn end(&self, name: &str) -> Result<bool, SecretError>;
}
