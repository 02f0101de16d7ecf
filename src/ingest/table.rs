//! A dealer's file as a table of text: unpacked, decoded, put flat, and looked through once for what would make
//! every row after it wrong.

use crate::flat::{self, Form};
use crate::mapping::Mapping;
use crate::reader::Reader;
use crate::sniff::{self, FileProblem, HEAD};
use crate::text::{Text, unusable};
use crate::unpack::unpack;
use std::io::BufRead;

#[derive(Debug)]
pub struct Table {
    pub(crate) text: Text,
    /// Where it begins, behind a byte-order mark.
    pub(crate) start: u64,
    pub(crate) delimiter: u8,
    /// Made of XML or JSON: what repeats in a unit is joined by `|`.
    pub(crate) flat: bool,
    /// Where, counted from `start`, a quote closes in the midst of a cell that began lines before: whatever stands between
    /// are rows of their own.
    pub(crate) torn: Vec<u64>,
    /// Its last line has an end.
    pub(crate) ended: bool,
}

/// What need not be found by looking.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    pub zip_file: Option<&'a str>,
    pub encoding: Option<&'a str>,
    pub delimiter: Option<u8>,
    pub unit: Option<&'a str>,
    pub skip_lines: u8,
}

/// A longer one is a quote that was never closed, or a file without lines; it would be held in memory.
const LONGEST_RECORD: u64 = 16 * 1024 * 1024;

impl Table {
    pub fn of(text: Text, mapping: &Mapping) -> Result<Self, FileProblem> {
        let told = Told {
            zip_file: mapping.zip_file.as_deref(),
            encoding: mapping.encoding.as_deref(),
            delimiter: mapping.delimiter.and_then(|c| u8::try_from(c).ok()),
            unit: mapping.unit.as_deref(),
            skip_lines: mapping.skip_lines,
        };
        Self::in_form(text, told)
    }

    /// The same for a file of which less is known, or nothing.
    pub(crate) fn in_form(text: Text, told: Told<'_>) -> Result<Self, FileProblem> {
        let Told {
            zip_file,
            encoding,
            mut delimiter,
            unit,
            skip_lines,
        } = told;
        let mut text = unpack(text, zip_file)?;
        if let Some(encoding) = encoding.filter(|_| !sniff::is_marked(&mut text)) {
            text = sniff::as_told(text, encoding)?;
        }
        let (mut text, mut start) = sniff::to_text(text)?;
        let head = text.head(HEAD)?;
        let head = head.get(usize::try_from(start).unwrap_or(0)..);
        let mut head = head.unwrap_or_default();
        if let Some((said, length)) = said_first(head) {
            delimiter = delimiter.or(Some(said));
            start += length as u64;
            head = &head[length..];
        }
        let length = titles(head, skip_lines);
        start += length as u64;
        head = &head[length..];
        let mut table = match flat::form(head) {
            Form::Table => {
                let delimiter = delimiter.unwrap_or_else(|| sniff::delimiter(head));
                Self {
                    text,
                    start,
                    delimiter,
                    flat: false,
                    torn: Vec::new(),
                    ended: true,
                }
            }
            form => Self {
                text: flat::to_table(sniff::as_utf8(text, start)?, form, unit)?,
                start: 0,
                delimiter: b',',
                flat: true,
                torn: Vec::new(),
                ended: true,
            },
        };
        table.look_through()?;
        Ok(table)
    }

    /// Its rows, from the first.
    pub fn read(self, mapping: &Mapping) -> Result<Reader, FileProblem> {
        Reader::of(self, mapping)
    }

