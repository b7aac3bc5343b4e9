//! What a generated account, an invoice and its lines look like.

use jiff::ToSpan;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{ACCOUNT, Generator, INVOICE};
use crate::clock::salesforce_instant;
use crate::revenova::records::salesforce_id;

impl Generator {
    pub(super) fn change_account(&mut self, account: &mut Value) {
        let street = format!("{} Harbor Road, Suite {}", 100 + self.random.below(900), 1 + self.random.below(80));
        set(account, "BillingStreet", Value::from(street));
        let phone = self.phone();
        set(account, "Phone", Value::from(phone));
    }

    pub(super) fn change_invoice(&mut self, invoice: &mut Value) {
        let lines = 1 + self.random.below(3);
        let (lines, total) = self.lines(lines);
        set(invoice, "rtms__Invoice_Line_Items__r", lines);
        set(invoice, "rtms__Invoice_Total__c", cents(total));
        let due = date(2026, 12, 1).saturating_add((self.random.below(60) as i64).days());
        set(invoice, "rtms__Due_Date__c", Value::from(due.to_string()));
    }

    pub(super) fn account(&mut self, number: u32) -> Value {
        let id = self.id("001");
        let name = self.random.choose(&NAMES).copied().unwrap_or_default();
        let trade = self.random.choose(&TRADES).copied().unwrap_or_default();
        let (city, state) = self.random.choose(&CITIES).copied().unwrap_or_default();
        // Some fields are empty in real organisations; what is empty must be left out downstream.
        let number_text = format!("C-{:010X}-{number}", self.tag);
        let phone = self.phone();
        let [phone, email, account_number] = [
            Value::from(phone),
            Value::from(format!("billing+{:x}-{number}@{}.example", self.tag, name.to_lowercase())),
            Value::from(number_text.clone()),
        ]
        .map(|value| if self.random.chance(0.1) { Value::Null } else { value });
        let street = format!("{} Commerce Street", 1 + self.random.below(9_999));
        let created = self.created();
        json!({
            "attributes": {"type": ACCOUNT, "url": format!("/services/data/v62.0/sobjects/{ACCOUNT}/{id}")},
            "Id": id,
            "Name": format!("{name} {trade} {number_text}"),
            "AccountNumber": account_number,
            "Phone": phone,
            "Email__c": email,
            "BillingStreet": street,
            "BillingCity": city,
            "BillingStateCode": state,
            "BillingPostalCode": format!("{:05}", 10_000 + self.random.below(89_999)),
            "BillingCountryCode": "US",
            "CurrencyIsoCode": "USD",
            "IsDeleted": false,
            "CreatedDate": created,
            "LastModifiedDate": created,
            "SystemModstamp": created,
        })
    }

    pub(super) fn invoice(&mut self, number: u32, customer: &Value) -> Value {
        let id = self.id("a0X");
        let load = self.id("a0L");
        let lines = 2 + usize::from(self.random.chance(0.3));
        let (lines, total) = self.lines(lines);
        let issued = date(2026, 11, 1).saturating_add((self.random.below(28) as i64).days());
        let created = self.created();
        json!({
            "attributes": {"type": INVOICE, "url": format!("/services/data/v62.0/sobjects/{INVOICE}/{id}")},
            "Id": id,
            "Name": format!("INV-{number:06}"),
            "rtms__Customer__c": customer.get("Id").cloned().unwrap_or(Value::Null),
            "rtms__Invoice_Date__c": issued.to_string(),
            "rtms__Due_Date__c": issued.saturating_add(30.days()).to_string(),
            "rtms__Invoice_Status__c": "Approved",
            "rtms__Load__c": load,
            "rtms__Load_Number__c": format!("LOAD-{number:06}"),
            "CurrencyIsoCode": customer.get("CurrencyIsoCode").cloned().unwrap_or_else(|| Value::from("USD")),
            "rtms__Invoice_Total__c": cents(total),
            "rtms__Invoice_Line_Items__r": lines,
            "IsDeleted": false,
            "CreatedDate": created,
            "LastModifiedDate": created,
            "SystemModstamp": created,
        })
    }

    /// Lines in the form of a child query, and their total in cents.
    fn lines(&mut self, count: usize) -> (Value, u64) {
        let mut total = 0;
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let id = self.id("a0Y");
            let quantity = 1 + self.random.below(4) as u64;
            let price = 1_000 + self.random.below(250_000) as u64;
            total += quantity * price;
            records.push(json!({
                "attributes": {
                    "type": "rtms__CustomerInvoiceLineItem__c",
                    "url": format!("/services/data/v62.0/sobjects/rtms__CustomerInvoiceLineItem__c/{id}")},
                "Id": id,
                "rtms__Description__c": self.random.choose(&CHARGES).copied().unwrap_or_default(),
                "rtms__Quantity__c": quantity as f64,
                "rtms__Unit_Price__c": cents(price),
                "rtms__Amount__c": cents(quantity * price),
            }));
        }
        (json!({"totalSize": count, "done": true, "records": records}), total)
    }

    fn id(&mut self, prefix: &str) -> String {
        self.next_record += 1;
        salesforce_id(prefix, u128::from(self.tag) << 28 | u128::from(self.next_record))
    }

    fn phone(&mut self) -> String {
        format!("+1 {} 555 {:04}", 200 + self.random.below(700), self.random.below(10_000))
    }

    /// Records come into being one after another.
    fn created(&mut self) -> Value {
        let at = self.start.checked_add((self.next_record as i64 * 37).milliseconds());
        Value::from(salesforce_instant(at.unwrap_or(self.start)))
    }
}

pub(super) fn set(record: &mut Value, name: &str, value: Value) {
    if let Some(record) = record.as_object_mut() {
        record.insert(name.to_owned(), value);
    }
}

fn cents(cents: u64) -> Value {
    Value::from(cents as f64 / 100.0)
}

const NAMES: [&str; 12] = [
    "Prairie",
    "Cascade",
    "Bluebird",
    "Ironwood",
    "Summit",
    "Redwood",
    "Harbor",
    "Pioneer",
    "Lakeshore",
    "Sierra",
    "Granite",
    "Meadow",
];
const TRADES: [&str; 8] =
    ["Foods", "Steel", "Paper", "Building Supply", "Motors", "Chemicals", "Brewing", "Furniture & Sons"];
const CITIES: [(&str, &str); 8] = [
    ("Austin", "TX"),
    ("Omaha", "NE"),
    ("Portland", "OR"),
    ("Toledo", "OH"),
    ("Mobile", "AL"),
    ("Reno", "NV"),
    ("Duluth", "MN"),
    ("Macon", "GA"),
];
const CHARGES: [&str; 7] = [
    "Line haul",
    "Fuel surcharge",
    "Detention at the receiver, two hours",
    "Lumper fee",
    "Stop-off charge",
    "Tarping",
    "Layover",
];
