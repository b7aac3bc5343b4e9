//! What the mains of several functions read from their settings.

use crate::BoxError;
use crate::settings::{Settings, SettingsError};
use fluxnex_cloud::aws::DatabaseLogin;

impl Settings {
    /// Where the database's login is, and how to log in.
    ///
    /// # Errors
    /// [`SettingsError`] if a variable is missing or not valid.
    pub fn database_login(&self) -> Result<DatabaseLogin, SettingsError> {
        const AUTH: &str = "DATABASE_AUTH";
        let auth = self.text(AUTH)?.parse();
        Ok(DatabaseLogin {
            secret: self.text("DATABASE_SECRET_ARN")?.to_owned(),
            auth: auth.map_err(|_| SettingsError::Invalid { name: AUTH.to_owned(), rule: "`password` or `iam`" })?,
            host: self.optional_text("DATABASE_HOST")?.map(str::to_owned),
        })
    }

    /// The certificates that are trusted besides the public roots, as PEM.
    ///
    /// # Errors
    /// If the file that is named cannot be read.
    pub fn extra_ca(&self) -> Result<Option<Vec<u8>>, BoxError> {
        let Some(path) = self.optional_text("EXTRA_CA_FILE")? else { return Ok(None) };
        std::fs::read(path).map(Some).map_err(|error| format!("EXTRA_CA_FILE {path} cannot be read: {error}").into())
    }
}
