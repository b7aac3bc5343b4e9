//! `fluxnex connection test`: one real read; or, when that is asked for, one message to try a connection that only sends.

use super::{Tenant, name};
use crate::Ended;
use crate::api::Refused;
use crate::terminal::Terminal;
use anyhow::Result;
use fluxnex_core::ids::ConnectionId;
use reqwest::Method;
use serde_json::{Value, json};

/// What is tested.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
    /// The object to read; otherwise one that the tenant's flows or polls use
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// The id of the record to read; otherwise the first that the application lists
    #[arg(long, value_name = "ID", requires = "object")]
    id: Option<String>,
    /// Send what the connector has to try a connection that only sends, such as a signed `fluxnex.test`
    #[arg(long, conflicts_with_all = ["object", "id"])]
    send: bool,
}

pub async fn run(tenant: &Tenant, arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    let body = match arguments.send {
        true => json!({ "send": true }),
        false => json!({ "object": arguments.object, "id": arguments.id }),
    };
    let answer = ask(tenant, &id, &body, terminal).await?;
    tell(&id, &answer, terminal);
    terminal.answer(&answer)?;
    let ok = answer.get("ok") == Some(&Value::Bool(true));
    Ok(if ok { Ended::Done } else { Ended::Negative })
}

/// Tests a connection of which something can be read; nothing if that is none.
pub async fn try_once(tenant: &Tenant, id: &ConnectionId, terminal: &Terminal) -> Result<Option<Value>> {
    match ask(tenant, id, &json!({}), terminal).await {
        Ok(answer) => {
            tell(id, &answer, terminal);
            Ok(Some(answer))
        }
        Err(error)
            if error.downcast_ref::<Refused>().is_some_and(|refused| refused.kind == "/problems/nothing-to-read") =>
        {
            terminal.say(format!("It is not tested: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn ask(tenant: &Tenant, id: &ConnectionId, body: &Value, terminal: &Terminal) -> Result<Value> {
    let path = tenant.path(id, "test");
    let asked = tenant.api.call(Method::POST, &path, Some(body));
    let doing = if body.get("send").is_some() { "sending a test to" } else { "reading one record of" };
    Ok(terminal.wait(&format!("{doing} {id}"), asked).await?.body)
}

fn tell(id: &ConnectionId, answer: &Value, terminal: &Terminal) {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let duration = answer.get("duration_ms").and_then(Value::as_i64).unwrap_or_default();
    if answer.get("ok") == Some(&Value::Bool(true)) && text("/operation") == "send" {
        terminal.say(format!("{id} works: {} was taken in {duration} ms.", text("/object")));
    } else if answer.get("ok") == Some(&Value::Bool(true)) {
        let first = answer.pointer("/ids/0").and_then(Value::as_str);
        let found = first.map_or("there is no record yet".to_owned(), |first| format!("for example {first}"));
        terminal.say(format!("{id} works: {} was read in {duration} ms, {found}.", text("/object")));
    } else {
        let (reason, advice) = (text("/failure/reason"), text("/failure/advice"));
        terminal.say(format!("{id} does not work: {}: {reason}\n{advice}", text("/object")));
    }
}
