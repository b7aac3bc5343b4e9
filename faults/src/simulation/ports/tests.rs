//! The ports notice what must not happen: a secret that leaves a function, a rescue where nothing goes wrong.

use super::Ports;
use crate::simulation::applications::Applications;
use crate::simulation::functions::Function;
use crate::simulation::ground::beginning;
use crate::simulation::scenario::{MARK, Scenario};
use crate::simulation::seed::Case;
use crate::simulation::world::{World, queue};
use fluxnex_cloud::control::Control as _;
use fluxnex_cloud::objects::Objects as _;
use fluxnex_cloud::queue::{OutgoingMessage, Queues as _};
use fluxnex_cloud::workflow::Workflows as _;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use serde_json::json;
use std::sync::Arc;

fn world(is_calm: bool) -> Arc<World> {
    let scenario = Scenario { is_calm, ..Scenario::default() };
    let applications = Applications::new(0, 0, 0);
    Arc::new(World::new(0, beginning(), applications, &scenario, &Case::default()).unwrap())
}

/// Does something through the ports of a function, passing every gate; gives the problems that were noticed.
async fn noticed<T>(world: Arc<World>, function: Function, work: impl AsyncFnOnce(Ports) -> T) -> Vec<String> {
    let ports = Ports::new(Arc::clone(&world), 1, function);
    let pass = async {
        loop {
            world.gates.waiting().iter().for_each(|waiting| world.gates.grant(waiting.ticket));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = work(ports) => {}
        () = pass => {}
    }
    world.story().problems.clone()
}

fn message(body: &str) -> Vec<OutgoingMessage> {
    vec![OutgoingMessage::json(&json!({ "text": body })).unwrap()]
}

#[tokio::test]
async fn a_secret_that_leaves_is_noticed_wherever_it_goes() {
    let secret = format!("quotes {MARK}");
    let queued = noticed(world(false), Function::Route, async |ports| {
        ports.send(&queue("normalised"), message(&secret)).await.unwrap();
    });
    assert_eq!(queued.await, ["a secret is in fluxnex-local-normalised"]);
    let put = noticed(world(false), Function::Ingest, async |ports| {
        ports.put("key", secret.clone().into_bytes(), "application/json").await.unwrap();
    });
    assert_eq!(put.await, ["a secret is in the bucket"]);
    let started = noticed(world(false), Function::Normalise, async |ports| {
        ports.start("name", &json!({ "input": secret })).await.unwrap();
    });
    assert_eq!(started.await, ["a secret is in an execution"]);
    let (tenant, connection) = (TenantId::parse("alpha").unwrap(), ConnectionId::parse("revenova").unwrap());
    let object = ObjectName::parse("Account").unwrap();
    let saved = noticed(world(false), Function::Poll, async |ports| {
        ports.save_poll_progress(&tenant, &connection, &object, None, &json!({ "failing": secret })).await.unwrap();
    });
    assert_eq!(saved.await, ["a secret is in the control table"]);
    let clean = noticed(world(false), Function::Route, async |ports| {
        ports.send(&queue("normalised"), message("nothing")).await.unwrap();
        ports.put("key", b"nothing".to_vec(), "application/json").await.unwrap();
    });
    assert_eq!(clean.await, Vec::<String>::new());
}

#[tokio::test]
async fn a_rescue_is_noticed_where_nothing_goes_wrong_and_only_there() {
    let rescue = async |ports: Ports| ports.send(&queue("normalised"), message("again")).await.unwrap();
    let calm = noticed(world(true), Function::Sweep, rescue).await;
    assert!(calm.iter().any(|problem| problem.starts_with("rescued: ")), "{calm:?}");
    assert_eq!(noticed(world(true), Function::Route, rescue).await, Vec::<String>::new());
    assert_eq!(noticed(world(false), Function::Sweep, rescue).await, Vec::<String>::new());
}
