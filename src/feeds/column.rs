//! One cell of one row.

use crate::definition::{Column, DefinitionError, FieldSource, Source, Style};
use crate::render::Unit;
use domain::{Field, Money, Odometer, Value, filter::field_of};
use minijinja::{Environment, Expression, context};
use std::cell::OnceCell;
use std::fmt::Write as _;

/// A column ready to print; expressions are compiled once.
pub(crate) struct Compiled<'a> {
    pub(crate) column: &'a Column,
    expression: Option<Expression<'a, 'a>>,
}

/// Marketplaces take at most this many photos besides the first.
const MORE_PHOTOS: usize = 10;

pub(crate) fn compile<'a>(
    feed: &str,
    column: &'a Column,
    environment: &'a Environment<'a>,
) -> Result<Compiled<'a>, DefinitionError> {
    let problem = |problem: String| DefinitionError::Column {
        feed: feed.to_owned(),
        column: column.name.clone(),
        problem,
    };
    let expression = match &column.source {
        Source::Expr(text) => Some(
            environment
                .compile_expression(text)
                .map_err(|error| problem(error.to_string()))?,
        ),
        Source::Field(FieldSource::Item { name, .. }) => {
            if !matches!(name, Field::ImageUrls | Field::Options) {
                return Err(problem(format!("{} has no items", name.name())));
            }
            None
        }
        Source::Field(FieldSource::Styled { name, style }) => {
            let fits = match style {
                Style::Money => matches!(name, Field::PriceCents | Field::MsrpCents),
                Style::Miles | Style::MilesNumber => *name == Field::OdometerKm,
                Style::First | Style::Rest | Style::Piped => {
                    matches!(name, Field::ImageUrls | Field::Options)
                }
            };
            if !fits {
                return Err(problem(format!(
                    "{} cannot be shown as {style:?}",
                    name.name()
                )));
            }
            None
        }
        _ => None,
    };
    Ok(Compiled { column, expression })
}

impl Compiled<'_> {
    /// Appends the cell's text; nothing for a blank. `names` is what expressions see, made for
    /// the first one of a row. `Err` is an expression that failed.
    pub(crate) fn write(
        &self,
        unit: &Unit<'_>,
        names: &OnceCell<minijinja::Value>,
        cell: &mut String,
    ) -> Result<(), String> {
        match &self.column.source {
            Source::Const(text) => cell.push_str(text),
            Source::Field(FieldSource::Plain(field)) => push(unit, *field, cell),
            Source::Field(FieldSource::Styled { name, style }) => styled(unit, *name, *style, cell),
            Source::Field(FieldSource::Item { name, item }) => {
                if let Some(Value::List(items)) = unit.listing.details.get(*name) {
                    cell.push_str(items.get(*item).map_or("", String::as_str));
                }
            }
            Source::Map(map) => {
                let value =
                    field_of(unit.listing, &unit.dealer.key, map.field).map(|v| v.to_string());
                let meaning = value.as_deref().and_then(|value| {
                    map.values
                        .iter()
                        .find(|(word, _)| word.eq_ignore_ascii_case(value))
                        .map(|(_, m)| m)
                });
                cell.push_str(
                    meaning
                        .or(map.otherwise.as_ref())
                        .map_or("", String::as_str),
                );
            }
            Source::Expr(_) => {
                if let Some(expression) = &self.expression {
                    let names = names.get_or_init(|| context(unit)).clone();
                    let value = expression.eval(names).map_err(|error| error.to_string())?;
                    if !value.is_undefined() && !value.is_none() {
                        let _ = write!(cell, "{value}");
                    }
                }
            }
        }
        if let Some(limit) = self.column.max_length {
            shorten(cell, limit);
        }
        Ok(())
    }
}

fn push(unit: &Unit<'_>, field: Field, cell: &mut String) {
    match field_of(unit.listing, &unit.dealer.key, field) {
        Some(Value::Text(text)) => cell.push_str(&text),
        Some(value) => {
            let _ = write!(cell, "{value}");
        }
        None => {}
    }
}

fn styled(unit: &Unit<'_>, field: Field, style: Style, cell: &mut String) {
    match (style, unit.listing.details.get(field)) {
        (Style::Money, Some(Value::Number(cents))) => {
            let currency = unit.listing.details.currency();
            cell.push_str(&Money::from_cents(cents).with_currency(currency));
        }
        (Style::Miles, Some(Value::Number(km))) => {
            let _ = write!(cell, "{} Miles", Odometer { km }.miles());
        }
        (Style::MilesNumber, Some(Value::Number(km))) => {
            let _ = write!(cell, "{}", Odometer { km }.miles());
        }
        (Style::Piped, Some(Value::List(items))) => cell.push_str(&items.join("|")),
        (Style::First, Some(Value::List(items))) => {
            cell.push_str(items.first().map_or("", String::as_str))
        }
        (Style::Rest, Some(Value::List(items))) => {
            let rest: Vec<&str> = items
                .iter()
                .skip(1)
                .take(MORE_PHOTOS)
                .map(String::as_str)
                .collect();
            cell.push_str(&rest.join(","));
        }
        _ => {}
    }
}

fn context(unit: &Unit<'_>) -> minijinja::Value {
    let fields: std::collections::BTreeMap<&str, String> = Field::ALL
        .iter()
        .filter_map(|field| {
            Some((
                field.name(),
                field_of(unit.listing, &unit.dealer.key, *field)?.to_string(),
            ))
        })
        .collect();
    let dealer = unit.dealer;
    context! {
        link => unit.link(),
        url => unit.url(),
        dealer_name => &dealer.name,
        store_code => &dealer.store_code,
        street => &dealer.street,
        city => &dealer.city,
        state => &dealer.state,
        postal_code => &dealer.postal_code,
        country => &dealer.country,
        ..minijinja::Value::from(fields)
    }
}

/// Cut at the last blank before the limit, as people cut.
fn shorten(cell: &mut String, limit: usize) {
    let Some((end, _)) = cell.char_indices().nth(limit) else {
        return;
    };
    let end = cell[..end]
        .rfind(' ')
        .filter(|space| *space > 0)
        .unwrap_or(end);
    cell.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_text_is_cut_at_a_word() {
        let mut text = "one owner, clean inside".to_owned();
        shorten(&mut text, 12);
        assert_eq!(text, "one owner,");
        let mut text = "é".repeat(10);
        shorten(&mut text, 4);
        assert_eq!(text, "éééé");
    }
}
