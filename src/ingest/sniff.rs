//! What kind of file is this, before any row is read.

use crate::text::{CHUNK, Text, unusable};
use encoding_rs::Encoding;
use std::io::{BufRead, Write};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    #[error("the file is empty")]
    Empty,
    #[error("the file is {found}, not a table of text")]
    WrongMagic { found: &'static str },
    #[error("the file has NUL bytes: it is binary, or text in an encoding that is not supported")]
    Binary,
    #[error("the file says that it is written in {0:?}, which is no encoding we know")]
    Encoding(String),
    #[error(
        "the file is not written in {0:?}, as the mapping says: some of its bytes are no character there"
    )]
    NotIn(String),
    #[error("the file ends in the middle of a character of {encoding}")]
    Truncated { encoding: &'static str },
    #[error("the file ends inside a quoted cell that opened near row {row}")]
    OpenQuote { row: u64 },
    #[error("no column is called {wanted}; the file has: {have}")]
    MissingColumn { wanted: String, have: String },
    #[error("the header names {0:?} twice")]
    DoubleColumn(String),
    #[error("the header has {0} columns, a file may have 500")]
    TooWide(usize),
    #[error("the {form} cannot be unpacked: {problem}")]
    Packed { form: &'static str, problem: String },
    #[error("there is no unit in the file: {wanted} was looked for")]
    NoUnits { wanted: String },
    #[error("row {row} cannot be read: {problem}")]
    Unreadable { row: u64, problem: String },
}

impl FileProblem {
    /// The rule's stable name.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "file_empty",
            Self::WrongMagic { .. } => "file_wrong_magic",
            Self::Binary => "file_binary",
            Self::Truncated { .. } => "file_truncated",
            Self::Encoding(_) | Self::NotIn(_) => "file_encoding",
            Self::OpenQuote { .. } => "file_open_quote",
            Self::MissingColumn { .. } => "file_missing_column",
            Self::DoubleColumn(_) => "file_double_column",
            Self::TooWide(_) => "file_too_wide",
            Self::Packed { .. } => "file_packed",
            Self::NoUnits { .. } => "file_no_units",
            Self::Unreadable { .. } => "file_unreadable",
        }
    }
}

/// First bytes of formats people drop by mistake.
const MAGICS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive inside another"),
    (b"\x1f\x8b", "gzip inside another"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"SQLite format 3", "an SQLite database"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
];

/// How far into a file a decision about it looks.
pub(crate) const HEAD: usize = 64 * 1024;

/// The file as text, and the byte it begins at behind its byte-order mark: UTF-16 is made UTF-8, bytes that are
/// neither are left for the reader, cell by cell. Read from its beginning.
pub(crate) fn to_text(mut text: Text) -> Result<(Text, u64), FileProblem> {
    let head = text.head(HEAD)?;
    let start = head
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .unwrap_or(0);
    for (magic, found) in MAGICS {
        if head[start..].len() >= magic.len()
            && head[start..start + magic.len()].eq_ignore_ascii_case(magic)
        {
            return Err(FileProblem::WrongMagic { found });
        }
    }
    let (encoding, mark) = match head.as_slice() {
        [0xff, 0xfe, ..] => (Some(encoding_rs::UTF_16LE), 2),
        [0xfe, 0xff, ..] => (Some(encoding_rs::UTF_16BE), 2),
        [0xef, 0xbb, 0xbf, ..] => (None, 3),
        _ => (None, 0),
    };
    if let Some(encoding) = encoding {
        if text.size().map_err(|error| unusable(&error))? % 2 == 1 {
            return Err(FileProblem::Truncated {
                encoding: encoding.name(),
            });
        }
        return Ok((transcoded(text.from(mark)?, encoding)?, 0));
    }
    if head.contains(&0) {
        return Err(FileProblem::Binary);
    }
    Ok((text, mark))
}

