//! The functions, each in environments of its own: a connection, caches and ports that nobody shares.

use super::database::{Link, Owner};
use super::gates::EnvironmentId;
use super::ports::Ports;
use super::world::{FUNCTION_TIMEOUT, World, queue};
use crate::queues::{self, Batch};
use deliver::Deliver;
use fetch::Fetch;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_connect::Engine;
use fluxnex_connect::client::GuardedClient;
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{ApiGatewayV2httpRequest, Deadline, Failure as _, Invocation, TimeScale, batch};
use fluxnex_store::Tenants;
use ingest::Ingest;
use normalise::Normalise;
use notify::Notify;
use poll::{Poll, PollQueues};
use replicate::Replicate;
use route::Route;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use sweep::Sweep;

/// A function of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// L2.
    Replicate,
    /// L3.
    Normalise,
    /// L4.
    Route,
    /// L5.
    Deliver,
    /// Notifications.
    Notify,
    /// Whatever is stranded.
    Sweep,
    /// Missing parents.
    Fetch,
    /// L1, webhooks.
    Ingest,
    /// L1, polls.
    Poll,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ingest,
        Self::Poll,
        Self::Replicate,
        Self::Normalise,
        Self::Fetch,
        Self::Route,
        Self::Deliver,
        Self::Notify,
        Self::Sweep,
    ];

    /// Which function reads a queue.
    #[must_use]
    pub fn of_queue(name: &str) -> Self {
        match name {
            "fetch-request" => Self::Poll,
            "inbound-gateway" => Self::Replicate,
            "source-replica" => Self::Normalise,
            "normalised" => Self::Route,
            "delayed-wakes" => Self::Deliver,
            "notification-delivery" => Self::Notify,
            name if name.starts_with("outbound-") && !name.contains("-dlq") => Self::Deliver,
            _ => Self::Sweep,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replicate => "replicate",
            Self::Normalise => "normalise",
            Self::Route => "route",
            Self::Deliver => "deliver",
            Self::Notify => "notify",
            Self::Sweep => "sweep",
            Self::Fetch => "fetch",
            Self::Ingest => "ingest",
            Self::Poll => "poll",
        }
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// With this answer.
    Response(Vec<u8>),
    /// With an error of that name.
    Error(String),
}

enum Stage {
    Replicate(Replicate),
    Normalise(Normalise),
    Route(Route),
    Deliver(Deliver),
    Notify(Notify),
    Sweep(Sweep),
    Fetch(Fetch),
    Ingest(Ingest),
    Poll(Poll),
}

/// One execution environment.
pub struct Environment {
    /// Names it.
    pub id: EnvironmentId,
    /// Whose it is.
    pub function: Function,
    /// Its connection.
    pub link: Link,
    /// Everything else that is outside.
    pub ports: Arc<Ports>,
    stage: Arc<Stage>,
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.function.name(), self.id)
    }
}

/// What an invocation is given.
pub enum Event {
    /// Messages of a queue.
    Batch(String, Batch),
    /// The minute.
    Minute,
    /// A step of the state machine.
    Task(Value),
    /// A webhook.
    Webhook(Box<ApiGatewayV2httpRequest>),
}

impl Environment {
    /// A cold environment.
    #[must_use]
    pub fn new(world: &Arc<World>, id: EnvironmentId, function: Function, link: Link) -> Self {
        link.lend(Owner { gates: Arc::clone(&world.gates), environment: id, function, planted: world.planted });
        let ports = Arc::new(Ports::new(Arc::clone(world), id, function));
        let stage = Arc::new(stage(world, id, function, &link, &ports));
        Self { id, function, link, ports, stage }
    }

    /// One invocation; nothing happens before it is polled.
    #[must_use]
    pub fn invoke(&self, event: Event) -> Pin<Box<dyn Future<Output = Answer>>> {
        let stage = Arc::clone(&self.stage);
        let invocation = Invocation::new("simulated", Deadline::standing(FUNCTION_TIMEOUT));
        Box::pin(async move { stage.handle(event, invocation).await })
    }
}

