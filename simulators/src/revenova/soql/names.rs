//! What a query names, and how Salesforce says that it does not exist or does not belong.

use super::{Path, PathParent, SoqlError};
use crate::revenova::schema::{self, FieldType, Object};

/// `MALFORMED_QUERY` with the line and a mark below the place, as Salesforce shows it.
pub fn located(query: &str, at: usize, message: &str) -> SoqlError {
    let before = query.get(..at).unwrap_or(query);
    let row = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    let line: String = query.lines().nth(row - 1).unwrap_or_default().chars().take(200).collect();
    let mark = " ".repeat(column.min(200) - 1);
    SoqlError {
        code: "MALFORMED_QUERY",
        message: format!("\n{line}\n{mark}^\nERROR at Row:{row}:Column:{column}\n{message}"),
    }
}

/// The field that a query names, of the object itself or of its parent.
///
/// # Errors
/// `INVALID_FIELD` if there is no such field or relationship.
pub fn path(object: &'static Object, name: &str) -> Result<Path, SoqlError> {
    let (parent, object, last) = match name.split_once('.') {
        None => (None, object, name),
        Some((relationship, rest)) => {
            let parent = object.parent(relationship).ok_or_else(|| {
                let message = format!("Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.");
                SoqlError::new("INVALID_FIELD", message)
            })?;
            let object = schema::object(parent.object).ok_or_else(|| unknown_object(parent.object, None))?;
            let parent = PathParent { relationship: parent.relationship, field: parent.field, object: object.name };
            (Some(parent), object, rest)
        }
    };
    let field = object.field(last).ok_or_else(|| {
        let message = format!("No such column '{last}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", object.name);
        SoqlError::new("INVALID_FIELD", message)
    })?;
    Ok(Path { parent, name: field.name, kind: field.kind })
}

/// What Salesforce says of an object, or with `outer` of children, that do not exist.
pub fn unknown_object(name: &str, outer: Option<&'static Object>) -> SoqlError {
    let message = match outer {
        None => format!(
            "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
        ),
        Some(outer) => format!(
            "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names. (entity '{}')",
            outer.name
        ),
    };
    SoqlError::new("INVALID_TYPE", message)
}

/// What Salesforce calls a field's type in an error.
pub fn of_kind(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Id | FieldType::Reference => "id",
        FieldType::Text => "string",
        FieldType::Number => "double",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::DateTime => "dateTime",
    }
}
