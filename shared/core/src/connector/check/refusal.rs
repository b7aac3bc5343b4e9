//! The check of what refusals mean, and of limits.

use super::Check;
use crate::connector::errors::{CompiledErrorRule, CompiledErrors};
use crate::connector::limits::CompiledLimitHeaders;
use crate::connector::{ErrorRule, Meaning};

/// The longest time that one request may be given, in seconds: less than a function lives.
const LONGEST_REQUEST_SECONDS: u16 = 600;
/// The largest answer that may be allowed, in bytes: it is in memory as a whole, several times over.
const LARGEST_RESPONSE_BYTES: u32 = 64 * 1024 * 1024;
/// The most redirects that may be followed.
const MOST_REDIRECTS: u8 = 5;

impl Check<'_> {
    pub(in crate::connector) fn errors(&mut self) -> CompiledErrors {
        let errors = &self.manifest.errors;
        let refused = self.optional("errors.refused", errors.refused.as_ref(), &[]);
        let code = self.optional("errors.code", errors.code.as_ref(), &[]);
        let message = self.optional("errors.message", errors.message.as_ref(), &[]);
        let rules = errors.rules.iter().enumerate().map(|(index, rule)| self.rule(index, rule)).collect();
        CompiledErrors { refused, code, message, rules }
    }

    fn rule(&mut self, index: usize, rule: &ErrorRule) -> CompiledErrorRule {
        let at = format!("errors.rules.{}", index + 1);
        if rule.status.is_none() && rule.code.is_empty() && rule.header.is_none() && rule.body.is_none() {
            self.problem(&at, "a rule names a status, a code, a header or a body");
        }
        let batches = self.manifest.target.iter().flat_map(|target| target.objects.values());
        if !rule.code.is_empty() && self.manifest.errors.code.is_none() && batches.clone().all(|o| o.batch.is_none()) {
            self.problem(&at, "errors.code does not say where the code is");
        }
        if rule.retry_after_seconds.is_some() && rule.means != Meaning::Throttle {
            self.problem(&at, "retry_after_seconds goes with throttle");
        }
        if rule.id.is_some() && rule.means != Meaning::DuplicateMeansSuccess {
            self.problem(&at, "id goes with duplicate_means_success");
        }
        let header = rule.header.as_ref().and_then(|pattern| {
            self.header(&format!("{at}.header.name"), &pattern.name);
            self.regex(&format!("{at}.header.matches"), &pattern.matches, 0)
        });
        let body = self.optional(&format!("{at}.body"), rule.body.as_ref(), &[]);
        let id = self.optional(&format!("{at}.id"), rule.id.as_ref(), &[]);
        CompiledErrorRule { rule: rule.clone(), header, body, id }
    }

    pub(in crate::connector) fn limits(&mut self) -> CompiledLimitHeaders {
        let limits = &self.manifest.limits;
        if limits.rate_per_second.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            self.problem("limits.rate_per_second", "must be above 0");
        }
        if limits.concurrent_requests == Some(0) {
            self.problem("limits.concurrent_requests", "must be above 0");
        }
        if !(1..=LONGEST_REQUEST_SECONDS).contains(&limits.request_timeout_seconds) {
            let reason = format!("must be above 0, and at most {LONGEST_REQUEST_SECONDS}");
            self.problem("limits.request_timeout_seconds", reason);
        }
        if !(1..=LARGEST_RESPONSE_BYTES).contains(&limits.response_max_bytes) {
            let reason = format!("must be above 0, and at most {LARGEST_RESPONSE_BYTES}");
            self.problem("limits.response_max_bytes", reason);
        }
        if limits.redirects > MOST_REDIRECTS {
            self.problem("limits.redirects", format!("must be at most {MOST_REDIRECTS}"));
        }
        let headers = &limits.headers;
        for (field, name) in [
            ("limit", headers.limit.as_ref()),
            ("remaining", headers.remaining.as_ref()),
            ("reset", headers.reset.as_ref()),
            ("retry_after", headers.retry_after.as_ref()),
            ("usage.header", headers.usage.as_ref().map(|usage| &usage.header)),
        ] {
            if let Some(name) = name {
                self.header(&format!("limits.headers.{field}"), name);
            }
        }
        let usage =
            headers.usage.as_ref().and_then(|usage| self.regex("limits.headers.usage.matches", &usage.matches, 2));
        CompiledLimitHeaders { headers: headers.clone(), usage }
    }
}
