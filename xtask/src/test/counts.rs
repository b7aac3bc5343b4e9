//! Reads what test runners print at the end.

/// How many tests passed and failed, and the names of those that failed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// What failed, as the runner names it.
    pub failures: Vec<String>,
}

/// The sums of cargo's `test result:` lines.
pub fn of_cargo(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            counts.failures.push(name.to_owned());
        }
        // A runner's line may follow what a test printed without an end of line.
        let Some(start) = line.find("test result: ") else { continue };
        let words: Vec<&str> =
            line.get(start..).unwrap_or_default().split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            match pair {
                [number, "passed"] => counts.passed += number.parse().unwrap_or(0),
                [number, "failed"] => counts.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    counts
}

/// The summary of Node's test runner: lines such as `ℹ pass 12` or `# pass 12`.
pub fn of_node(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["ℹ" | "#", "pass", number] => counts.passed += number.parse().unwrap_or(0),
            ["ℹ" | "#", "fail" | "cancelled", number] => counts.failed += number.parse().unwrap_or(0),
            ["✖", name @ ..] if !name.is_empty() => {
                let name = name.join(" ");
                if !counts.failures.contains(&name) {
                    counts.failures.push(name);
                }
            }
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_results_are_added_up() {
        let output = "\
running 2 tests
test tests::one ... ok
test tests::two ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.67s
noise test result: ok. 34 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.67s
";
        assert_eq!(of_cargo(output), Counts { passed: 35, failed: 1, failures: vec!["tests::two".to_owned()] });
    }

    #[test]
    fn nodes_results_are_read_in_both_of_its_forms() {
        let output = "✔ a\n✖ b\nℹ tests 5\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\n✖ b\n";
        assert_eq!(of_node(output), Counts { passed: 3, failed: 2, failures: vec!["b".to_owned()] });
        assert_eq!(of_node("# pass 3\n# fail 0\n").passed, 3);
    }

    #[test]
    fn without_a_summary_nothing_passed() {
        assert_eq!(of_cargo("error: could not compile"), Counts::default());
    }
}
