//! Measures how many records per second one core maps; `cargo xtask bench mapping` builds and runs it.
//!
//! Argument: the root of the repository. Prints one line of JSON: `{"records_per_second": …}`, the median of the rounds.
#![expect(clippy::print_stdout, reason = "its result is for a program")]

use fluxnex_core::mapping::{Json, Program};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).ok_or("the root of the repository is missing")?;
    let read = |path: &str| std::fs::read_to_string(Path::new(&root).join(path));
    let to_entity = read("examples/acme/mappings/invoice.to_entity.jq")?;
    let to_target = read("examples/acme/mappings/invoice.to_quickbooks.jq")?;
    let record = read("connectors/revenova/samples/invoice.json")?;
    let record = serde_json::from_str::<serde_json::Value>(&record)?.to_string();
    let to_entity = Program::compile("to_entity", &to_entity, &["$parents", "$source"])?;
    let to_target = Program::compile("to_target", &to_target, &["$references", "$canonical"])?;
    let object = |text| Json::parse("variables", text);
    let parents = object(r#"{"customer":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#)?;
    let source = object(r#"{"id":"a0X5f00000FluxA1AA","version":1}"#)?;
    let references = object(r#"{"customer":"58"}"#)?;
    let canonical = object(r#"{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","version":1}"#)?;

    let map = || -> Result<usize, Box<dyn Error>> {
        let entity = to_entity.run(&Json::parse("record", &record)?, vec![parents.clone(), source.clone()])?;
        let target = to_target.run(&entity, vec![references.clone(), canonical.clone()])?;
        Ok(target.to_text().len())
    };
    let mut rates = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (started, mut records) = (Instant::now(), 0_u32);
        while started.elapsed() < ROUND {
            for _ in 0..50 {
                std::hint::black_box(map()?);
            }
            records += 50;
        }
        rates.push(f64::from(records) / started.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let median = rates.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("{}", serde_json::json!({"records_per_second": median.round(), "record_bytes": record.len()}));
    Ok(())
}
