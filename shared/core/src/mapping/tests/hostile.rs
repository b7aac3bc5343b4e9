//! Programs that mean harm: each ends soon, with bounded memory, whatever it is given.

use crate::mapping::{Json, MappingError, Program};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far more than a run takes, on a machine that does other things as well.
const DEADLINE: Duration = Duration::from_secs(20);
/// As little as any thread that runs mappings has.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// An input with lists to loop over, and a long text.
fn input() -> String {
    let numbers = (0..20_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let records =
        (0..3000).map(|number| format!(r#"{{"k":"k{number}","v":"{number}"}}"#)).collect::<Vec<_>>().join(",");
    let text = "a".repeat(200_000);
    format!(r#"{{"n":[{numbers}],"r":[{records}],"t":"{text}","s":"x","z":0}}"#)
}

/// Whether a program is refused or ends by itself, in its own thread.
fn ends(source: String) -> Result<Result<usize, MappingError>, String> {
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        let outcome = Program::compile("hostile", &source, &[]).and_then(|program| {
            let output = program.run(&Json::parse("test", &input())?, vec![])?;
            Ok(output.to_text().len())
        });
        let _ = sender.send(outcome);
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap();
    let outcome = receiver.recv_timeout(DEADLINE).map_err(|_| "it does not end".to_owned())?;
    thread.join().map_err(|_| "it panicked".to_owned())?;
    Ok(outcome)
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

fn piped(part: &str, times: usize) -> String {
    vec![part; times].join(" | ")
}

/// Programs that would take very long, or very much.
fn endless() -> Vec<String> {
    let mut programs: Vec<String> = [
        "[.n[] as $a | .n[] as $b | .n[] as $c | $a + $b + $c]",
        "reduce .n[] as $x (.t; . + .)",
        "reduce .n[] as $x ([]; [., .])",
        "reduce .n[] as $x ({}; {a: ., b: .})",
        "reduce .n[] as $x (.; [.])",
        "reduce .n[] as $x (0; {a: .})",
        "reduce .n[] as $x (2; . * .)",
        "reduce .n[] as $x (\"\\\"\"; tojson)",
        "reduce .n[] as $x (.t; @base64)",
        "reduce .n[] as $x (.t; @html \"<\\(.)>\")",
        "reduce .n[] as $x (.r; . + .)",
        "foreach .n[] as $x (.t; . + .; .)",
        "[foreach .n[] as $x (.n; . + [$x])]",
        "\"x\" * 1000000000",
        "\"x\" * 100000000000000000000000000000",
        ".t * 1000000",
        "first(.n[] | select(. < 0), (.n[] | .n[]?)) | 1",
        "[.n[] as $x | .n | sort_by(-.)] | length",
        "[.n[] as $x | .n | group_by(. % 7)] | length",
        "[.n[] as $x | .n | unique] | length",
        "[.n[] as $x | .n - .n] | length",
        "[.n[] as $x | .n == .n] | length",
        "[.n[] as $x | .r == .r] | all",
        "[.n[] as $x | .t == .t + \"\"] | all",
        "[.n[] as $x | .n[$x:]] | length",
        "[.n[] as $x | .t[$x:]] | length",
        "[.n[] as $x | .t | explode] | length",
        "[.n[] as $x | .t | length] | add",
        "[.n[] as $x | .t | ascii_upcase] | length",
        "[.n[] as $x | .t | split(\"\")] | length",
        "[.n[] as $x | .t / \"a\"] | length",
        "[.n[] as $x | .t | test(\"(a*)*b\")] | length",
        "[.n[] as $x | .t | contains(\"aaaaaaaaaaaaaaaaaaaab\")] | length",
        "[.n[] as $x | .t | indices(\"aaaaaaaaaaaaaaaaaaaab\")] | length",
        "[.n[] as $x | .r | tojson | fromjson] | length",
        "[.n[] as $x | .r | map(.v | decimal)] | length",
        "[.n[] as $x | .r | compact] | length",
        "[.n[] as $x | .n[$x] = 1] | length",
        "[.n[] as $x | .r[].v |= tonumber] | length",
        "[.n[] as $x | del(.r[0])] | length",
        "[.n[] as $x | [..]] | length",
        "[.n[] as $x | [paths]] | length",
        "[.n[] as $x | .r | from_entries?] | length",
        "[.n[] as $x | .r | with_entries(.)] | length",
        "[.n[] as $x | [.n[:2000], .n[:2000], .n[:2000]] | transpose] | length",
        ".t | gsub(\"a|a*b\"; \"x\")",
        ".t | [scan(\"a*b|a\")] | length",
        ".t | test(\"((a{100}){100}){100}\")",
        ".t | test(\"a{1000}{1000}\")",
        "[limit(1000000000; .n[] as $a | .n[] as $b | .n[] as $c | 1)]",
        "last(.n[] as $a | .n[] as $b | .n[] as $c | 1)",
        "isempty(.n[] as $a | .n[] as $b | .n[] as $c | empty)",
        "any(.n[] as $a | .n[] as $b | .n[] as $c | false; .)",
        "try ([.n[] as $a | .n[] as $b | error(\"x\")?] | 1) catch 1",
        "[.n[] as $a | .n[] as $b | try error(\"x\") catch empty] | 1",
        "(.n[] as $a | .n[] as $b | .n[] as $c | empty) // 1",
        "[.n[] | tostring * 100000] | add",
        "[.n[] | {(tostring): .}] | [.[] as $x | add] | length",
        "\"\\([.n[] as $x | .t])\"",
    ]
    .map(str::to_owned)
    .into();
    programs.push(format!("[{}] | length", piped("(., .)", 60)));
    programs.push(format!("[{}] | length", piped("(1, 1)", 60)));
    programs.push(format!("first({} | select(false))", piped("(., .)", 60)));
    programs.push(format!("reduce ({}) as $x (0; .)", piped("(., .)", 60)));
    programs.push(format!("{} | .. | length", piped("[., .]", 60)));
    programs.push(piped("[., .]", 100));
    programs.push(format!("{} | tojson", piped("{a: ., b: .}", 60)));
    programs.push(format!("{} | . == .", piped("[., .]", 60)));
    programs.push(format!(".s | {} | length", piped("(. + .)", 60)));
    programs.push(format!(".t | {}", piped("tojson", 100)));
    programs.push(format!(".t | {}", piped("@html", 100)));
    programs
}

/// Programs that would take the stack.
fn deep() -> Vec<String> {
    vec![
        nested("[", "1", "]", 20_000),
        nested("(", ".", ")", 20_000),
        nested("{a:", "1", "}", 10_000),
        nested("\"\\(", "1", ")\"", 10_000),
        nested("first(", ".", ")", 5_000),
        nested("if . then ", ".", " else . end", 2_000),
        "-".repeat(60_000) + "1",
        "try ".repeat(15_000) + "1",
        "try ".repeat(390) + "1",
        piped(".", 30_000),
        piped(".", 390),
        vec!["1"; 30_000].join("+"),
        vec!["1"; 390].join("+"),
        vec!["1"; 30_000].join(","),
        vec!["."; 390].join("//"),
        ". as $x | ".repeat(6_000) + ".",
        ". as $x | ".repeat(180) + ".",
        format!(".{}", "[0]?".repeat(15_000)),
        format!(".{}", ".a?".repeat(20_000)),
        "reduce .n[] as $x (.; .) |= 1".to_owned(),
        "reduce .n[] as $x (.; .a?) |= 1".to_owned(),
        "(.z | reduce range(9) as $x (.; .)) |= 1".to_owned(),
        "getpath(.n) |= 1".to_owned(),
        "getpath([.n[] | \"a\"]) = 1".to_owned(),
        "setpath([.n[] | \"a\"]; 1)".to_owned(),
        "delpaths([[.n[] | \"a\"]])".to_owned(),
        "del(getpath([.n[] | \"a\"]))".to_owned(),
        "path(getpath([.n[] | \"a\"])) | length".to_owned(),
        "[paths(reduce .n[] as $x (.; .))] | length".to_owned(),
        "pick(getpath([.n[] | \"a\"]))".to_owned(),
        "null | getpath([range(9)])".to_owned(),
        "[.n[] | \"a\"] as $p | null | getpath($p)".to_owned(),
        "\"[\" * 50000 | fromjson".to_owned(),
        "[.n[] | [[[[[[[[[[.]]]]]]]]]]] | flatten | length".to_owned(),
        ".n | flatten(1000000000) | length".to_owned(),
        "jn(2000000000; 1)".to_owned(),
        ".t | matches_unpaid(\"(a{1000}){1000}\"; \"g\")".to_owned(),
        ".t | test(\"(\" * 400 + \"a\" + \")\" * 400)".to_owned(),
    ]
}

/// What came of a program, or that nothing came.
type Outcome = Result<Result<usize, MappingError>, String>;

fn outcomes(programs: Vec<String>) -> Vec<(String, Duration, Outcome)> {
    let run = |source: String| {
        let started = Instant::now();
        let short: String = source.chars().take(80).collect();
        let outcome = ends(source);
        (short, started.elapsed(), outcome)
    };
    programs.into_iter().map(run).collect()
}

#[test]
fn a_program_that_would_not_end_is_stopped() {
    let (before, mut slowest) = (memory("VmRSS"), Duration::ZERO);
    for (source, took, outcome) in outcomes(endless()) {
        let outcome = outcome.unwrap_or_else(|fault| panic!("{source}: {fault}"));
        eprintln!("{took:?} {source}: {outcome:?}");
        slowest = slowest.max(took);
        assert!(
            matches!(
                outcome,
                Err(MappingError::Stopped { .. } | MappingError::Run { .. } | MappingError::Output { .. })
            ),
            "{source}: {outcome:?}"
        );
    }
    let most = memory("VmHWM").saturating_sub(before);
    eprintln!("slowest: {slowest:?}; most memory: {most} KiB");
    assert!(most < 256 * 1024, "{most} KiB");
}

#[test]
fn a_program_that_would_take_the_stack_is_refused_or_stopped() {
    for (source, took, outcome) in outcomes(deep()) {
        let outcome = outcome.unwrap_or_else(|fault| panic!("{source}: {fault}"));
        eprintln!("{took:?} {source}: {outcome:?}");
    }
}

/// A figure of this process in KiB, as Linux tells it.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
