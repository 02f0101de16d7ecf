//! What asking a provider about many subjects came to: who was answered, who is asked again and when, and why it stopped.

use crate::enrichment::{SOON, TURN};
use futures::StreamExt;
use partners::{ErrorKind, PartnerError};
use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stores::{Due, Provider};

/// After a failure, doubled with each.
const FIRST_WAIT: i64 = 30;
const LONGEST_WAIT: i64 = 6 * 3600;
/// A provider that fails so often in one batch is left alone.
const FAILURES: usize = 5;
/// Refusals of one batch that answers nothing: it is us that it will not have, not one vehicle.
const DENIALS: usize = 3;
/// Who leaves a subject out of its answers so often knows nothing of it.
const LEFT_OUT: i32 = 2;

/// What one batch came to, by subject.
pub(crate) struct Batch<T> {
    pub(crate) answers: Vec<T>,
    /// Answered, also with nothing.
    pub(crate) asked: Vec<String>,
    /// Of those, whom every answer left out: nothing is known of them, and that is kept as an answer.
    pub(crate) nothing: Vec<String>,
    /// With the seconds until the next try, and why there must be one.
    pub(crate) failed: Vec<(String, i64, String)>,
    /// Why no more was asked.
    pub(crate) stopped: Option<PartnerError>,
    /// Failures that are the provider's.
    failures: usize,
    denied: Vec<(Due, PartnerError)>,
}

/// A try is worth as long a wait as there were before it, or as the provider asks for.
fn wait(due: &Due, error: &PartnerError) -> i64 {
    let doubled = FIRST_WAIT << due.tries.clamp(0, 10);
    let asked = error.retry_after.map_or(0, |wait| wait.as_secs());
    doubled
        .max(i64::try_from(asked).unwrap_or(LONGEST_WAIT))
        .min(LONGEST_WAIT)
}

/// Asks about each subject by itself, as many at once as the provider takes, and begins none after the turn. `None` is an
/// answer too: nothing is known. As many that could not be read as failures stop a provider, and none that could, are enough.
pub(crate) async fn each<T, F, Fut>(
    provider: &Provider,
    due: Vec<Due>,
    unread: impl Fn(&T) -> bool,
    ask: F,
) -> Batch<T>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<Option<T>, PartnerError>>,
{
    let begun = Instant::now();
    let at_once = usize::try_from(provider.at_once).unwrap_or(1).max(1);
    // What is under way when it is time to stop is waited for: its answer is kept, and its end told to the gate.
    let stopping = AtomicBool::new(false);
    let (stopping, ask) = (&stopping, &ask);
    let mut answers = futures::stream::iter(due)
        .map(|due| async move {
            if stopping.load(Ordering::Relaxed) || begun.elapsed() > TURN {
                return (due, None);
            }
            let answer = ask(due.subject.clone()).await;
            (due, Some(answer))
        })
        .buffer_unordered(at_once);
    let mut batch = Batch::new();
    while let Some((due, answer)) = answers.next().await {
        if let Some(answer) = answer {
            batch.take(due, answer);
        }
        let stop = batch.stopped.is_some() || batch.refused() || batch.all_unread(&unread);
        stopping.store(stop, Ordering::Relaxed);
    }
    batch.settle_denied();
    batch
}

/// Its breaker is open, or it has had enough: no subject is to blame.
fn nobody_was_asked(error: &PartnerError) -> bool {
    matches!(error.kind, ErrorKind::Shut | ErrorKind::Throttled)
}

/// Those to ask in one call: what failed together is asked in halves, quarters and so on, until what is to blame is alone.
/// The rest stays due.
pub(crate) fn narrowed(mut due: Vec<Due>, most: usize) -> Vec<Due> {
    let tries = due.first().map_or(0, |due| due.tries);
    let fresh = due.iter().take_while(|due| due.tries == tries).count();
    let halved = most >> tries.clamp(0, 16);
    due.truncate(fresh.min(halved.max(1)));
    due
}