    /// A quote opens a cell only at its very beginning: `20" wheels` has none.
    fn look_through(&mut self) -> Result<(), FileProblem> {
        self.text =
            std::mem::replace(&mut self.text, Text::in_memory(Vec::new())).from(self.start)?;
        let delimiter = self.delimiter;
        let (mut quoted, mut begins, mut closing) = (false, true, false);
        let (mut row, mut opened, mut length, mut blank) = (0u64, 0u64, 0u64, true);
        let (mut at, mut spans) = (0u64, false);
        let mut text = self.text.buffered();
        loop {
            let chunk = text.fill_buf().map_err(|error| unusable(&error))?;
            let count = chunk.len();
            for &byte in chunk {
                // A quote inside a quoted cell closes it, unless another follows.
                if closing {
                    closing = false;
                    quoted = byte == b'"';
                    if quoted {
                        length += 1;
                        at += 1;
                        continue;
                    }
                    if spans && byte != delimiter && !byte.is_ascii_whitespace() {
                        self.torn.push(at);
                    }
                }
                match byte {
                    b'"' if quoted => closing = true,
                    b'"' if begins => {
                        quoted = true;
                        opened = row;
                    }
                    _ => {}
                }
                let ends = byte == b'\n' || byte == b'\r';
                if ends {
                    spans = quoted;
                }
                self.ended = ends;
                at += 1;
                begins = !quoted && (byte == delimiter || ends);
                row += u64::from(byte == b'\n');
                blank &= byte.is_ascii_whitespace();
                length = if ends && !quoted { 0 } else { length + 1 };
            }
            text.consume(count);
            if count == 0 {
                break;
            }
            if length > LONGEST_RECORD && quoted {
                return Err(FileProblem::OpenQuote { row: opened });
            }
            if length > LONGEST_RECORD {
                return Err(FileProblem::Unreadable {
                    row,
                    problem: format!("more than {LONGEST_RECORD} bytes without the end of a row"),
                });
            }
        }
        drop(text);
        match (blank, quoted && !closing) {
            (true, _) => Err(FileProblem::Empty),
            (_, true) => Err(FileProblem::OpenQuote { row: opened }),
            _ => Ok(()),
        }
    }
}

/// How long so many lines above the header are.
fn titles(head: &[u8], lines: u8) -> usize {
    let ends = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let last = usize::from(lines).checked_sub(1);
    let end = last.and_then(|last| ends.map(|(at, _)| at + 1).nth(last));
    end.unwrap_or(0)
}

/// Excel's line above the header, `sep=;`: the delimiter, and how long the line is.
fn said_first(head: &[u8]) -> Option<(u8, usize)> {
    let said = *head.strip_prefix(b"sep=")?.first()?;
    let rest = head.get(5..)?;
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return None,
    };
    Some((said, 5 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Table, FileProblem> {
        Table::in_form(Text::in_memory(bytes.to_vec()), Told::default())
    }

    #[test]
    fn a_quote_is_closed_by_the_last_of_an_odd_number_wherever_chunks_end() {
        let opened = |text: &str| match of(text.as_bytes()) {
            Ok(_) => None,
            Err(FileProblem::OpenQuote { row }) => Some(row),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(opened("a,b\n\"x\",1\n"), None);
        assert_eq!(opened("a,b\n\"x\"\"y\",1\n"), None);
        assert_eq!(opened("a,b\n20\" wheels,1\n"), None);
        assert_eq!(opened("a,b\n\"x\""), None, "closed by the end");
        assert_eq!(opened("a,b\n1,2\n\"x,1\n2,3\n"), Some(2));
        assert_eq!(opened("a,b\n\"x\"\",1\n"), Some(1));
        // The two quotes of a doubled one, on either side of the end of a chunk.
        let pad = "x".repeat(crate::text::CHUNK - 6);
        assert_eq!(opened(&format!("a,b\n\"{pad}\"\"y\",1\n")), None);
        assert_eq!(opened(&format!("a,b\n\"{pad}\"\"y,1\n")), Some(1));
    }

    #[test]
    fn a_file_that_is_one_line_is_refused_before_it_fills_the_memory() {
        let line = "x,".repeat(usize::try_from(LONGEST_RECORD).unwrap());
        let refused = of(format!("a,b\n{line}").as_bytes()).unwrap_err();
        assert!(
            refused.to_string().contains("without the end of a row"),
            "{refused}"
        );
        assert_eq!(of(b" \n\t\n").unwrap_err(), FileProblem::Empty);
        // A doubled quote at the end of every chunk closes nothing.
        let chunk = crate::text::CHUNK;
        let mut quoted = format!("a,b\n\"{}", "x".repeat(chunk - 6)).into_bytes();
        while quoted.len() < 80 * chunk {
            quoted.extend(b"\"\"");
            quoted.extend(vec![b'x'; chunk - 2]);
        }
        let refused = of(&quoted).unwrap_err();
        assert_eq!(refused, FileProblem::OpenQuote { row: 1 });
    }
}
