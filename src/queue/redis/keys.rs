//! The keys, all under one hash tag, so that a script's keys are on one node of a cluster.

#[derive(Debug)]
pub(super) struct Keys {
    tag: String,
    /// The run id of the server that was given every job: another server is not trusted with a claim.
    pub(super) home: String,
    /// id -> what travels
    pub(super) body: String,
    /// id -> attempts, snoozes, rescues, quarantined, last token
    pub(super) tries: String,
    /// kind and key -> id, for kinds that are not durable
    pub(super) unique: String,
    /// id -> token
    pub(super) run: String,
    /// id -> token, once the attempt has begun
    pub(super) begun: String,
    /// token -> when its lease runs out
    pub(super) leases: String,
    /// token -> worker, lane, queue, partner, batch, ids
    pub(super) claims: String,
    /// token -> jobs not yet acknowledged
    pub(super) left: String,
    /// scope of a limit -> jobs claimed
    pub(super) open: String,
    /// id -> token and how it ended, until the history has it
    pub(super) ended: String,
    pub(super) ended_at: String,
    /// the channel of wake-ups
    pub(super) wake: String,
    /// what every lane's key begins with
    pub(super) lanes: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        // A brace in the prefix would end the tag early.
        let tag: String = prefix.chars().filter(|c| !matches!(c, '{' | '}')).collect();
        let key = |name: &str| format!("{{{tag}}}:{name}");
        Self {
            home: key("home"),
            body: key("body"),
            tries: key("tries"),
            unique: key("unique"),
            run: key("run"),
            begun: key("begun"),
            leases: key("leases"),
            claims: key("claims"),
            left: key("left"),
            open: key("open"),
            ended: key("ended"),
            ended_at: key("ended_at"),
            wake: key("wake"),
            lanes: key("lane:"),
            tag,
        }
    }

    pub(super) fn other(&self, what: &str, name: &str) -> String {
        format!("{{{}}}:{what}:{name}", self.tag)
    }

    /// Jobs of one lane and priority by the time they are due: ready and scheduled alike.
    pub(super) fn lane(&self, lane: i32, level: i16) -> String {
        format!("{{{}}}:lane:{lane}:{level}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_the_one_tag() {
        let keys = Keys::new("shop{1}");
        for key in [&keys.home, &keys.ended_at, &keys.lanes, &keys.lane(3, -1)] {
            assert!(key.starts_with("{shop1}:"), "{key}");
        }
    }
}