/// As UTF-8 without a byte-order mark; where the whole is not, in what XML declares itself, else in Windows-1252, as for a single
/// cell.
pub(crate) fn as_utf8(text: Text, start: u64) -> Result<Text, FileProblem> {
    let mut text = text.from(start)?;
    let sound = is_utf8(&mut text.buffered()).map_err(|error| unusable(&error))?;
    let mut text = text.from(start)?;
    match (sound, start) {
        (true, 0) => Ok(text),
        (true, _) => transcoded(text, encoding_rs::UTF_8),
        (false, _) => {
            let declared = declared(&text.head(DECLARATION)?)?;
            let text = text.from(start)?;
            transcoded(text, declared.unwrap_or(encoding_rs::WINDOWS_1252))
        }
    }
}

/// It says itself what it is written in, by a byte-order mark.
pub(crate) fn is_marked(text: &mut Text) -> bool {
    let head = text.head(3).unwrap_or_default();
    matches!(
        head.as_slice(),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0xef, 0xbb, 0xbf]
    )
}

/// In what the mapping says that a file is written.
pub(crate) fn as_told(text: Text, label: &str) -> Result<Text, FileProblem> {
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) => match decoded(text, encoding)? {
            (text, false) => Ok(text),
            (_, true) => Err(FileProblem::NotIn(label.to_owned())),
        },
        None => Err(FileProblem::Encoding(label.to_owned())),
    }
}

/// An XML declaration has its place in the first line.
const DECLARATION: usize = 200;

/// `<?xml version="1.0" encoding="windows-1250"?>` (XML 1.0, 4.3.3). UTF-8, which the bytes are not, is no word on them.
fn declared(head: &[u8]) -> Result<Option<&'static Encoding>, FileProblem> {
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let label = head.trim_start().strip_prefix("<?xml").and_then(|rest| {
        let (declaration, _) = rest.split_once("?>")?;
        let (_, said) = declaration.split_once("encoding")?;
        let said = said.trim_start().strip_prefix('=')?.trim_start();
        said.get(1..)?.split(['"', '\'']).next()
    });
    let Some(label) = label else {
        return Ok(None);
    };
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(None),
        Some(encoding) => Ok(Some(encoding)),
        None => Err(FileProblem::Encoding(label.to_owned())),
    }
}

fn is_utf8(text: &mut impl BufRead) -> std::io::Result<bool> {
    // A character may be cut by the end of a chunk; it has three bytes there at most.
    let mut cut: Vec<u8> = Vec::new();
    loop {
        let chunk = text.fill_buf()?;
        let count = chunk.len();
        if count == 0 {
            return Ok(cut.is_empty());
        }
        cut.extend_from_slice(chunk);
        match std::str::from_utf8(&cut) {
            Ok(_) => cut.clear(),
            Err(error) if error.error_len().is_some() => return Ok(false),
            Err(error) => {
                cut.drain(..error.valid_up_to());
            }
        }
        text.consume(count);
    }
}

fn transcoded(text: Text, encoding: &'static Encoding) -> Result<Text, FileProblem> {
    Ok(decoded(text, encoding)?.0)
}

/// As UTF-8, and whether there were bytes that are no character.
fn decoded(mut text: Text, encoding: &'static Encoding) -> Result<(Text, bool), FileProblem> {
    let empty = text.made(|_| Ok(()))?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut from = text.buffered();
    let mut wrong = false;
    let text = empty.made(|into| {
        let mut decoded = String::with_capacity(2 * CHUNK);
        loop {
            let chunk = from.fill_buf().map_err(|error| unusable(&error))?;
            let (count, last) = (chunk.len(), chunk.is_empty());
            let (mut read, mut done) = (0, false);
            while !done {
                let (result, more, replaced) =
                    decoder.decode_to_string(&chunk[read..], &mut decoded, last);
                wrong |= replaced;
                read += more;
                done = result == encoding_rs::CoderResult::InputEmpty;
                into.write_all(decoded.as_bytes())
                    .map_err(|error| unusable(&error))?;
                decoded.clear();
            }
            from.consume(count);
            if last {
                return Ok(());
            }
        }
    })?;
    Ok((text, wrong))
}

