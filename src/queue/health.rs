//! What keeps a process from doing its work, as readiness tells it.

use crate::QueueName;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether this process can do its work. Turns red by itself and green again by itself.
#[derive(Debug, Default)]
pub struct Health {
    claims: Mutex<BTreeMap<QueueName, bool>>,
    acks: Mutex<BTreeMap<QueueName, bool>>,
    leases_lost: AtomicBool,
    /// Jobs that block a thread for ever: only a restart frees it.
    stuck: Mutex<Vec<i64>>,
}

impl Health {
    /// Every reason not to be ready; empty is ready.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (held, what) in [(&self.claims, "claim"), (&self.acks, "acknowledge")] {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            problems.extend(
                held.iter()
                    .filter(|(_, ok)| !**ok)
                    .map(|(queue, _)| format!("queue {} cannot {what}", queue.as_str())),
            );
        }
        if self.leases_lost.load(Ordering::Relaxed) {
            problems.push("leases cannot be renewed".to_owned());
        }
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        problems.extend(
            stuck.iter().map(|id| {
                format!("job {id} blocks a thread past its timeout: restart this process")
            }),
        );
        problems
    }

    pub(crate) fn has_stuck(&self) -> bool {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        !stuck.is_empty()
    }

    pub(crate) fn stuck(&self, id: i64) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.push(id);
    }

    /// Returns true when this is news.
    pub(crate) fn claims(&self, queue: QueueName, ok: bool) -> bool {
        Self::note(&self.claims, queue, ok)
    }

    pub(crate) fn acks(&self, queue: QueueName, ok: bool) -> bool {
        Self::note(&self.acks, queue, ok)
    }

    /// Returns true when this is news.
    pub(crate) fn leases(&self, lost: bool) -> bool {
        self.leases_lost.swap(lost, Ordering::Relaxed) != lost
    }

    fn note(held: &Mutex<BTreeMap<QueueName, bool>>, queue: QueueName, ok: bool) -> bool {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(queue, ok) != Some(ok)
    }
}
