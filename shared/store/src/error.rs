//! What can go wrong between a stage and PostgreSQL, and what to do about it.

use std::error::Error;

/// Why a call to the database did not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server cannot be reached, or the connection broke. Nothing is known of the last commit.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Another transaction was in the way, more often than was tried again.
    #[error("the database was busy with the same records")]
    Conflict,
    /// The server refused a statement.
    #[error("the database refused a statement{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// SQLSTATE, as PostgreSQL's documentation lists it.
        code: Option<String>,
        /// What the server said. Not part of the message: it may quote data.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The tenant is not in the catalog.
    #[error("there is no tenant {0}")]
    UnknownTenant(String),
    /// The schema is older than this program needs.
    #[error("the schema {schema} is at migration {at}, this program needs {needed}: run the migrate function")]
    OldSchema {
        /// Schema name.
        schema: String,
        /// Newest migration that it has.
        at: i32,
        /// Newest migration that the program knows.
        needed: i32,
    },
    /// Stored data is not what this program writes.
    #[error("stored data is not readable: {0}")]
    Unreadable(String),
}

impl StoreError {
    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Conflict | Self::OldSchema { .. } => true,
            Self::Refused { code, .. } => match code.as_deref() {
                // Class 08 connection, 53 resources, 57 operator intervention, 58 system error.
                Some(code) => ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
                None => true,
            },
            Self::UnknownTenant(_) | Self::Unreadable(_) => false,
        }
    }

    /// Whether the transaction lost against another one and should be run again at once:
    /// serialisation failure, deadlock, or a key that appeared meanwhile.
    pub(crate) fn lost_a_race(&self) -> bool {
        match self {
            Self::Conflict => true,
            Self::Refused { code: Some(code), .. } => matches!(code.as_str(), "40001" | "40P01" | "23505"),
            _ => false,
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::Refused { code: Some(code.code().to_owned()), source: error },
            None => Self::Unreachable(Box::new(error)),
        }
    }
}
