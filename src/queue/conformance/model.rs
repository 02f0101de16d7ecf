//! Random operations against a reference state machine: whatever is done in whatever order, the engine and a few
//! lines of plain code agree on what became of every job.

use super::{Fixture, Ledger, Probe, done, failed};
use crate::engine::Verdict;
use crate::{Cancelled, Enqueue, JobState, Outcome};
use std::collections::HashMap;
use std::time::Duration;

const OPERATIONS: usize = 10_000;
const MAX_ATTEMPTS: i16 = 3;
const RESCUES: i16 = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stands {
    Waits,
    Runs {
        token: i64,
        batch: usize,
        begun: bool,
    },
    Ended(JobState),
}

#[derive(Clone, Debug)]
struct Model {
    stands: Stands,
    attempts: i16,
    snoozes: i32,
    rescues: i16,
    key: Option<String>,
    /// An operator has asked for its end.
    cancelled: bool,
}

/// Small, seeded, the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).copied()
    }
}

struct Play<'a, E> {
    f: &'a Fixture<E>,
    draw: Draw,
    jobs: HashMap<i64, Model>,
}

pub async fn random_operations_agree_with_the_model<E: Ledger>(f: &Fixture<E>) {
    for seed in [0x0005_EED1_u64] {
        let mut play = Play {
            f,
            draw: Draw(seed | 1),
            jobs: HashMap::new(),
        };
        for n in 0..OPERATIONS {
            play.step().await;
            if n % 1_000 == 999 {
                play.check_all().await;
            }
        }
        play.check_all().await;
    }
}

impl Model {
    /// Where it stands when its attempt has not ended it.
    fn again(&self) -> Stands {
        match self.cancelled {
            true => Stands::Ended(JobState::Cancelled),
            false => Stands::Waits,
        }
    }
}

