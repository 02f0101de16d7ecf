//! Cells for files that people open in a spreadsheet.

/// Quoted as RFC 4180 has it; text that a spreadsheet would take for a formula is defused by an apostrophe, because
/// the values are a dealer's (OWASP, CSV injection).
pub fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    // A number is no formula.
    let harmless = text.parse::<f64>().is_ok_and(f64::is_finite);
    let defused = match formula && !harmless {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    format!("\"{}\"", defused.replace('"', "\"\"").replace('\0', ""))
}

/// One line of them, with its end.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_text() {
        for text in [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "＝1",
        ] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        assert_eq!(cell("-12.5"), "\"-12.5\"");
        assert_eq!(cell("20\" wheels, new"), "\"20\"\" wheels, new\"");
        assert_eq!(line(["a", "b\0c"]), "\"a\",\"bc\"\r\n");
    }
}
