//! The environment variables of the functions: declared once, in `functions/settings.json`, which the
//! CDK app checks itself against, and validated here at cold start.

use crate::BoxError;
use fluxnex_cloud::queue::QueueUrl;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

const DECLARED: &str = include_str!("../../../functions/settings.json");
/// The key of what every function has.
const ALL: &str = "all";

/// Names and meanings of the variables of one function.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    required: BTreeMap<String, String>,
    optional: BTreeMap<String, String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Variables that have to be there are absent or empty.
    #[error("the function {function} lacks the environment variables {}", missing.join(", "))]
    Missing {
        /// The function.
        function: String,
        /// All of them, each with its meaning.
        missing: Vec<String>,
    },
    /// A variable has a value of the wrong form. The value is not quoted.
    #[error("the environment variable {name} is not valid: {rule}")]
    Invalid {
        /// The variable.
        name: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// The program asks for a variable that is not declared for its function.
    #[error("the variable {name} is not declared for {function} in functions/settings.json")]
    Undeclared {
        /// The function.
        function: String,
        /// The variable.
        name: String,
    },
    /// The declarations themselves cannot be read.
    #[error("functions/settings.json cannot be read")]
    Declarations(#[source] BoxError),
}

/// The validated settings of one function.
#[derive(Debug, Clone)]
pub struct Settings {
    function: String,
    /// Every declared variable; an optional one that is absent has no value.
    values: BTreeMap<String, Option<String>>,
}

impl Settings {
    /// Reads the variables that are declared for the function from the environment.
    ///
    /// # Errors
    /// [`SettingsError::Missing`] names every required variable that is absent or empty.
    pub fn load(function: &str) -> Result<Self, SettingsError> {
        Self::read(function, |name| std::env::var(name).ok())
    }

    /// Reads the variables through `lookup`; for tests.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn read(function: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut declared: BTreeMap<String, Declaration> =
            serde_json::from_str(DECLARED).map_err(|error| SettingsError::Declarations(error.into()))?;
        let own = declared
            .remove(function)
            .ok_or_else(|| SettingsError::Undeclared { function: function.to_owned(), name: "(any)".to_owned() })?;
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for declaration in [declared.remove(ALL).unwrap_or_default(), own] {
            for (name, meaning) in declaration.required {
                match lookup(&name).filter(|value| !value.trim().is_empty()) {
                    Some(value) => {
                        values.insert(name, Some(value));
                    }
                    None => missing.push(format!("{name} ({meaning})")),
                }
            }
            for name in declaration.optional.into_keys() {
                let value = lookup(&name).filter(|value| !value.trim().is_empty());
                values.insert(name, value);
            }
        }
        if missing.is_empty() {
            Ok(Self { function: function.to_owned(), values })
        } else {
            Err(SettingsError::Missing { function: function.to_owned(), missing })
        }
    }

    /// The name of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// A required text.
    ///
    /// # Errors
    /// [`SettingsError`], if it is not declared or is optional and absent.
    pub fn text(&self, name: &str) -> Result<&str, SettingsError> {
        self.optional_text(name)?
            .ok_or_else(|| SettingsError::Missing { function: self.function.clone(), missing: vec![name.to_owned()] })
    }

    /// An optional text.
    ///
    /// # Errors
    /// [`SettingsError::Undeclared`].
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        match self.values.get(name) {
            Some(value) => Ok(value.as_deref()),
            None => Err(SettingsError::Undeclared { function: self.function.clone(), name: name.to_owned() }),
        }
    }

    /// The URL of a queue.
    ///
    /// # Errors
    /// [`SettingsError`], also if it is no URL.
    pub fn url(&self, name: &str) -> Result<QueueUrl, SettingsError> {
        queue_url(name, self.text(name)?)
    }

    /// Queues by name: a JSON object of URLs.
    ///
    /// # Errors
    /// [`SettingsError`], also if it is no such object.
    pub fn queue_map(&self, name: &str) -> Result<BTreeMap<String, QueueUrl>, SettingsError> {
        let urls: BTreeMap<String, String> =
            serde_json::from_str(self.text(name)?).map_err(|_| invalid(name, "a JSON object of queue URLs"))?;
        urls.into_iter().map(|(key, url)| Ok((key, queue_url(name, &url)?))).collect()
    }

    /// How fast time passes.
    ///
    /// # Errors
    /// [`SettingsError`], if it is no positive number.
    pub fn time_scale(&self) -> Result<TimeScale, SettingsError> {
        const NAME: &str = "TIME_SCALE";
        let factor = self.text(NAME)?.trim().parse().ok().and_then(TimeScale::new);
        factor.ok_or_else(|| invalid(NAME, "a number above 0"))
    }
}

fn invalid(name: &str, rule: &'static str) -> SettingsError {
    SettingsError::Invalid { name: name.to_owned(), rule }
}

fn queue_url(name: &str, text: &str) -> Result<QueueUrl, SettingsError> {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    if is_url { Ok(QueueUrl::new(text)) } else { Err(invalid(name, "a queue URL")) }
}

/// How many times faster than real time waits, backoffs and deadlines pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeScale(f64);

impl TimeScale {
    /// Real time.
    pub const REAL: Self = Self(1.0);

    /// So many times faster than real time; nothing if it is not a finite number above 0.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        (factor.is_finite() && factor > 0.0).then_some(Self(factor))
    }

    /// The real duration that stands for `duration`.
    #[must_use]
    pub fn scale(&self, duration: Duration) -> Duration {
        Duration::try_from_secs_f64(duration.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "PROFILE" => "local",
            "TIME_SCALE" => "60",
            "OUTBOUND_QUEUES" => r#"{"quickbooks-online":"http://host/0/outbound-quickbooks-online.fifo"}"#,
            "NOTIFICATION_DELIVERY_URL" => "http://host/0/notification-delivery",
            name if name.ends_with("_ARN") => "arn",
            "DATABASE_AUTH" | "CONTROL_TABLE" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let error = Settings::read("ingest", |_| Some(" ".to_owned())).unwrap_err().to_string();
        for name in ["PROFILE", "TIME_SCALE", "INBOUND_GATEWAY_URL", "PAYLOAD_BUCKET", "CONTROL_TABLE"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn values_are_typed() {
        let settings = Settings::read("route", lookup).unwrap();
        assert_eq!(settings.text("PROFILE").unwrap(), "local");
        assert_eq!(settings.time_scale().unwrap().scale(Duration::from_secs(3600)), Duration::from_secs(60));
        assert!(settings.queue_map("OUTBOUND_QUEUES").unwrap()["quickbooks-online"].is_fifo());
        assert_eq!(settings.url("NOTIFICATION_DELIVERY_URL").unwrap().name(), "notification-delivery");
        assert_eq!(settings.optional_text("DATABASE_HOST").unwrap(), None);
        assert!(matches!(settings.text("SWEEP_TENANT_URL"), Err(SettingsError::Undeclared { .. })));
        assert!(matches!(settings.url("PROFILE"), Err(SettingsError::Invalid { .. })));
    }

    #[test]
    fn a_time_scale_is_a_positive_number() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(TimeScale::new(factor), None);
        }
        assert_eq!(TimeScale::REAL.scale(Duration::from_secs(7)), Duration::from_secs(7));
    }
}