impl<T> Batch<T> {
    fn new() -> Self {
        Self {
            answers: Vec::new(),
            asked: Vec::new(),
            nothing: Vec::new(),
            failed: Vec::new(),
            stopped: None,
            failures: 0,
            denied: Vec::new(),
        }
    }

    fn take(&mut self, due: Due, answer: Result<Option<T>, PartnerError>) {
        match answer {
            Ok(answer) => {
                self.asked.push(due.subject);
                self.answers.extend(answer);
            }
            // This one is no worse than the others.
            Err(error) if nobody_was_asked(&error) => self.stopped = Some(error),
            // Of this vehicle alone, or of us.
            Err(error) if error.kind == ErrorKind::Denied => self.denied.push((due, error)),
            Err(error) => {
                self.put_off(due, &error);
                self.failures += usize::from(error.is_partners_fault());
                if self.failures >= FAILURES && self.asked.len() < FAILURES {
                    self.stopped = Some(error);
                }
            }
        }
    }

    pub(crate) fn of_nobody(gone: impl Iterator<Item = String>) -> Self {
        let mut batch = Self::new();
        batch.nothing_to_ask(gone);
        batch
    }

    /// Struck off without a question.
    pub(crate) fn nothing_to_ask(&mut self, gone: impl Iterator<Item = String>) {
        self.asked.extend(gone);
    }

    /// So many refusals and no answer: we are refused.
    fn refused(&self) -> bool {
        self.asked.is_empty() && self.denied.len() >= DENIALS
    }

    /// What is refused waits by itself, unless we are.
    fn settle_denied(&mut self) {
        let refused = self.refused();
        for (due, error) in std::mem::take(&mut self.denied) {
            match refused {
                true => self.stopped = Some(error),
                false => self.put_off(due, &error),
            }
        }
    }

    fn all_unread(&self, unread: impl Fn(&T) -> bool) -> bool {
        self.answers.len() >= FAILURES && self.answers.iter().all(unread)
    }

    /// Many pages and none that could be read: a page for an hour, or a new face. One is told of, the others stay due, and
    /// wait twice as long as after the round before.
    pub(crate) fn unread(
        &mut self,
        rounds: i64,
        unread: impl Fn(&T) -> bool,
        subject: impl Fn(&T) -> String,
    ) {
        if !self.all_unread(unread) {
            return;
        }
        let wait = (SOON << rounds.clamp(0, 10)).min(LONGEST_WAIT);
        for answer in self.answers.drain(1..) {
            let subject = subject(&answer);
            self.asked.retain(|asked| *asked != subject);
        }
        self.stopped = Some(PartnerError {
            kind: ErrorKind::Unavailable,
            operation: "read",
            target: subject(&self.answers[0]),
            message: "none of its pages could be read".to_owned(),
            retry_after: Some(Duration::from_secs(wait.unsigned_abs())),
        });
    }

    fn put_off(&mut self, due: Due, error: &PartnerError) {
        let wait = wait(&due, error);
        self.failed.push((due.subject, wait, error.to_string()));
    }

