//! Log lines of attempts: whatever a job's handler logs while it is polled is kept with the attempt,
//! bounded, so that "what did it say" has an answer long after the process is gone.

use crate::running::CURRENT;
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// A layer for the process's subscriber. Lines logged on threads a job spawns are not seen.
pub struct AttemptLog;

impl<S: Subscriber> Layer<S> for AttemptLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let _ = CURRENT.try_with(|attempt| {
            let mut line = Line::default();
            event.record(&mut line);
            let level = event.metadata().level();
            attempt.log(format!("{level} {}{}", line.message, line.fields));
        });
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
