//! Secret arguments: sealed before they reach any store, opened for the handler alone, shown to nobody.

use crate::{EngineError, Enqueue};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Seals and opens under a key that the queue does not know. `purpose` is bound to what is sealed.
pub trait ArgSealer: Send + Sync {
    fn seal(&self, purpose: &str, plain: &str) -> Result<String, String>;
    fn open(&self, purpose: &str, sealed: &str) -> Result<String, String>;
}

pub(crate) type Sealing = Option<Arc<dyn ArgSealer>>;

/// A sealed argument is an object with this one field.
const SEALED: &str = "$sealed";
/// What an inspector sees in its place.
const SHOWN: &str = "•••";

#[derive(Debug, thiserror::Error)]
enum Unsealed {
    #[error("arguments of {kind}")]
    Json {
        kind: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{kind} has secret arguments, and there is no key to seal them with")]
    NoKey { kind: String },
    #[error("argument {field} of {kind} cannot be sealed: {why}")]
    Refused {
        kind: String,
        field: String,
        why: String,
    },
}

/// The orders as they may be stored.
pub(crate) fn sealed<'a>(
    sealer: &Sealing,
    orders: &'a [Enqueue],
) -> Result<Cow<'a, [Enqueue]>, EngineError> {
    if orders.iter().all(|order| order.secrets.is_empty()) {
        return Ok(Cow::Borrowed(orders));
    }
    let failed = |error: Unsealed| EngineError {
        operation: "seal arguments",
        source: Box::new(error),
    };
    let mut orders = orders.to_vec();
    for order in orders.iter_mut().filter(|order| !order.secrets.is_empty()) {
        seal(sealer, order).map_err(failed)?;
    }
    Ok(Cow::Owned(orders))
}

fn seal(sealer: &Sealing, order: &mut Enqueue) -> Result<(), Unsealed> {
    let kind = order.envelope.kind.clone();
    let Some(sealer) = sealer else {
        return Err(Unsealed::NoKey { kind });
    };
    let json = |source| Unsealed::Json {
        kind: kind.clone(),
        source,
    };
    let mut args: Map<String, Value> = serde_json::from_str(&order.envelope.args).map_err(json)?;
    for field in order.secrets {
        if let Some(value) = args.get_mut(*field) {
            let purpose = purpose(&kind, field);
            let closed =
                sealer
                    .seal(&purpose, &value.to_string())
                    .map_err(|why| Unsealed::Refused {
                        kind: kind.clone(),
                        field: (*field).to_owned(),
                        why,
                    })?;
            *value = serde_json::json!({ SEALED: closed });
        }
    }
    order.envelope.args = Value::Object(args).to_string();
    Ok(())
}

/// The arguments as the handler reads them; in words why not.
pub(crate) fn opened(
    sealer: Option<&dyn ArgSealer>,
    kind: &str,
    secrets: &[&str],
    args: &str,
) -> Result<String, String> {
    let mut args: Map<String, Value> =
        serde_json::from_str(args).map_err(|error| error.to_string())?;
    for field in secrets {
        let Some(value) = args.get_mut(*field) else {
            continue;
        };
        let Some(closed) = value.get(SEALED).and_then(Value::as_str) else {
            continue;
        };
        let sealer = sealer.ok_or("there is no key to open them with")?;
        let plain = sealer.open(&purpose(kind, field), closed)?;
        *value = serde_json::from_str(&plain).map_err(|error| error.to_string())?;
    }
    Ok(Value::Object(args).to_string())
}

fn purpose(kind: &str, field: &str) -> String {
    format!("job {kind} argument {field}")
}

/// For whoever looks: nothing sealed is shown, not even sealed.
pub(crate) fn redact(mut args: Value) -> Value {
    if let Value::Object(fields) = &mut args {
        for value in fields
            .values_mut()
            .filter(|value| value.get(SEALED).is_some())
        {
            *value = Value::String(SHOWN.to_owned());
        }
    }
    args
}