    /// One call about many: answered together, or not. `subject` says whose an answer is; whom it leaves out is asked for
    /// again before that counts as an answer.
    pub(crate) fn of_many(
        due: Vec<Due>,
        answer: Result<Vec<T>, PartnerError>,
        subject: impl Fn(&T) -> &str,
    ) -> Self {
        let mut batch = Self::new();
        match answer {
            Ok(answers) => {
                let told: HashSet<&str> = answers.iter().map(subject).collect();
                let (told, left_out): (Vec<Due>, Vec<Due>) = due
                    .into_iter()
                    .partition(|due| told.contains(due.subject.as_str()));
                batch.asked = told.into_iter().map(|due| due.subject).collect();
                for due in left_out {
                    if due.tries >= LEFT_OUT {
                        batch.asked.push(due.subject.clone());
                        batch.nothing.push(due.subject);
                        continue;
                    }
                    let error = PartnerError {
                        kind: ErrorKind::Corrupt,
                        operation: "ask about",
                        target: due.subject.clone(),
                        message: "the answer leaves it out".to_owned(),
                        retry_after: None,
                    };
                    batch.put_off(due, &error);
                }
                batch.answers = answers;
            }
            Err(error) if nobody_was_asked(&error) || error.kind == ErrorKind::Denied => {
                batch.stopped = Some(error);
            }
            // Perhaps one of them is what makes the answer no answer: they are asked in ever smaller batches.
            Err(error) => {
                due.into_iter().for_each(|due| batch.put_off(due, &error));
                batch.stopped = error.is_partners_fault().then_some(error);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(count: usize, tries: i32) -> Vec<Due> {
        let one = |n| Due {
            subject: format!("V{n}"),
            tries,
        };
        (0..count).map(one).collect()
    }

    fn error(kind: ErrorKind) -> PartnerError {
        PartnerError {
            kind,
            operation: "ask",
            target: String::new(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn who_is_left_out_is_asked_again_before_it_is_an_answer() {
        let said = || Ok(vec!["V1".to_owned()]);
        let batch = Batch::of_many(due(3, 0), said(), |said: &String| said);
        assert_eq!(batch.asked, ["V1"]);
        let failed: Vec<&str> = batch.failed.iter().map(|(vin, ..)| vin.as_str()).collect();
        assert_eq!(failed, ["V0", "V2"]);
        assert!(batch.stopped.is_none());
        let batch = Batch::of_many(due(3, LEFT_OUT), said(), |said: &String| said);
        assert_eq!((batch.asked.len(), batch.failed.len()), (3, 0));
        assert_eq!(batch.nothing, ["V0", "V2"]);
    }

    #[test]
    fn refusals_are_of_vehicles_until_three_are_and_nobody_is_answered() {
        let of = |denied: usize, answered: usize| {
            let mut batch = Batch::new();
            for (n, due) in due(denied + answered, 0).into_iter().enumerate() {
                let answer = match n < denied {
                    true => Err(error(ErrorKind::Denied)),
                    false => Ok(Some(n)),
                };
                batch.take(due, answer);
            }
            batch.settle_denied();
            let stopped = batch.stopped.map(|error| error.kind);
            (batch.asked.len(), batch.failed.len(), stopped)
        };
        assert_eq!(of(1, 1), (1, 1, None));
        assert_eq!(of(2, 0), (0, 2, None));
        assert_eq!(of(DENIALS, 1), (1, DENIALS, None));
        // No subject is to blame.
        assert_eq!(of(DENIALS, 0), (0, 0, Some(ErrorKind::Denied)));
    }

    #[test]
    fn pages_that_cannot_be_read_stay_due_where_none_can() {
        let of = |good: usize, rounds: i64| {
            let mut batch = Batch::new();
            for (n, due) in due(6, 0).into_iter().enumerate() {
                let subject = due.subject.clone();
                batch.take(due, Ok(Some((subject, n < good))));
            }
            batch.unread(rounds, |(_, read)| !read, |(subject, _)| subject.clone());
            batch
        };
        let none = of(0, 0);
        assert_eq!((none.answers.len(), none.asked.len()), (1, 1));
        assert!(none.stopped.is_some());
        let wait = |rounds| {
            let stopped = of(0, rounds).stopped.and_then(|error| error.retry_after);
            stopped.map(|wait| wait.as_secs())
        };
        assert_eq!([wait(0), wait(1)], [Some(300), Some(600)]);
        assert_eq!(wait(99), Some(6 * 3600));
        let one = of(1, 0);
        assert_eq!((one.answers.len(), one.asked.len()), (6, 6));
        assert!(one.stopped.is_none());
    }
}