impl<E: Ledger> Play<'_, E> {
    async fn step(&mut self) {
        match self.draw.below(100) {
            0..20 => self.enqueue().await,
            20..45 => self.claim().await,
            45..80 => self.acknowledge().await,
            80..88 => self.start().await,
            88..92 => self.stale().await,
            92..95 => self.cancel().await,
            _ => self.lose_workers().await,
        }
    }

    fn those(&self, wanted: impl Fn(&Model) -> bool) -> Vec<i64> {
        let mut ids: Vec<i64> = self
            .jobs
            .iter()
            .filter(|(_, job)| wanted(job))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn running(&self) -> Vec<i64> {
        self.those(|job| matches!(job.stands, Stands::Runs { .. }))
    }

    async fn enqueue(&mut self) {
        let mut orders = Vec::new();
        for _ in 0..=self.draw.below(3) {
            let key = (self.draw.below(3) == 0).then(|| format!("k{}", self.draw.below(6)));
            let order = Enqueue::of(&Probe {
                key: key.clone(),
                ..Probe::default()
            });
            orders.push((order.expect("a probe is JSON"), key));
        }
        let plain: Vec<Enqueue> = orders.iter().map(|(order, _)| order.clone()).collect();
        let ids = self.f.enqueue(&plain).await;
        for (id, (_, key)) in ids.into_iter().zip(orders) {
            let holder = key.as_ref().and_then(|key| {
                let holds = |job: &Model| {
                    job.key.as_ref() == Some(key) && !matches!(job.stands, Stands::Ended(_))
                };
                self.those(holds).first().copied()
            });
            match holder {
                Some(holder) => assert_eq!(id, holder, "a taken key answers its job"),
                None => {
                    let fresh = Model {
                        stands: Stands::Waits,
                        attempts: 0,
                        snoozes: 0,
                        rescues: 0,
                        key,
                        cancelled: false,
                    };
                    assert!(
                        self.jobs.insert(id, fresh).is_none(),
                        "job {id} is there twice"
                    );
                }
            }
        }
    }

    async fn claim(&mut self) {
        let max = 1 + self.draw.below(5);
        let waiting = self.those(|job| job.stands == Stands::Waits).len();
        let claimed = self.f.claim("w", max).await;
        assert!(
            claimed.len() <= max && (waiting == 0 || !claimed.is_empty()),
            "{waiting} wait"
        );
        let batch = claimed.len();
        for job in claimed {
            let model = self.jobs.get_mut(&job.id).expect("a job that was enqueued");
            assert_eq!(model.stands, Stands::Waits, "job {} was claimed", job.id);
            assert_eq!(
                i16::try_from(job.attempts_used),
                Ok(model.attempts),
                "job {}",
                job.id
            );
            model.stands = Stands::Runs {
                token: job.token,
                batch,
                begun: false,
            };
        }
    }

    async fn start(&mut self) {
        let Some(id) = self.draw.pick(&self.running()) else {
            return;
        };
        let model = self.jobs.get_mut(&id).expect("known");
        if let Stands::Runs { token, begun, .. } = &mut model.stands {
            self.f
                .engine
                .started(&[(id, *token)])
                .await
                .expect("started");
            *begun = true;
        }
    }

    async fn acknowledge(&mut self) {
        let Some(id) = self.draw.pick(&self.running()) else {
            return;
        };
        let (outcome, draw) = match self.draw.below(10) {
            0..5 => (done(), 0),
            5..7 => (
                Outcome::Retry {
                    after: Duration::ZERO,
                    error: failed("no"),
                },
                1,
            ),
            7 => (
                Outcome::Snooze {
                    after: Duration::ZERO,
                    reason: "later".to_owned(),
                },
                2,
            ),
            8 => (Outcome::Dead(failed("never")), 3),
            _ => (Outcome::HandBack, 4),
        };
        let model = self.jobs.get_mut(&id).expect("known");
        let Stands::Runs { token, .. } = model.stands else {
            return;
        };
        assert_eq!(
            say(self.f, id, token, outcome).await,
            Verdict::Accepted,
            "job {id}"
        );
        match draw {
            0 => model.stands = Stands::Ended(JobState::Done),
            1 => {
                model.stands = model.again();
                model.attempts += 1;
            }
            2 => {
                model.stands = model.again();
                model.snoozes += 1;
            }
            3 => model.stands = Stands::Ended(JobState::Dead),
            _ => model.stands = model.again(),
        }
        if matches!(draw, 0 | 3) {
            model.attempts += 1;
        }
    }

    /// A word under a token that is not, or no longer, the job's.
    async fn stale(&mut self) {
        let all = self.those(|_| true);
        let Some(id) = self.draw.pick(&all) else {
            return;
        };
        let token = i64::try_from(self.draw.below(1 << 20)).unwrap_or(1);
        assert_eq!(
            say(self.f, id, token, done()).await,
            Verdict::Stale,
            "job {id}"
        );
    }

    async fn cancel(&mut self) {
        let all = self.those(|_| true);
        let Some(id) = self.draw.pick(&all) else {
            return;
        };
        self.f.engine.settle().await;
        let answer = self.f.engine.cancel(id, "ops").await.expect("cancel");
        let model = self.jobs.get_mut(&id).expect("known");
        let wanted = match model.stands {
            Stands::Waits => Cancelled::AtOnce,
            Stands::Runs { .. } => Cancelled::Asked,
            Stands::Ended(_) => Cancelled::TooLate,
        };
        assert_eq!(answer, wanted, "job {id}: {model:?}");
        match wanted {
            Cancelled::AtOnce => model.stands = Stands::Ended(JobState::Cancelled),
            Cancelled::Asked => model.cancelled = true,
            Cancelled::TooLate => {}
        }
    }

    /// Every worker is gone for longer than a lease.
    async fn lose_workers(&mut self) {
        self.f.expire_leases().await;
        let rescued = self.f.engine.rescue().await.expect("rescue");
        let (mut returned, mut buried) = (0, 0);
        for model in self.jobs.values_mut() {
            let Stands::Runs { batch, begun, .. } = model.stands else {
                continue;
            };
            model.attempts += i16::from(begun);
            model.rescues += i16::from(batch == 1);
            if model.rescues > RESCUES || (begun && model.attempts >= MAX_ATTEMPTS) {
                model.stands = Stands::Ended(JobState::Dead);
                buried += 1;
            } else {
                model.stands = model.again();
                returned += 1;
            }
        }
        // One that an operator has ended counts as either.
        assert_eq!(rescued.returned + rescued.buried, returned + buried);
    }

    async fn check_all(&self) {
        self.f.engine.settle().await;
        for (id, model) in &self.jobs {
            let record = self
                .f
                .engine
                .find(*id)
                .await
                .expect("find")
                .expect("an accepted job is never lost");
            match model.stands {
                Stands::Waits => assert_eq!(record.state, JobState::Ready, "job {id}: {model:?}"),
                Stands::Runs { .. } => {
                    assert_eq!(record.state, JobState::Running, "job {id}: {model:?}");
                    continue;
                }
                Stands::Ended(state) => assert_eq!(record.state, state, "job {id}: {model:?}"),
            }
            let counted = (record.attempt, record.snoozes, record.rescues);
            assert_eq!(
                counted,
                (model.attempts, model.snoozes, model.rescues),
                "job {id}: {model:?}"
            );
        }
        let open = self.f.engine.open_in_ledger().await;
        assert_eq!(
            usize::try_from(open),
            Ok(self.running().len()),
            "the ledger of claims"
        );
    }
}

async fn say<E: Ledger>(f: &Fixture<E>, id: i64, token: i64, outcome: Outcome) -> Verdict {
    let ack = crate::engine::Ack {
        id,
        token,
        outcome,
        ran: Duration::from_millis(1),
        received: std::time::Instant::now(),
        attempt: 1,
        lines: Vec::new(),
    };
    f.engine.ack("w", &[ack]).await.expect("ack")[0]
}
