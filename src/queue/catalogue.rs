//! Every kind of job the binary knows, in one list. Workers, commands and tests iterate it.

use crate::engine::Claimed;
use crate::{
    ArgSealer, Enqueue, Envelope, ErrorRecord, FailureClass, Job, JobContext, JobError, Outcome,
    Policy, Refusal,
};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

type Run<A> = fn(Claimed, Arc<A>, JobContext) -> BoxFuture<'static, Result<Outcome, JobError>>;
type Accept = fn(serde_json::Value) -> Result<Enqueue, serde_json::Error>;

pub struct Entry<A> {
    pub name: &'static str,
    pub version: i16,
    pub policy: Policy,
    secrets: &'static [&'static str],
    run: Run<A>,
    accept: Accept,
}

/// What is known here of a partner that must not be called.
type Refused<A> = fn(&A, &str) -> Option<Refusal>;

/// What opens secret arguments.
type SealerOf<A> = fn(&A) -> Option<&dyn ArgSealer>;

pub struct Catalogue<A> {
    entries: BTreeMap<&'static str, Entry<A>>,
    refused: Refused<A>,
    sealer: SealerOf<A>,
}

impl<A: Send + Sync + 'static> Default for Catalogue<A> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            refused: |_, _| None,
            sealer: |_| None,
        }
    }
}

impl<A: Send + Sync + 'static> Catalogue<A> {
    #[must_use]
    pub fn with<J: Job<App = A>>(mut self) -> Self {
        self.entries.insert(
            J::NAME,
            Entry {
                name: J::NAME,
                version: J::VERSION,
                policy: J::POLICY,
                secrets: J::SECRETS,
                run: run::<J>,
                accept: |value| {
                    let job: J = serde_json::from_value(value)?;
                    Enqueue::of(&job)
                },
            },
        );
        self
    }

    /// Whom to ask before a job that calls a partner runs.
    #[must_use]
    pub fn guarded(mut self, refused: Refused<A>) -> Self {
        self.refused = refused;
        self
    }

    /// What opens secret arguments.
    #[must_use]
    pub fn opened_by(mut self, sealer: SealerOf<A>) -> Self {
        self.sealer = sealer;
        self
    }

    pub(crate) fn refused(&self, app: &A, partner: &str) -> Option<Refusal> {
        (self.refused)(app, partner)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<A>> {
        self.entries.values()
    }

    /// `None` for a kind this binary does not know, or a version newer than it knows.
    pub fn find(&self, envelope: &Envelope) -> Option<&Entry<A>> {
        self.entries
            .get(envelope.kind.as_str())
            .filter(|entry| envelope.version <= entry.version)
    }

    /// Arguments from outside, checked by decoding them: `None` for an unknown kind.
    pub fn accept(
        &self,
        kind: &str,
        args: serde_json::Value,
    ) -> Option<Result<Enqueue, serde_json::Error>> {
        Some((self.entries.get(kind)?.accept)(args))
    }

    /// For a job that is put back: how many attempts its kind gets, and the key its arguments take. Sealed
    /// arguments cannot be read here, and take none.
    pub fn revival(&self, kind: &str, args: &serde_json::Value) -> (u16, Option<String>) {
        let attempts = self.policy(kind).map_or(1, |policy| policy.max_attempts);
        let order = self.accept(kind, args.clone()).and_then(Result::ok);
        let key = order.and_then(|order| crate::postgres::stored_key(&order));
        (attempts, key)
    }

    pub fn policy(&self, kind: &str) -> Option<Policy> {
        self.entries.get(kind).map(|entry| entry.policy)
    }

    /// Every policy that contradicts itself, all at once.
    pub fn problems(&self) -> Vec<String> {
        self.iter()
            .flat_map(|entry| {
                entry
                    .policy
                    .problems()
                    .into_iter()
                    .map(move |problem| format!("job {}: {problem}", entry.name))
            })
            .collect()
    }
}

impl<A: Send + Sync + 'static> Catalogue<A> {
    pub(crate) fn start(
        &self,
        entry: &Entry<A>,
        mut claimed: Claimed,
        app: Arc<A>,
        cx: JobContext,
    ) -> BoxFuture<'static, Result<Outcome, JobError>> {
        if !entry.secrets.is_empty() {
            let sealer = (self.sealer)(&app);
            match crate::secrets::opened(sealer, entry.name, entry.secrets, &claimed.envelope.args)
            {
                Ok(args) => claimed.envelope.args = args,
                Err(why) => {
                    let message = format!("secret arguments of {}: {why}", entry.name);
                    let error = ErrorRecord::new(FailureClass::Undecodable, message);
                    return Box::pin(std::future::ready(Err(JobError::Reject(error))));
                }
            }
        }
        (entry.run)(claimed, app, cx)
    }
}

fn run<J: Job>(
    claimed: Claimed,
    app: Arc<J::App>,
    cx: JobContext,
) -> BoxFuture<'static, Result<Outcome, JobError>> {
    Box::pin(async move {
        let job: J = serde_json::from_str(&claimed.envelope.args).map_err(|error| {
            JobError::Reject(ErrorRecord::new(
                FailureClass::Undecodable,
                format!("arguments of {}: {error}", J::NAME),
            ))
        })?;
        job.run(&app, &cx).await
    })
}
