//! Forms and queries as pairs of text.

use super::{Res, Trouble};
use poem::Request;

#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub(super) async fn read(request: &mut Request, most: usize) -> Res<Self> {
        let body = request.take_body().into_bytes_limit(most).await;
        let body = body.map_err(|error| Trouble::Invalid(error.to_string()))?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| Trouble::Invalid("the form is not UTF-8".to_owned()))?;
        Ok(Self::parse(text))
    }

    /// A field that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(key, _)| key == name)?.1.trim();
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn need(&self, name: &str) -> Res<&str> {
        self.get(name)
            .ok_or_else(|| Trouble::Invalid(format!("{name} is missing")))
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// As part of an address, with some fields changed; an empty value leaves a field out.
    pub(super) fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        let kept = self
            .0
            .iter()
            .filter(|(key, value)| {
                key != "said" && !value.is_empty() && changes.iter().all(|(name, _)| key != name)
            })
            .map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in kept.chain(changes.iter().copied().filter(|(_, v)| !v.is_empty())) {
            text.append_pair(key, value);
        }
        text.finish()
    }
}

/// One part of a path.
pub(super) fn escaped(text: &str) -> String {
    // A plus means a space in a query only.
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

pub(super) fn unescaped(part: &str) -> String {
    let text = part.replace('+', "%2B");
    form_urlencoded::parse(format!("x={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
