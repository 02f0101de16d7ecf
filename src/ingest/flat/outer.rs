//! What the elements around an XML unit say of themselves: `<dealer id="L1">`, whose units stand in it.

use super::Unit;

/// Of one element, and for one unit; more is no name or number of a rooftop.
const MOST_VALUES: usize = 50;
const LONGEST: usize = 200;

/// An element that is open around units.
struct Around {
    name: String,
    said: Unit,
    text: String,
    is_leaf: bool,
}

/// From the root inwards.
#[derive(Default)]
pub(super) struct Outer(Vec<Around>);

impl Outer {
    /// With its attributes.
    pub(super) fn begins(&mut self, name: String, mut said: Unit) {
        said.retain(|(_, value)| value.len() <= LONGEST);
        said.truncate(MOST_VALUES);
        if let Some(above) = self.0.last_mut() {
            above.is_leaf = false;
        }
        self.0.push(Around {
            name,
            said,
            text: String::new(),
            is_leaf: true,
        });
    }

    pub(super) fn says(&mut self, text: &str) {
        if let Some(around) = self.0.last_mut()
            && around.is_leaf
            && around.text.len() <= LONGEST
        {
            around.text.push_str(text);
        }
    }

    /// What stands before the units is a word of what they stand in.
    pub(super) fn ends(&mut self) {
        let Some(done) = self.0.pop() else { return };
        let text = done.text.trim();
        let Some(above) = self.0.last_mut() else {
            return;
        };
        if !done.is_leaf || above.said.len() >= MOST_VALUES {
            return;
        }
        if !text.is_empty() && text.len() <= LONGEST {
            let path = format!("{}.{}", above.name, done.name);
            above.said.push((path, text.to_owned()));
        }
        above.said.extend(
            done.said
                .into_iter()
                .map(|(path, value)| (format!("{}.{path}", above.name), value)),
        );
        above.said.truncate(MOST_VALUES);
    }

    /// To a unit that is whole; what it says itself goes before, and the file's own words are nobody's.
    pub(super) fn hand_down(&self, unit: &mut Unit) {
        let said = self.0.iter().skip(1).flat_map(|around| &around.said);
        for (path, value) in said.take(MOST_VALUES) {
            if !unit.iter().any(|(own, _)| own == path) {
                unit.push((path.clone(), value.clone()));
            }
        }
    }
}
