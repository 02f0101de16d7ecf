//! Values made from a row's other values: `https://stock.example.com/{dealer}/{vin}`.

use domain::{Field, ListingDraft};
use std::fmt::Write as _;

enum Part<'a> {
    Text(&'a str),
    Field(Field),
}

fn parts(template: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("opens a brace it does not close: {template}"))?;
        let field = Field::parse(name).map_err(|error| error.to_string())?;
        parts.extend([Part::Text(text), Part::Field(field)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

pub(crate) fn check(template: &str) -> Result<(), String> {
    parts(template).map(|_| ())
}

/// `None` when a field it names is blank. Values are percent-encoded when the template is a URL.
pub(crate) fn fill(template: &str, draft: &ListingDraft) -> Option<String> {
    let url = template.starts_with("http://") || template.starts_with("https://");
    let mut filled = String::with_capacity(template.len() + 20);
    for part in parts(template).ok()? {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Field(field) => {
                let value = match field {
                    Field::StockNumber => Some(draft.stock_number.clone()),
                    Field::Vin => draft.vin.as_ref().map(ToString::to_string),
                    Field::Serial => draft.serial.clone(),
                    Field::Kind => Some(draft.kind.as_str().to_owned()),
                    field => draft.details.get(field).map(|value| value.to_string()),
                }?;
                if url {
                    encode(&value, &mut filled);
                } else {
                    filled.push_str(&value);
                }
            }
        }
    }
    Some(filled)
}

/// Everything but RFC 3986's unreserved characters.
fn encode(value: &str, url: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Details, Kind};

    #[test]
    fn a_blank_leaves_the_whole_value_blank() {
        let draft = ListingDraft {
            kind: Kind::Vehicle,
            stock_number: "A 1/2".into(),
            vin: None,
            serial: None,
            status: None,
            details: Details::default(),
            originals: [].into(),
            unread: Vec::new(),
            row: 1,
        };
        assert_eq!(
            fill("https://example.com/{stock_number}", &draft).as_deref(),
            Some("https://example.com/A%201%2F2")
        );
        assert_eq!(fill("https://example.com/{vin}", &draft), None);
        assert!(check("https://example.com/{colour}").is_err());
        assert!(check("https://example.com/{vin").is_err());
    }
}
