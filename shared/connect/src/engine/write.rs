//! Writing one record: making, changing, or deleting it.

use super::answer::{Refusal, body_or_null};
use super::call::{Answered, Call, Exchange, Trouble};
use super::prepare::{Subject, fit_key};
use super::read::Read;
use crate::connection::{DeleteRequest, DeliveryRequest, TargetRecord};
use crate::outcome::SendOutcome;
use fluxnex_core::connector::{
    CompiledOperation, CompiledTargetObject, Meaning, Once, OperationKind, Template, Variable,
};
use fluxnex_core::ids::ObjectName;

/// What is written, and how.
struct Writing<'a> {
    object: &'a ObjectName,
    operation: &'a CompiledOperation,
    /// What tells the record's version at the target, where the operation has to name it.
    read: Option<&'a CompiledOperation>,
    once: &'a Once,
    idempotency_key: &'a str,
    external_id: Option<&'a str>,
    payload: &'a str,
}

enum Write {
    Settled(SendOutcome),
    Conflict(Refusal),
}

impl Write {
    fn into_outcome(self) -> SendOutcome {
        match self {
            Self::Settled(outcome) => outcome,
            Self::Conflict(refusal) => refusal.into_send_outcome(),
        }
    }
}

impl Call<'_> {
    pub(super) async fn deliver(&mut self, request: &DeliveryRequest<'_>) -> Result<SendOutcome, Trouble> {
        let manifest = self.connection.manifest.clone();
        let (Some(object), Some(target)) = (manifest.target_object(request.object), &manifest.manifest().target) else {
            return Err(Trouble::NoOperation);
        };
        let operation = object.write(request.target.is_some()).ok_or(Trouble::NoOperation)?;
        let writing = Writing {
            object: request.object,
            operation,
            read: versioned_read(object).filter(|_| operation.kind == OperationKind::Update),
            once: &target.once,
            idempotency_key: request.idempotency_key,
            external_id: request.external_id,
            payload: request.payload.get(),
        };
        self.settle(&writing, request.target.clone()).await
    }

    pub(super) async fn remove(&mut self, request: &DeleteRequest<'_>) -> Result<SendOutcome, Trouble> {
        let manifest = self.connection.manifest.clone();
        let (Some(object), Some(target)) = (manifest.target_object(request.object), &manifest.manifest().target) else {
            return Err(Trouble::NoOperation);
        };
        let operation = object.delete.as_ref().ok_or(Trouble::NoOperation)?;
        let writing = Writing {
            object: request.object,
            operation,
            read: versioned_read(object).filter(|_| names_the_version(operation)),
            once: &target.once,
            idempotency_key: request.idempotency_key,
            external_id: request.external_id,
            payload: "null",
        };
        let outcome = self.settle(&writing, request.target.clone()).await?;
        Ok(outcome)
    }

    /// Writes, with the version that the target has if it must be named; after a conflict once more.
    async fn settle(&mut self, writing: &Writing<'_>, mut known: Option<TargetRecord>) -> Result<SendOutcome, Trouble> {
        if let (Some(record), Some(read)) = (&mut known, writing.read)
            && record.version.is_none()
        {
            match self.read(Some(read), writing.object, record).await? {
                Read::Found { version, .. } => record.version = version,
                Read::Refused(refusal) => return Ok(unread(writing, refusal)),
            }
        }
        let key = fit_key(writing.idempotency_key.to_owned(), writing.once);
        let outcome = self.write(writing, known.as_ref(), &key).await?;
        let (Write::Conflict(_), Some(record), Some(read)) = (&outcome, &known, writing.read) else {
            return Ok(outcome.into_outcome());
        };
        let current = match self.read(Some(read), writing.object, record).await? {
            Read::Found { record: None, .. } => return Ok(outcome.into_outcome()),
            Read::Found { version, .. } => TargetRecord { id: record.id.clone(), version },
            Read::Refused(refusal) => return Ok(unread(writing, refusal)),
        };
        // A key of its own, because the application may have remembered its refusal; and always the
        // same one, because this request may be repeated, too, when its answer is lost.
        let key = fit_key(format!("{}-2", writing.idempotency_key), writing.once);
        Ok(self.write(writing, Some(&current), &key).await?.into_outcome())
    }

    async fn write(
        &mut self,
        writing: &Writing<'_>,
        target: Option<&TargetRecord>,
        key: &str,
    ) -> Result<Write, Trouble> {
        let Writing { object, operation, external_id, payload, .. } = *writing;
        let subject = Subject { key: Some(key), target, external_id, payload, ..Subject::of(object) };
        let known = || target.map(|target| target.id.clone());
        let Answered { answer, variables, .. } = match self.exchange(operation, &subject).await? {
            Exchange::Answered(answered) => *answered,
            Exchange::Refused(refusal) if refusal.meaning == Meaning::Conflict => return Ok(Write::Conflict(refusal)),
            Exchange::Refused(refusal) if is_gone_already(operation, &refusal) => {
                let (target_id, target_version) = (known(), None);
                return Ok(Write::Settled(SendOutcome::Delivered { target_id, target_version }));
            }
            Exchange::Refused(refusal) => {
                return Ok(Write::Settled(with_known_id(refusal.into_send_outcome(), known())));
            }
        };
        let body = body_or_null(&answer);
        let answered_id = body.as_ref().and_then(|body| operation.answered_id(body, &variables));
        let target_version = body.as_ref().and_then(|body| operation.answered_version(body, &variables));
        let target_id = answered_id.or_else(known);
        if operation.operation.id.is_some() && target_id.is_none() {
            // It took effect, but under which id? The same request with the same key may tell.
            return Err(Trouble::Unreadable { status: answer.status });
        }
        Ok(Write::Settled(SendOutcome::Delivered { target_id, target_version }))
    }
}

/// What a record that cannot be read before it is written comes to.
fn unread(writing: &Writing<'_>, refusal: Refusal) -> SendOutcome {
    if is_gone_already(writing.operation, &refusal) {
        return SendOutcome::Delivered { target_id: None, target_version: None };
    }
    SendOutcome::Failed(refusal.into_read_failure())
}

/// Whether a record that is to be deleted is not there.
fn is_gone_already(operation: &CompiledOperation, refusal: &Refusal) -> bool {
    operation.kind == OperationKind::Delete && refusal.meaning == Meaning::Gone
}

/// The operation that tells the current version, if the connector has one.
fn versioned_read(object: &CompiledTargetObject) -> Option<&CompiledOperation> {
    object.read.as_ref().filter(|read| read.operation.version.is_some())
}

fn names_the_version(operation: &CompiledOperation) -> bool {
    let said = &operation.operation;
    let mut templates = std::iter::once(&said.path).chain(said.query.values()).chain(said.headers.values());
    templates.any(|template: &Template| template.places().any(|place| *place == Variable::Version))
        || said.body.as_ref().is_some_and(|body| body.contains("$target"))
}

pub(super) fn with_known_id(outcome: SendOutcome, known: Option<String>) -> SendOutcome {
    match outcome {
        SendOutcome::Delivered { target_id: None, target_version } => {
            SendOutcome::Delivered { target_id: known, target_version }
        }
        outcome => outcome,
    }
}