fn stage(world: &Arc<World>, id: EnvironmentId, function: Function, link: &Link, ports: &Arc<Ports>) -> Stage {
    let ports = Arc::clone(ports);
    let clock = world.clocks.of(id);
    let tenants = Tenants::new(link.database.clone());
    let busy = BusyMarker::new(ports.clone(), clock.clone());
    let secrets = Arc::new(CachedSecrets::new(ports.clone(), clock.clone()));
    let engine = {
        let (clock, pauses) = (clock.clone(), ports.clone());
        let secrets = Arc::new(ConnectionSecrets::new(secrets.clone(), ports.clone(), clock.clone()));
        Engine::new(GuardedClient::carried_by(ports.clone()), secrets)
            .with_clock(move || fluxnex_cloud::clock::Clock::now(clock.as_ref()))
            .with_pause(move |span| {
                let ports = Arc::clone(&pauses);
                Box::pin(async move { ports.pause(span).await })
            })
    };
    let time_scale = TimeScale::REAL;
    let notification_delivery = queue("notification-delivery");
    let inbound = Inbound { objects: ports.clone(), queues: ports.clone(), inbound_gateway: queue("inbound-gateway") };
    match function {
        Function::Ingest => {
            Stage::Ingest(Ingest::new(ports.clone(), secrets, ports.clone(), ports, clock, queue("inbound-gateway")))
        }
        Function::Poll => {
            let queues = PollQueues { fetch_request: queue("fetch-request"), notification_delivery };
            Stage::Poll(Poll::new(ports, engine, inbound, clock, time_scale, queues))
        }
        Function::Replicate => Stage::Replicate(Replicate {
            tenants,
            objects: ports.clone(),
            queues: ports,
            busy,
            clock,
            source_replica: queue("source-replica"),
            notification_delivery,
        }),
        Function::Normalise => Stage::Normalise(Normalise {
            tenants,
            queues: ports.clone(),
            blocking_fetch: ports,
            busy,
            clock,
            time_scale,
            source_replica: queue("source-replica"),
            normalised: queue("normalised"),
            notification_delivery,
        }),
        Function::Route => Stage::Route(Route {
            tenants,
            queues: ports,
            busy,
            clock,
            time_scale,
            outbound: World::outbound(),
            notification_delivery,
        }),
        Function::Deliver => Stage::Deliver(Deliver {
            tenants,
            engine,
            queues: ports,
            busy,
            clock,
            time_scale,
            outbound: World::outbound(),
            delayed_wakes: queue("delayed-wakes"),
            notification_delivery,
        }),
        Function::Notify => Stage::Notify(Notify { tenants, engine, clock }),
        Function::Sweep => Stage::Sweep(Sweep {
            tenants,
            control: ports.clone(),
            queues: ports.clone(),
            blocking_fetch: ports,
            clock,
            time_scale,
            fetch_request: queue("fetch-request"),
            inbound_gateway: queue("inbound-gateway"),
            source_replica: queue("source-replica"),
            normalised: queue("normalised"),
            outbound: World::outbound(),
            delayed_wakes: queue("delayed-wakes"),
            sweep_tenant: queue("sweep-tenant"),
            notification_delivery,
        }),
        Function::Fetch => Stage::Fetch(Fetch {
            tenants,
            engine,
            inbound,
            queues: ports.clone(),
            busy,
            blocking_fetch: ports,
            clock,
            time_scale,
            notification_delivery,
        }),
    }
}

fn answer<T: Serialize>(response: &T) -> Answer {
    serde_json::to_vec(response).map_or_else(|error| Answer::Error(error.to_string()), Answer::Response)
}

impl Stage {
    async fn handle(&self, event: Event, invocation: Invocation) -> Answer {
        let (queue, batch) = match event {
            Event::Batch(queue, batch) => (queue, batch),
            Event::Minute => return self.minute(invocation).await,
            Event::Task(task) => return self.task(task, &invocation).await,
            Event::Webhook(request) => return self.webhook(*request).await,
        };
        let event = queues::event(&queue, &batch.deliveries);
        if let Self::Sweep(stage) = self {
            let Ok(event) = serde_json::value::to_raw_value(&event) else { return Answer::Error("event".to_owned()) };
            return match stage.handle(event, invocation).await {
                Ok(response) => answer(&response),
                Err(error) => Answer::Error(error.to_string()),
            };
        }
        let event = match serde_json::from_value(event) {
            Ok(event) => event,
            Err(error) => return Answer::Error(error.to_string()),
        };
        let deadline = invocation.deadline();
        let response = match self {
            Self::Replicate(stage) => {
                batch::run_batch(event, &invocation, batch::json, async |works: &[_]| stage.handle(works).await).await
            }
            Self::Normalise(stage) => {
                batch::run_batch(event, &invocation, batch::json, async |works: &[_]| stage.handle(works).await).await
            }
            Self::Route(stage) => {
                batch::run_batch(event, &invocation, batch::json, async |works: &[_]| stage.handle(works).await).await
            }
            Self::Deliver(stage) => {
                let handle = async |works: &[_]| stage.handle(works, deadline).await;
                batch::run_batch(event, &invocation, batch::json, handle).await
            }
            Self::Notify(stage) => {
                let handle = async |works: &[_]| stage.handle(works, deadline).await;
                batch::run_batch(event, &invocation, batch::json, handle).await
            }
            Self::Poll(stage) => {
                let handle = async |works: &[_]| stage.handle(works, deadline).await;
                batch::run_batch(event, &invocation, batch::json, handle).await
            }
            Self::Sweep(_) | Self::Fetch(_) | Self::Ingest(_) => return Answer::Error("not for a queue".to_owned()),
        };
        match response {
            Ok(response) => answer(&response),
            Err(error) => Answer::Error(error.to_string()),
        }
    }

    async fn minute(&self, invocation: Invocation) -> Answer {
        let Self::Sweep(stage) = self else { return Answer::Error("not for a schedule".to_owned()) };
        let Ok(event) = RawValue::from_string(r#"{"source":"aws.events"}"#.to_owned()) else {
            return Answer::Error("event".to_owned());
        };
        match stage.handle(event, invocation).await {
            Ok(response) => answer(&response),
            Err(error) => Answer::Error(error.to_string()),
        }
    }

    async fn webhook(&self, request: ApiGatewayV2httpRequest) -> Answer {
        let Self::Ingest(stage) = self else { return Answer::Error("not for webhooks".to_owned()) };
        answer(&stage.handle(request).await)
    }

    async fn task(&self, task: Value, invocation: &Invocation) -> Answer {
        let Self::Fetch(stage) = self else { return Answer::Error("not for a task".to_owned()) };
        let task = match serde_json::from_value(task) {
            Ok(task) => task,
            Err(error) => return Answer::Error(error.to_string()),
        };
        match stage.handle(task, invocation).await {
            Ok(response) => answer(&response),
            Err(error) => Answer::Error(error.kind().to_owned()),
        }
    }
}
