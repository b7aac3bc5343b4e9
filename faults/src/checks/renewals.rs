//! How often the accounting application's access tokens were renewed.

use super::{Kind, Problem};
use crate::simulation::Applications;

/// A token is renewed when it ends, once for all; and once more for each who died and may have taken it along.
pub(super) fn check(applications: &Applications) -> Option<Problem> {
    let access = applications.access.as_ref()?;
    let (needless, deaths) = (access.needless, access.deaths);
    let words = format!("access tokens were renewed {needless} times too early, and {deaths} died");
    (needless > deaths).then_some(Problem { kind: Kind::Needless, words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Access;
    use std::time::Duration;

    #[test]
    fn more_renewals_than_ends_and_deaths_are_reported() {
        let mut applications = Applications::new(0, 0, 0);
        assert_eq!(check(&applications), None);
        for (needless, deaths, expected) in [(1, 1, None), (2, 1, Some(Kind::Needless))] {
            let mut access = Access::new(Duration::from_secs(1));
            (access.needless, access.deaths) = (needless, deaths);
            applications.access = Some(access);
            assert_eq!(check(&applications).map(|problem| problem.kind), expected);
        }
    }
}