/// The delimiter that splits the first line most; a comma when nothing does.
pub(crate) fn delimiter(text: &[u8]) -> u8 {
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|b| {
                quoted ^= **b == b'"';
                !quoted && **b == wanted
            })
            .count()
    };
    [b',', b'\t', b'|', b';']
        .into_iter()
        .rev()
        .max_by_key(|candidate| count(*candidate))
        .filter(|best| count(*best) > 0)
        .unwrap_or(b',')
}

/// UTF-8 when it is, else Windows-1252, which every byte is.
pub(crate) fn decode(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_table_is_refused_by_name() {
        let rule = |bytes: &[u8]| to_text(Text::in_memory(bytes.to_vec())).unwrap_err().rule();
        assert_eq!(rule(b"PK\x03\x04rest"), "file_wrong_magic");
        assert_eq!(rule(b"\n<html><body>404"), "file_wrong_magic");
        assert_eq!(rule(b"vin\0stock"), "file_binary");
        assert_eq!(rule(b"\xff\xfea\0b"), "file_truncated");
    }

    #[test]
    fn the_delimiter_is_found_outside_quotes() {
        assert_eq!(delimiter(b"a,b,c\n1|2|3|4|5"), b',');
        assert_eq!(delimiter(b"\"a,b,c\"|d|e"), b'|');
        assert_eq!(delimiter(b"a\tb\tc"), b'\t');
        assert_eq!(delimiter(b"alone"), b',');
    }

    #[test]
    fn utf16_and_windows_1252_are_read() {
        let wide: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("é,b".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let (mut text, start) = to_text(Text::in_memory(wide)).unwrap();
        assert_eq!((text.head(99).unwrap(), start), ("é,b".into(), 0));
        // A character that two chunks share.
        let long = format!("{}é", "x".repeat(CHUNK - 1));
        for (bytes, said) in [
            (long.clone().into_bytes(), long),
            (b"caf\xe9".to_vec(), "café".to_owned()),
            ("caf\u{e9}".into(), "café".to_owned()),
            (b"x\xc3".to_vec(), "xÃ".to_owned()),
        ] {
            let mut text = as_utf8(Text::in_memory(bytes), 0).unwrap();
            assert_eq!(text.head(usize::MAX).unwrap(), said.as_bytes());
        }
        let declared = |label: &str, word: &[u8]| {
            let head = format!("<?xml version=\"1.0\" encoding='{label}'?><a>");
            let bytes = [head.as_bytes(), word].concat();
            let mut text = as_utf8(Text::in_memory(bytes), 0)?;
            let text = String::from_utf8(text.head(usize::MAX)?).unwrap();
            Ok::<_, FileProblem>(text[head.len()..].to_owned())
        };
        assert_eq!(declared("windows-1250", b"\xafy").unwrap(), "Ży");
        assert_eq!(declared("UTF-8", b"caf\xe9").unwrap(), "café");
        // Who declares what he does not write is read as he writes.
        assert_eq!(declared("iso-8859-1", "é".as_bytes()).unwrap(), "é");
        let unknown = declared("klingon", b"\xaf").unwrap_err();
        assert_eq!(unknown.rule(), "file_encoding");
        let mut told = as_told(Text::in_memory(b"\xafy".to_vec()), "windows-1250").unwrap();
        assert_eq!(told.head(9).unwrap(), "Ży".as_bytes());
        let wrong = as_told(Text::in_memory(b"\xafy".to_vec()), "utf-8").unwrap_err();
        assert!(
            wrong.to_string().contains("not written in \"utf-8\""),
            "{wrong}"
        );
        assert_eq!(decode(b"caf\xe9"), "café");
    }
}
