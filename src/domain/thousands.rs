//! Commas in numbers.

/// Commas, if any, must group by thousands: `12,34` is a European decimal, not 1,234.
pub fn grouped(whole: &str) -> bool {
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    rest.peek().is_none() || (first.len() <= 3 && rest.all(|group| group.len() == 3))
}
