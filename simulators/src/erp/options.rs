//! The query options of a request: what the service does, and a refusal of what it does not.
//!
//! OData URL Conventions 4.0 §2 (splitting and decoding) and §5.1: a service that does not support a system query
//! option must reject it, and none may occur twice.

use super::answer::Refusal;
use super::filter::{self, Condition};
use super::schema::{EdmType, EntitySet, KEY, Property};

/// The system query options that OData has beyond those below.
const UNSUPPORTED: [&str; 8] =
    ["$expand", "$search", "$compute", "$apply", "$levels", "$index", "$schemaversion", "$deltatoken"];
const SUPPORTED: [&str; 8] = ["$filter", "$orderby", "$top", "$skip", "$count", "$select", "$skiptoken", "$format"];
/// More keys to order by are surely a mistake.
const MOST_KEYS: usize = 10;

/// What a request wants of a collection.
#[derive(Debug, Default)]
pub struct Options {
    pub filter: Option<Condition>,
    pub order: Vec<OrderBy>,
    pub top: Option<usize>,
    pub skip: usize,
    pub count: bool,
    /// The properties to show, in the order in which they were named; none for all.
    pub select: Option<Vec<&'static Property>>,
    /// How many of the result earlier pages have shown.
    pub position: usize,
}

#[derive(Debug)]
pub struct OrderBy {
    pub property: &'static Property,
    pub descending: bool,
}

/// One query option as it was sent, its name and value decoded.
pub struct Given {
    pub raw: String,
    pub name: String,
    pub value: String,
}

/// Splits a query and decodes its parts, each exactly once. `+` stays `+`: the specification gives it no
/// meaning, and services differ.
///
/// # Errors
/// 400 if something is not percent-encoded UTF-8.
pub fn split(query: &str) -> Result<Vec<Given>, Refusal> {
    let options = query.split('&').filter(|raw| !raw.is_empty());
    options
        .map(|raw| {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            let decoded = |text: &str| {
                decode(text)
                    .ok_or_else(|| Refusal::bad("The query is not well-formed: it must be percent-encoded UTF-8."))
            };
            Ok(Given { raw: raw.to_owned(), name: decoded(name)?, value: decoded(value)? })
        })
        .collect()
}

/// Undoes percent-encoding.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Checks that every option is one of these, and is there once.
///
/// # Errors
/// 501 for OData's other options, 400 for what is none, comes twice or has no place here.
pub fn check(given: &[Given], allowed: &[&str]) -> Result<(), Refusal> {
    for (place, option) in given.iter().enumerate() {
        let name = option.name.as_str();
        if UNSUPPORTED.contains(&name) {
            return Err(Refusal::unsupported(name));
        }
        if name.starts_with('@') {
            return Err(Refusal::unsupported("parameter aliases"));
        }
        let known = SUPPORTED.contains(&name);
        if name.starts_with('$') && !known {
            return Err(Refusal::bad(format!("There is no system query option {name}.")));
        }
        // OData 4.01 lets the dollar be left out; to a 4.0 service it would be an option of somebody
        // else's, and the answer would be a wrong one without a word.
        let dollar = format!("${name}");
        if SUPPORTED.contains(&dollar.as_str()) || UNSUPPORTED.contains(&dollar.as_str()) {
            return Err(Refusal::bad(format!(
                "Did you mean {dollar}? OData 4.0 has system query options with a dollar only."
            )));
        }
        if known && !allowed.contains(&name) {
            return Err(Refusal::bad(format!("{name} cannot be used with this resource.")));
        }
        if known && given.iter().take(place).any(|before| before.name == name) {
            return Err(Refusal::bad(format!("{name} is there more than once.")));
        }
        if name == "$format" && !matches!(option.value.split(';').next(), Some("json" | "application/json")) {
            return Err(Refusal::bad("The only format is application/json."));
        }
    }
    Ok(())
}

impl Options {
    /// Reads the options of a collection.
    ///
    /// # Errors
    /// 400 or 501, see [`Refusal`].
    pub fn of_collection(given: &[Given], set: &'static EntitySet) -> Result<Self, Refusal> {
        check(given, &SUPPORTED)?;
        let mut options = Options::default();
        for Given { name, value, .. } in given {
            match name.as_str() {
                "$filter" => options.filter = Some(filter::parse(value, set)?),
                "$orderby" => options.order = order(value, set)?,
                "$top" => options.top = Some(number(name, value)?),
                "$skip" => options.skip = number(name, value)?,
                "$skiptoken" => options.position = number(name, value)?,
                "$select" => options.select = select(value, set)?,
                "$count" => {
                    options.count = match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(Refusal::bad("$count is true or false.")),
                    };
                }
                _ => {}
            }
        }
        Ok(options)
    }

    /// Reads the options of a single entity.
    ///
    /// # Errors
    /// 400 or 501, see [`Refusal`].
    pub fn of_entity(given: &[Given], set: &'static EntitySet) -> Result<Self, Refusal> {
        check(given, &["$select", "$format"])?;
        Self::of_collection(given, set)
    }
}

fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| Refusal::bad(format!("{name} is not a number that is 0 or above.")))
}

fn select(value: &str, set: &'static EntitySet) -> Result<Option<Vec<&'static Property>>, Refusal> {
    let mut selected: Vec<&'static Property> = Vec::new();
    let mut all = false;
    for name in value.split(',').map(str::trim) {
        if name.contains('/') {
            return Err(Refusal::unsupported("paths in $select"));
        }
        match set.property(name) {
            _ if name == "*" => all = true,
            None => return Err(Refusal::bad(format!("$select: {} has no property {name}.", set.entity))),
            Some(_) if selected.iter().any(|before| before.name == name) => {}
            Some(property) => selected.push(property),
        }
    }
    Ok((!all).then_some(selected))
}

fn order(value: &str, set: &'static EntitySet) -> Result<Vec<OrderBy>, Refusal> {
    let items: Vec<&str> = value.split(',').collect();
    if items.len() > MOST_KEYS {
        return Err(Refusal::bad(format!("$orderby has more than {MOST_KEYS} keys.")));
    }
    let read = |item: &&str| {
        let mut words = item.split([' ', '\t']).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(Refusal::bad(format!("$orderby: {other} is neither asc nor desc."))),
        };
        if words.next().is_some() {
            return Err(Refusal::bad("$orderby takes properties with asc or desc, separated by commas."));
        }
        if name.contains(['/', '(']) {
            return Err(Refusal::unsupported("paths and functions in $orderby"));
        }
        match set.property(name) {
            Some(property) if property.kind == EdmType::Lines => {
                Err(Refusal::bad("$orderby: a collection has no order."))
            }
            Some(property) => Ok(OrderBy { property, descending }),
            None => Err(Refusal::bad(format!("$orderby: {} has no property {name:?}.", set.entity))),
        }
    };
    let mut order = items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // Pages need an order that is the same in every request.
    if let Some(property) = set.property(KEY) {
        order.push(OrderBy { property, descending: false });
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::super::schema::{INVOICES, set};
    use super::*;

    fn read(query: &str) -> Result<Options, Refusal> {
        Options::of_collection(&split(query)?, set(INVOICES).unwrap())
    }

    #[test]
    fn options_are_read() {
        let options =
            read("$filter=TotalAmount%20gt%205&%24orderby=ModifiedAt%20desc,ID&$top=7&$skip=2&$count=true&$select=ID,Lines&mine=x")
                .unwrap();
        assert!(options.filter.is_some() && options.count);
        let order: Vec<_> = options.order.iter().map(|order| (order.property.name, order.descending)).collect();
        assert_eq!(order, [("ModifiedAt", true), ("ID", false), ("ID", false)]);
        assert_eq!((options.top, options.skip, options.position), (Some(7), 2, 0));
        let selected: Vec<_> = options.select.unwrap().iter().map(|property| property.name).collect();
        assert_eq!(selected, ["ID", "Lines"]);
        assert!(read("$select=*,ID").unwrap().select.is_none());
        assert!(read("").unwrap().filter.is_none());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            "$filter=",
            "$filter=ID+eq+'x'",
            "$filter=%ZZ",
            "$filter=%FF",
            "$filter=%4",
            "$top=-1",
            "$top=x",
            "$top=",
            "$top=99999999999999999999",
            "$skip=1.5",
            "$count=TRUE",
            "$count=1",
            "$select=Nope",
            "$select=",
            "$orderby=Nope",
            "$orderby=ID up",
            "$orderby=ID asc desc",
            "$orderby=ID,",
            "$orderby=Lines",
            "$skiptoken=abc",
            "$top=1&$top=2",
            "$nonsense=1",
            "filter=ID eq 'x'",
            "expand=Lines",
            "$format=xml",
        ] {
            let refusal = read(query).expect_err(query);
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{query}: {refusal:?}");
        }
        let keys = format!("$orderby={}ID", "ID,".repeat(MOST_KEYS));
        assert!(read(&keys).is_err());
        for query in
            ["$expand=Customer", "$search=x", "$apply=x", "@p=1", "$select=Lines/Amount", "$orderby=year(DueDate)"]
        {
            assert_eq!(read(query).expect_err(query).status, StatusCode::NOT_IMPLEMENTED, "{query}");
        }
    }

    #[test]
    fn an_entity_takes_only_what_makes_sense_for_one() {
        let invoices = set(INVOICES).unwrap();
        assert!(Options::of_entity(&split("$select=ID&$format=json").unwrap(), invoices).is_ok());
        for query in ["$filter=ID%20eq%20'x'", "$top=1", "$count=true"] {
            assert!(Options::of_entity(&split(query).unwrap(), invoices).is_err(), "{query}");
        }
    }
}
