//! What fills a draft: the words we keep for a dealer's, and what follows from the row as a whole.

use crate::mapping::Mapping;
use crate::values::Known;
use crate::{template, words};
use domain::{Field, FieldType, ListingDraft, Value};

/// Longer texts are not worth remembering.
const LONGEST_WORD: usize = 100;
/// Texts whose word is remembered.
const WORDS_REMEMBERED: usize = 20_000;

/// The word we keep, and beside it what the dealer wrote.
pub(crate) fn set_text(draft: &mut ListingDraft, field: Field, text: &str, known: &mut Known) {
    if known.len() > WORDS_REMEMBERED {
        known.clear();
    }
    let base = match field {
        Field::ExteriorColor => Some(Field::ExteriorBaseColor),
        Field::InteriorColor => Some(Field::InteriorBaseColor),
        _ => None,
    };
    let look_up = || match base {
        Some(_) => words::plain_color(text),
        None => words::normal(field, text),
    };
    let word = if base.is_none() && !words::has_table(field) {
        None
    } else if text.len() > LONGEST_WORD {
        look_up()
    } else {
        *known
            .entry((field, text.to_owned()))
            .or_insert_with(look_up)
    };
    let mut set = |field: Field, text: &str| {
        let _ = draft
            .details
            .set(field, Some(Value::Text(text.to_owned().into())));
    };
    match (base, word) {
        (Some(base), word) => {
            set(field, text);
            if let Some(word) = word {
                set(base, word);
            }
        }
        (None, Some(word)) => {
            set(field, word);
            if word != text {
                draft.originals.insert(field, text.to_owned());
            }
        }
        (None, None) => set(field, text),
    }
}

/// What follows from the row as a whole: a make cut in two, the mapping's constants and templates.
pub(crate) fn complete(draft: &mut ListingDraft, mapping: &Mapping) {
    if let (Some(make), Some(model)) = (&draft.details.make, &draft.details.model)
        && let Some((whole, rest)) = words::make_and_model(make, model)
    {
        draft.originals.insert(Field::Make, make.clone());
        draft.originals.insert(Field::Model, model.clone());
        draft.details.make = Some(whole.to_owned());
        draft.details.model = (!rest.is_empty()).then_some(rest);
    }
    if let (Some(make), Some(model)) = (&draft.details.make, &draft.details.model)
        && let Some(alone) = words::model_alone(make, model)
    {
        let alone = alone.to_owned();
        if let Some(model) = draft.details.model.replace(alone) {
            draft.originals.entry(Field::Model).or_insert(model);
        }
    }
    for (field, text) in &mapping.constants {
        // The money was read in it.
        if *field == Field::Currency {
            continue;
        }
        fill_blank(draft, *field, text.clone());
    }
    for (field, text) in &mapping.templates {
        if let Some(value) = template::fill(text, draft) {
            fill_blank(draft, *field, value);
        }
    }
}

fn fill_blank(draft: &mut ListingDraft, field: Field, text: String) {
    if draft.details.get(field).is_some() {
        return;
    }
    let value = match field.field_type() {
        FieldType::List => Value::List(vec![text].into()),
        _ => Value::Text(text.into()),
    };
    let _ = draft.details.set(field, Some(value));
}
