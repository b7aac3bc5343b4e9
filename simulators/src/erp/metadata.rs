//! The service document, and the metadata document in CSDL XML 4.0.
//!
//! OData JSON Format 4.0 §5 (service document); OData CSDL 4.0 §3, §6 to §9, §13 (metadata).

use std::fmt::Write;

use serde_json::{Value, json};

use super::schema::{EdmType, KEY, LINE, NAMESPACE, Property, SETS};

/// The service document: which entity sets there are, relative to the service's root.
pub fn service_document(root: &str) -> Value {
    let sets: Vec<Value> =
        SETS.iter().map(|set| json!({"name": set.name, "kind": "EntitySet", "url": set.name})).collect();
    json!({"@odata.context": format!("{root}/$metadata"), "value": sets})
}

/// The metadata document.
pub fn csdl() -> String {
    let mut types = String::new();
    let _ = write!(types, "<ComplexType Name=\"InvoiceLine\">{}</ComplexType>", properties(LINE));
    for set in &SETS {
        let _ = write!(
            types,
            "<EntityType Name=\"{}\"><Key><PropertyRef Name=\"{KEY}\"/></Key>{}</EntityType>",
            set.entity,
            properties(set.properties)
        );
    }
    let mut sets = String::new();
    for set in &SETS {
        let _ = write!(sets, "<EntitySet Name=\"{}\" EntityType=\"{NAMESPACE}.{}\"/>", set.name, set.entity);
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>\
         <Schema Namespace=\"{NAMESPACE}\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">{types}\
         <EntityContainer Name=\"Container\">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>\n"
    )
}

fn properties(properties: &[Property]) -> String {
    let mut written = String::new();
    for property in properties {
        let facets = match property.kind {
            EdmType::Decimal => " Precision=\"15\" Scale=\"2\"",
            EdmType::DateTimeOffset => " Precision=\"3\"",
            EdmType::Text if property.name == KEY => " MaxLength=\"40\"",
            _ => "",
        };
        let nullable = if property.nullable { "" } else { " Nullable=\"false\"" };
        let (name, kind) = (property.name, property.kind.name());
        let _ = write!(written, "<Property Name=\"{name}\" Type=\"{kind}\"{facets}{nullable}/>");
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_names_every_type() {
        let csdl = csdl();
        for expected in [
            r#"<EntityType Name="Invoice"><Key><PropertyRef Name="ID"/></Key>"#,
            r#"<Property Name="ModifiedAt" Type="Edm.DateTimeOffset" Precision="3" Nullable="false"/>"#,
            r#"<Property Name="Lines" Type="Collection(Erp.InvoiceLine)" Nullable="false"/>"#,
            r#"<Property Name="Email" Type="Edm.String"/>"#,
            r#"<EntitySet Name="Customers" EntityType="Erp.Customer"/>"#,
        ] {
            assert!(csdl.contains(expected), "{expected} is not in {csdl}");
        }
        assert_eq!(service_document("https://erp")["value"][1]["url"], "Invoices");
    }
}
