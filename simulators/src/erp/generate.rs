//! Makes the ERP's records and their changes. Everything but the stamps follows from the seed.

use std::collections::HashMap;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::schema::{CUSTOMERS, INVOICES, KEY, MODIFIED};
use crate::clock::odata_instant;
use crate::commands::{ErpPlanned, ErpScenario};
use crate::random::Random;

/// So many records at most get one and the same stamp, as when a program saves several at once: a
/// caller that pages by the stamp alone would lose some.
const MOST_PER_STAMP: usize = 4;

/// Makes the records of a scenario. Their stamps end with `now`, a millisecond apart or the same.
pub fn records(scenario: &ErpScenario, now: Timestamp) -> (Vec<(&'static str, Value)>, ErpPlanned) {
    let mut maker = Maker { random: Random::new(scenario.seed), tag: tag(scenario.seed) };
    let mut records: Vec<(&'static str, Value)> =
        (0..scenario.customers).map(|number| (CUSTOMERS, maker.customer(number))).collect();
    for number in 0..scenario.invoices.saturating_add(scenario.poison) {
        let customer = maker.random.below(scenario.customers as usize);
        let customer = records.get(customer).map_or(Value::Null, |(_, customer)| customer.clone());
        let mut invoice = maker.invoice(number, &customer);
        if number >= scenario.invoices {
            set(&mut invoice, "Lines", json!([]));
        }
        records.push((INVOICES, invoice));
    }
    maker.random.shuffle(&mut records);
    stamp(&mut records, &mut maker.random, now);
    let planned = ErpPlanned {
        versions: records.len() as u64,
        customers: scenario.customers.into(),
        invoices: scenario.invoices.into(),
        poison: scenario.poison.into(),
        invoices_before_customers: older_than_their_customers(&records),
    };
    (records, planned)
}

/// Changes a record, as somebody who works with it does.
pub fn change(record: &mut Value, random: &mut Random) {
    if record.get("Lines").is_some() {
        let (lines, total) = lines(1 + random.below(3), random);
        set(record, "Lines", lines);
        set(record, "TotalAmount", cents(total));
        let due = date(2026, 12, 1).saturating_add((random.below(60) as i64).days());
        set(record, "DueDate", Value::from(due.to_string()));
    } else {
        set(record, "Street", Value::from(format!("Hafenstrasse {}", 1 + random.below(900))));
        set(record, "Phone", Value::from(phone(random)));
    }
}

/// Whether a record is as it should be: invoices have lines.
pub fn is_good(record: &Value) -> bool {
    record.get("Lines").and_then(Value::as_array).is_none_or(|lines| !lines.is_empty())
}

struct Maker {
    random: Random,
    tag: String,
}

impl Maker {
    fn customer(&mut self, number: u32) -> Value {
        let random = &mut self.random;
        let name = random.choose(&NAMES).copied().unwrap_or_default();
        let form = random.choose(&FORMS).copied().unwrap_or_default();
        let (city, region, code, country) = random.choose(&CITIES).copied().unwrap_or_default();
        let id = format!("C-{}-{number:06}", self.tag);
        // Some fields are empty in every real ERP; what is empty must be left out downstream.
        let [email, phone, limit] = [
            Value::from(format!("accounts+{}-{number}@{}.example", self.tag.to_lowercase(), name.to_lowercase())),
            Value::from(phone(random)),
            cents(100_000 * (1 + random.below(50) as u64)),
        ]
        .map(|value| if random.chance(0.15) { Value::Null } else { value });
        json!({
            KEY: id, "Name": format!("{name} {form} {id}"), "Email": email, "Phone": phone,
            "Street": format!("Industriestrasse {}", 1 + random.below(400)), "City": city, "Region": region,
            "PostalCode": code, "Country": country, "Currency": "EUR", "CreditLimit": limit,
            "Blocked": random.chance(0.05),
        })
    }

    fn invoice(&mut self, number: u32, customer: &Value) -> Value {
        let random = &mut self.random;
        let count = 1 + random.below(3);
        let (lines, total) = lines(count, random);
        let issued = date(2026, 11, 1).saturating_add((random.below(28) as i64).days());
        json!({
            KEY: format!("INV-{}-{number:06}", self.tag), "CustomerID": customer.get(KEY).cloned().unwrap_or(Value::Null),
            "InvoiceDate": issued.to_string(), "DueDate": issued.saturating_add(30.days()).to_string(),
            "Status": "Posted", "Currency": "EUR", "TotalAmount": cents(total), "Lines": lines,
        })
    }
}

/// What ids of one seed have in common, and those of another do not.
fn tag(seed: u64) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut number = Random::new(seed ^ 0xe4f).next() >> 24;
    (0..6)
        .map(|_| {
            let letter = LETTERS.get((number % 32) as usize).map_or('0', |letter| char::from(*letter));
            number /= 32;
            letter
        })
        .collect()
}

/// Lines and their total in cents.
fn lines(count: usize, random: &mut Random) -> (Value, u64) {
    let mut total = 0;
    let mut lines = Vec::with_capacity(count);
    for number in 1..=count {
        let quantity = 1 + random.below(12) as u64;
        let price = 250 + random.below(90_000) as u64;
        total += quantity * price;
        lines.push(json!({
            "LineNumber": number, "Description": random.choose(&ARTICLES).copied().unwrap_or_default(),
            "Quantity": quantity, "UnitPrice": cents(price), "Amount": cents(quantity * price),
        }));
    }
    (Value::from(lines), total)
}

fn stamp(records: &mut [(&'static str, Value)], random: &mut Random, now: Timestamp) {
    let mut stamps = Vec::with_capacity(records.len());
    let mut back = 0_i64;
    while stamps.len() < records.len() {
        let together = 1 + random.below(MOST_PER_STAMP);
        stamps.extend(std::iter::repeat_n(back, together));
        back += 1;
    }
    for ((_, record), back) in records.iter_mut().rev().zip(stamps) {
        let at = Value::from(odata_instant(now.checked_sub(back.milliseconds()).unwrap_or(now)));
        set(record, "CreatedAt", at.clone());
        set(record, MODIFIED, at);
    }
}

fn older_than_their_customers(records: &[(&'static str, Value)]) -> u64 {
    fn text<'record>(record: &'record Value, name: &str) -> &'record str {
        record.get(name).and_then(Value::as_str).unwrap_or_default()
    }
    let customers: HashMap<&str, &str> = records
        .iter()
        .filter(|(set, _)| *set == CUSTOMERS)
        .map(|(_, record)| (text(record, KEY), text(record, MODIFIED)))
        .collect();
    // Stamps of one form have the order of their characters.
    let older = |record: &Value| {
        customers.get(text(record, "CustomerID")).is_some_and(|customer| text(record, MODIFIED) < *customer)
    };
    records.iter().filter(|(_, record)| older(record)).count() as u64
}

fn set(record: &mut Value, name: &str, value: Value) {
    if let Some(record) = record.as_object_mut() {
        record.insert(name.to_owned(), value);
    }
}

fn phone(random: &mut Random) -> String {
    format!("+49 {} {:06}", 30 + random.below(900), random.below(1_000_000))
}

fn cents(cents: u64) -> Value {
    Value::from(cents as f64 / 100.0)
}

const NAMES: [&str; 8] = ["Adler", "Brandt", "Falke", "Hansen", "Keller", "Lindner", "Nordwind", "Seidel"];
const FORMS: [&str; 5] = ["GmbH", "AG", "KG", "GmbH & Co. KG", "Söhne"];
const CITIES: [(&str, &str, &str, &str); 6] = [
    ("Hamburg", "HH", "20457", "DE"),
    ("Köln", "NW", "50667", "DE"),
    ("Leipzig", "SN", "04109", "DE"),
    ("Linz", "4", "4020", "AT"),
    ("Basel", "BS", "4051", "CH"),
    ("Utrecht", "UT", "3511 LN", "NL"),
];
const ARTICLES: [&str; 6] =
    ["Ball bearing 6204", "Hydraulic hose, 2 m", "Gearbox \"G7\"", "Paint, RAL 7016", "Fuse 16 A", "Pump – overhaul"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00.123Z".parse().unwrap()
    }

    fn stamp_of(record: &Value) -> Timestamp {
        record["ModifiedAt"].as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn the_seed_decides_everything_but_the_stamps() {
        let scenario = ErpScenario { customers: 20, invoices: 100, poison: 2, seed: 7 };
        let (one, planned) = records(&scenario, now());
        assert_eq!(one, records(&scenario, now()).0);
        assert_eq!((planned.versions, planned.invoices, planned.poison), (122, 100, 2));
        let ids = |seed| {
            let (records, _) = records(&ErpScenario { seed, ..scenario.clone() }, now());
            records.iter().map(|(_, record)| record["ID"].as_str().unwrap().to_owned()).collect::<HashSet<_>>()
        };
        assert_eq!(ids(7).len(), 122);
        assert!(ids(7).is_disjoint(&ids(8)));
        assert_eq!(one.iter().filter(|(_, record)| !is_good(record)).count(), 2);
    }

    #[test]
    fn stamps_are_of_this_moment_and_some_are_the_same() {
        let (records, planned) =
            records(&ErpScenario { customers: 50, invoices: 950, ..ErpScenario::default() }, now());
        let mut alike: HashMap<Timestamp, usize> = HashMap::new();
        for (_, record) in &records {
            *alike.entry(stamp_of(record)).or_default() += 1;
        }
        assert_eq!(alike.keys().max(), Some(&now()));
        assert!(now().duration_since(*alike.keys().min().unwrap()).as_secs() < 1);
        assert!(alike.values().any(|count| *count > 1) && alike.values().all(|count| *count <= MOST_PER_STAMP));
        assert!(planned.invoices_before_customers > 100, "{planned:?}");
        let customers: HashMap<&str, Timestamp> = records
            .iter()
            .filter(|(set, _)| *set == CUSTOMERS)
            .map(|(_, record)| (record["ID"].as_str().unwrap(), stamp_of(record)))
            .collect();
        let invoices = records.iter().filter(|(set, _)| *set == INVOICES);
        let older = invoices.filter(|(_, record)| stamp_of(record) < customers[record["CustomerID"].as_str().unwrap()]);
        assert_eq!(older.count() as u64, planned.invoices_before_customers);
    }

    #[test]
    fn totals_add_up_also_after_a_change() {
        let (records, _) = records(&ErpScenario::default(), now());
        let mut random = Random::new(3);
        for (_, mut record) in records {
            let before = record.clone();
            change(&mut record, &mut random);
            assert_ne!(record, before);
            if let Some(lines) = record["Lines"].as_array() {
                let total: f64 = lines.iter().map(|line| line["Amount"].as_f64().unwrap()).sum();
                assert!((total - record["TotalAmount"].as_f64().unwrap()).abs() < 0.001);
            }
        }
    }

    #[test]
    fn the_smallest_scenarios_are_made() {
        let none = ErpScenario { customers: 0, invoices: 0, poison: 0, seed: 0 };
        assert!(records(&none, now()).0.is_empty());
        let (records, planned) = records(&ErpScenario { customers: 1, ..none }, now());
        assert_eq!((records.len(), planned.invoices_before_customers), (1, 0));
    }
}
