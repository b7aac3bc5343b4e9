//! Gates: where invocations stop, and the scheduler says who goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Names one simulated execution environment of a seed.
pub type EnvironmentId = u64;

/// What an invocation is about to do, or has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Messages are sent to a queue.
    QueueSend,
    /// A payload is stored.
    ObjectPut,
    /// The control table is written.
    ControlWrite,
    /// A secret is replaced.
    SecretWrite,
    /// A lease is taken or released.
    Lease,
    /// A workflow is started.
    WorkflowStart,
    /// A token is answered.
    WorkflowAnswer,
    /// A request goes to an application.
    Request,
    /// A transaction is committed, or a statement of its own.
    Commit,
    /// A statement of a transaction.
    Statement,
    /// Something is only read.
    Read,
}

impl Kind {
    /// The kinds that change something outside the invocation.
    pub const EFFECTS: [Self; 9] = [
        Self::QueueSend,
        Self::ObjectPut,
        Self::ControlWrite,
        Self::SecretWrite,
        Self::Lease,
        Self::WorkflowStart,
        Self::WorkflowAnswer,
        Self::Request,
        Self::Commit,
    ];

    /// Whether it changes something outside the invocation.
    #[must_use]
    pub fn is_effect(self) -> bool {
        Self::EFFECTS.contains(&self)
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueSend => "queue_send",
            Self::ObjectPut => "object_put",
            Self::ControlWrite => "control_write",
            Self::SecretWrite => "secret_write",
            Self::Lease => "lease",
            Self::WorkflowStart => "workflow_start",
            Self::WorkflowAnswer => "workflow_answer",
            Self::Request => "request",
            Self::Commit => "commit",
            Self::Statement => "statement",
            Self::Read => "read",
        }
    }
}

/// On which side of an effect a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// It has not happened.
    Before,
    /// It has happened, and the invocation does not know yet.
    After,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What is done.
    pub kind: Kind,
    /// Before or after it.
    pub moment: Moment,
    /// In words, for the story.
    pub what: String,
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.moment == Moment::Before { "before" } else { "after" };
        write!(formatter, "{side} {} {}", self.kind.name(), self.what)
    }
}

#[derive(Debug)]
struct Ticket {
    environment: EnvironmentId,
    point: Point,
    granted: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct State {
    tickets: BTreeMap<u64, Ticket>,
    next: u64,
    /// Steps at PostgreSQL that are not answered yet.
    under_way: BTreeMap<EnvironmentId, usize>,
}

/// The gates of one seed.
#[derive(Debug, Default)]
pub struct Gates(Mutex<State>);

/// A ticket that waits to be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number; rises in the order of arrival.
    pub ticket: u64,
    /// Who waits.
    pub environment: EnvironmentId,
    /// Where.
    pub point: Point,
}

impl Gates {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops here until the scheduler grants it.
    pub fn pass(self: &Arc<Self>, environment: EnvironmentId, kind: Kind, moment: Moment, what: String) -> Pass {
        Pass { gates: Arc::clone(self), environment, point: Some(Point { kind, moment, what }), ticket: None }
    }

    /// Who waits, in the order of arrival.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let state = self.state();
        let waiting = state.tickets.iter().filter(|(_, ticket)| !ticket.granted);
        waiting
            .map(|(number, ticket)| Waiting {
                ticket: *number,
                environment: ticket.environment,
                point: ticket.point.clone(),
            })
            .collect()
    }

    /// Lets one go on.
    pub fn grant(&self, ticket: u64) {
        let waker = self.state().tickets.get_mut(&ticket).and_then(|ticket| {
            ticket.granted = true;
            ticket.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A step at PostgreSQL begins.
    pub fn begins(&self, environment: EnvironmentId) {
        *self.state().under_way.entry(environment).or_default() += 1;
    }

    /// A step at PostgreSQL was answered.
    pub fn ends(&self, environment: EnvironmentId) {
        if let Some(under_way) = self.state().under_way.get_mut(&environment) {
            *under_way = under_way.saturating_sub(1);
        }
    }

    /// Whether PostgreSQL owes the environment an answer.
    #[must_use]
    pub fn is_under_way(&self, environment: EnvironmentId) -> bool {
        self.state().under_way.get(&environment).is_some_and(|under_way| *under_way > 0)
    }

    /// The environment is gone.
    pub fn forget(&self, environment: EnvironmentId) {
        self.state().under_way.remove(&environment);
    }
}

/// The future of [`Gates::pass`]; dropped, it gives its ticket back.
#[derive(Debug)]
pub struct Pass {
    gates: Arc<Gates>,
    environment: EnvironmentId,
    point: Option<Point>,
    ticket: Option<u64>,
}

impl Future for Pass {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let gates = Arc::clone(&self.gates);
        let mut state = gates.state();
        match self.ticket {
            None => {
                let number = state.next;
                state.next += 1;
                if let Some(point) = self.point.take() {
                    let (environment, waker) = (self.environment, Some(context.waker().clone()));
                    state.tickets.insert(number, Ticket { environment, point, granted: false, waker });
                }
                self.ticket = Some(number);
                Poll::Pending
            }
            Some(number) => match state.tickets.get_mut(&number) {
                Some(ticket) if !ticket.granted => {
                    ticket.waker = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => {
                    state.tickets.remove(&number);
                    Poll::Ready(())
                }
            },
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(number) = self.ticket {
            self.gates.state().tickets.remove(&number);
        }
    }
}
