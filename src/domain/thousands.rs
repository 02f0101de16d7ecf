//! What parts thousands, and what parts hundredths, in numbers as people write them.

/// How people of a place write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// `9,500.00`
    #[default]
    Point,
    /// `9.500,00`, and the other way too where it is plain.
    Comma,
}

/// The digits of the whole and of the fraction. `None` for what is no number, and for what may be two: `12.345` is twelve and a bit
/// where the point parts hundredths, and it is twelve thousand from across the border.
pub fn parted(text: &str, marks: Marks) -> Option<(String, String)> {
    let (whole, fraction) = match decimal(text, marks)? {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(())?;
    Some((ungrouped(whole)?, fraction.to_owned()))
}

/// Where the fraction begins.
fn decimal(text: &str, marks: Marks) -> Option<Option<usize>> {
    let Some(last) = text.rfind(['.', ',']) else {
        return Some(None);
    };
    let (whole, rest) = (&text[..last], &text[last + 1..]);
    // One mark with three digits behind it, as thousands have.
    let single = !whole.contains(['.', ',', ' ', '\'']);
    let thousands = single && rest.len() == 3 && whole.len() <= 3 && !whole.starts_with('0');
    match marks {
        Marks::Point if thousands && text[last..].starts_with('.') => None,
        Marks::Point => Some(text.find('.')),
        Marks::Comma => {
            let mark = &text[last..=last];
            let other = whole.contains(['.', ',']) && !whole.contains(mark);
            let decimal = other || !whole.contains(mark) && !thousands;
            Some(decimal.then_some(last))
        }
    }
}

/// Its digits alone. What parts thousands is one kind of mark, and parts them by three.
fn ungrouped(whole: &str) -> Option<String> {
    let mut marks = whole.chars().filter(|c| !c.is_ascii_digit());
    let Some(mark) = marks.next() else {
        return (!whole.is_empty()).then(|| whole.to_owned());
    };
    let parts_thousands = matches!(
        mark,
        ',' | '.' | ' ' | '\'' | '\u{a0}' | '\u{202f}' | '\u{2019}'
    );
    if !parts_thousands || marks.any(|other| other != mark) {
        return None;
    }
    let groups: Vec<&str> = whole.split(mark).collect();
    let by_three = groups[1..].iter().all(|group| group.len() == 3);
    (matches!(groups[0].len(), 1..=3) && by_three).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_marks_and_what_may_be_two_numbers_is_none() {
        for (text, marks, parts) in [
            ("1,234", Marks::Point, Some(("1234", ""))),
            ("1 234.5", Marks::Point, Some(("1234", "5"))),
            ("45000.000", Marks::Point, Some(("45000", "000"))),
            ("1,234.500", Marks::Point, Some(("1234", "500"))),
            ("0.500", Marks::Point, Some(("0", "500"))),
            ("12.345", Marks::Point, None),
            ("12,34", Marks::Point, None),
            ("1.234.567", Marks::Point, None),
            ("12.345", Marks::Comma, Some(("12345", ""))),
            ("12,34", Marks::Comma, Some(("12", "34"))),
            ("1.234.567,8", Marks::Comma, Some(("1234567", "8"))),
            ("1\u{202f}234", Marks::Comma, Some(("1234", ""))),
            ("1,23,456", Marks::Comma, None),
            ("", Marks::Point, None),
        ] {
            let parts = parts.map(|(whole, rest)| (whole.to_owned(), rest.to_owned()));
            assert_eq!(parted(text, marks), parts, "{text} {marks:?}");
        }
    }
}
