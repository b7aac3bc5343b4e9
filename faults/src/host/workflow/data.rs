//! Paths and templates of the Amazon States Language ("Using JSONPath paths", "Intrinsic functions").

use serde_json::{Map, Value};

/// What paths may refer to.
pub(super) struct Scope<'a> {
    /// `$`
    pub(super) data: &'a Value,
    /// `$$.Execution.Input`
    pub(super) input: &'a Value,
    /// `$$.Task.Token`
    pub(super) token: Option<&'a str>,
}

impl Scope<'_> {
    /// The value of a path or of an intrinsic function; `None` if there is none.
    pub(super) fn value(&self, path: &str) -> Option<Value> {
        if let Some(argument) = argument(path, "States.StringToJson") {
            return serde_json::from_str(self.value(argument)?.as_str()?).ok();
        }
        if let Some(argument) = argument(path, "States.JsonToString") {
            return Some(self.value(argument)?.to_string().into());
        }
        if path == "$$.Task.Token" {
            return self.token.map(Into::into);
        }
        if let Some(rest) = path.strip_prefix("$$.Execution.Input") {
            return below(self.input, rest).cloned();
        }
        below(self.data, path.strip_prefix('$')?).cloned()
    }

    /// A template in which fields whose names end in `.$` are paths.
    pub(super) fn filled(&self, template: &Value) -> Option<Value> {
        let Value::Object(fields) = template else { return Some(template.clone()) };
        let fill = |(name, value): (&String, &Value)| match name.strip_suffix(".$") {
            Some(name) => Some((name.to_owned(), self.value(value.as_str()?)?)),
            None => Some((name.clone(), self.filled(value)?)),
        };
        fields.iter().map(fill).collect::<Option<Map<_, _>>>().map(Value::Object)
    }
}

fn argument<'a>(path: &'a str, function: &str) -> Option<&'a str> {
    path.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

fn below<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').skip(1).try_fold(value, |value, name| value.get(name))
}

/// Where the result of a state goes: `ResultPath`. Paths of one name are known.
pub(super) fn placed(data: Value, result: Value, path: Option<&Value>) -> Option<Value> {
    match path {
        None => Some(result),
        Some(Value::Null) => Some(data),
        Some(path) => match (path.as_str()?.strip_prefix("$.")?, data) {
            (name, Value::Object(mut fields)) if !name.contains('.') => {
                fields.insert(name.to_owned(), result);
                Some(Value::Object(fields))
            }
            _ => None,
        },
    }
}
