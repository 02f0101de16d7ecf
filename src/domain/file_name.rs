//! What a file may be called, and which names a pattern means.

/// No separators, no climbing, no hidden or control names; what a file in our ledger may be called.
pub fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.contains("..")
        && name
            .chars()
            .all(|c| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '\u{fffd}'))
}

/// Names of ours, that stand in addresses and commands: letters and digits of ASCII, dashes, underscores, dots.
pub fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    is_safe(name) && name.len() <= 64 && name.chars().all(plain)
}

/// `*` is any run of characters; case does not matter. Only the last star is ever tried again: what it leaves behind
/// an earlier one could not find either.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(letter) if letter.eq_ignore_ascii_case(&name[n]) => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (p, n) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_not_safe() {
        for name in ["stock.csv", "Bayview 2026-11-22.txt"] {
            assert!(is_safe(name), "{name}");
        }
        for name in [
            "", "../x", "a/b", "..", ".hidden", "a\\b", "c:x", "x\n.csv", "a..b",
        ] {
            assert!(!is_safe(name), "{name:?}");
        }
    }

    #[test]
    fn plain_names_need_no_quoting() {
        assert!(is_plain("bayview-motors") && is_plain("mmr_2.north"));
        for name in ["a b", "Ünï", "a..b", ".x", "", &"a".repeat(65)] {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn patterns_are_shell_like() {
        assert!(matches("*.csv", "STOCK.CSV"));
        assert!(matches("bay*2026*.txt", "bayview-2026-11.txt"));
        assert!(!matches("*.csv", "stock.csv.part"));
        assert!(matches("*****", "a") && matches("*", "") && !matches("", "a"));
        assert!(matches("a*b*c*d*e*f", "a1b2c3d4e5f") && !matches("a*b*c*d*e*f", "a1b2c3d4e5"));
        assert!(matches("*ab*b", "aabab.b") && !matches("*ab*c", "aabab.b"));
        // What would take a matcher that tries every star again longer than there is time.
        assert!(!matches(&"a*".repeat(60), &"a".repeat(59)));
        assert!(!matches(&format!("{}b", "a*".repeat(60)), &"a".repeat(200)));
    }
}
