//! The credentials of which several can be active at a time, so that they are rotated without refusing anybody.

use super::{Authentication, Manifest, Webhook};
use crate::signature::SignatureScheme;
use std::collections::BTreeSet;

impl Manifest {
    /// The credentials that may hold several secrets: what webhooks are signed with, in and out.
    #[must_use]
    pub fn rotating_credentials(&self) -> Vec<&str> {
        let received: BTreeSet<&str> =
            self.webhook.iter().flat_map(Webhook::signatures).map(SignatureScheme::secret).collect();
        match &self.authentication {
            Authentication::StandardWebhooks { secret, .. } => received.into_iter().chain([secret.as_str()]).collect(),
            // A client's secret that also signs webhooks is one text, because requests for tokens name it.
            other => received.into_iter().filter(|name| !other.credentials().contains(name)).collect(),
        }
    }
}
