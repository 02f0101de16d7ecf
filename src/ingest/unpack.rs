//! Compressed files, within bounds: a bomb is refused before it is unpacked.

use crate::sniff::FileProblem;
use crate::text::{CHUNK, Text, unusable};
use domain::file_name;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, Read, Seek, SeekFrom, Write};
use zip::ZipArchive;

/// What a file may come to, unpacked.
pub(crate) const LARGEST: u64 = 4 * 1024 * 1024 * 1024;
/// Text shrinks to a tenth or a twentieth. More than this, beyond a few megabytes, is made to hurt.
const MOST_TIMES: u64 = 200;
const SMALL: u64 = 4 * 1024 * 1024;
/// One is wanted; some systems put folders and notes beside it.
const MOST_ENTRIES: u16 = 1_000;
/// The end record and the longest comment behind it.
const END_AT_MOST: u64 = 22 + 65_535;

/// The one file inside gzip or zip, of several the one that the mapping names; anything else as it is.
pub(crate) fn unpack(mut text: Text, zip_file: Option<&str>) -> Result<Text, FileProblem> {
    let head = text.head(4)?;
    let packed = text.size().map_err(|error| unusable(&error))?;
    let most = packed.saturating_mul(MOST_TIMES).clamp(SMALL, LARGEST);
    if head.starts_with(b"\x1f\x8b") {
        let empty = text.made(|_| Ok(()))?;
        let from = MultiGzDecoder::new(text.buffered());
        return empty.made(|into| copy(from, into, packed, most, "gzip"));
    }
    if head.starts_with(b"PK\x03\x04") {
        return unzip(text, packed, most, zip_file);
    }
    Ok(text)
}

fn unzip(text: Text, packed: u64, most: u64, zip_file: Option<&str>) -> Result<Text, FileProblem> {
    let broken = |problem: String| FileProblem::Packed {
        form: "zip",
        problem,
    };
    let empty = text.made(|_| Ok(()))?;
    let mut text = text;
    if entries(&mut text)?.is_none_or(|entries| entries > MOST_ENTRIES) {
        return Err(broken(format!(
            "it says that it holds more than {MOST_ENTRIES} files, or does not say"
        )));
    }
    let mut archive = ZipArchive::new(text).map_err(|error| broken(error.to_string()))?;
    let all: Result<Vec<String>, _> = archive
        .file_names()
        .map(|name| name.map(std::borrow::Cow::into_owned))
        .collect();
    let mut names = all.map_err(|error| broken(error.to_string()))?;
    names.retain(|name| !is_clutter(name));
    if names.iter().any(|name| name == "[Content_Types].xml") {
        return Err(FileProblem::WrongMagic {
            found: "an Excel workbook",
        });
    }
    let name = wanted(&names, zip_file).map_err(broken)?;
    let file = archive
        .by_name(name)
        .map_err(|error| broken(error.to_string()))?;
    empty.made(|into| copy(file, into, packed, most, "zip"))
}

/// What systems put into archives by themselves: folders, notes of Macs and of Windows.
fn is_clutter(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let clutter = ["thumbs.db", "desktop.ini"];
    last.is_empty()
        || last.starts_with('.')
        || name.starts_with("__MACOSX/")
        || clutter.contains(&last.to_ascii_lowercase().as_str())
}

/// The only one, or the only one of its name, in whatever folder it lies.
fn wanted<'a>(names: &'a [String], zip_file: Option<&str>) -> Result<&'a str, String> {
    let of_name = |name: &&String| match zip_file {
        Some(pattern) => {
            let last = name.rsplit('/').next().unwrap_or(name);
            file_name::matches(pattern, name) || file_name::matches(pattern, last)
        }
        None => true,
    };
    let found: Vec<&String> = names.iter().filter(of_name).collect();
    if let [name] = found.as_slice() {
        return Ok(name);
    }
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let (all, shown) = (names.len(), shown.join(", "));
    Err(match zip_file {
        None if names.is_empty() => "it holds no file".to_owned(),
        None => {
            format!("it holds {all} files ({shown}); the mapping says which is meant (zip_file)")
        }
        Some(pattern) => {
            let found = found.len();
            format!("{found} of its {all} files ({shown}) are called {pattern:?}, one is expected")
        }
    })
}

/// What the archive's end says that it holds, before anybody reads a list of it (APPNOTE 4.3.16).
fn entries(text: &mut Text) -> Result<Option<u16>, FileProblem> {
    let size = text.size().map_err(|error| unusable(&error))?;
    let from = size.saturating_sub(END_AT_MOST);
    let mut end = Vec::new();
    text.seek(SeekFrom::Start(from))
        .and_then(|_| text.read_to_end(&mut end))
        .and_then(|_| text.rewind())
        .map_err(|error| unusable(&error))?;
    let place = end.windows(4).rposition(|four| four == b"PK\x05\x06");
    // A file of at most 4 GiB needs no zip64, whose own record may tell more files than this one (APPNOTE 4.4.1.4).
    let zip64 = place.is_some_and(|place| {
        let sizes = end.get(place + 12..place + 20).unwrap_or_default();
        let before = place
            .checked_sub(20)
            .and_then(|from| end.get(from..from + 4));
        sizes.chunks(4).any(|four| four == [0xFF; 4]) || before == Some(b"PK\x06\x07")
    });
    if zip64 {
        return Err(FileProblem::Packed {
            form: "zip",
            problem: "it is a zip64 archive, which a file of this size need not be".to_owned(),
        });
    }
    let told = place.and_then(|place| end.get(place + 10..place + 12));
    Ok(told.and_then(|two| Some(u16::from_le_bytes(two.try_into().ok()?))))
}

fn copy(
    mut from: impl Read,
    into: &mut impl Write,
    packed: u64,
    most: u64,
    form: &'static str,
) -> Result<(), FileProblem> {
    let mut chunk = vec![0; CHUNK];
    let mut have = 0;
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(FileProblem::Packed {
                    form,
                    problem: error.to_string(),
                });
            }
        };
        have += u64::try_from(count).unwrap_or(u64::MAX);
        if have > most {
            return Err(FileProblem::Packed {
                form,
                problem: format!("{packed} bytes unpack to more than {most}"),
            });
        }
        into.write_all(&chunk[..count])
            .map_err(|error| unusable(&error))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Cursor;
    use zip::write::SimpleFileOptions;

    #[test]
    fn a_zip_that_tells_its_files_elsewhere_is_refused() {
        let mut bytes = zipped(&[("a.csv", b"a,b\n1,2\n")]);
        let end = bytes.len() - 22;
        bytes[end + 16..end + 20].copy_from_slice(&[0xFF; 4]);
        assert!(unpack(bytes).unwrap_err().to_string().contains("zip64"));
    }

    fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, FileProblem> {
        unpack_one(bytes, None)
    }

    fn unpack_one(bytes: Vec<u8>, zip_file: Option<&str>) -> Result<Vec<u8>, FileProblem> {
        let mut text = super::unpack(Text::in_memory(bytes), zip_file)?;
        text.head(usize::MAX)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn the_one_file_inside_is_read() {
        let text = b"VIN,Stock\n1,2\n";
        assert_eq!(unpack(gzip(text)).unwrap(), text);
        let mac: &[(&str, &[u8])] = &[
            ("stock.csv", text),
            ("__MACOSX/._stock.csv", b"x"),
            ("export/.DS_Store", b"x"),
            ("export/Thumbs.db", b"x"),
        ];
        assert_eq!(unpack(zipped(mac)).unwrap(), text);
        assert_eq!(unpack(text.to_vec()).unwrap(), text);
        // Two gzip members, one after the other, are one file (RFC 1952, 2.2).
        let both = [gzip(b"VIN,Stock\n"), gzip(b"1,2\n")].concat();
        assert_eq!(unpack(both).unwrap(), text);
    }

    #[test]
    fn of_several_the_one_that_the_mapping_names_is_read() {
        let text = b"VIN,Stock\n1,2\n";
        let all: &[(&str, &[u8])] = &[
            ("export/Vehicles-20261127.csv", text),
            ("export/photos-20261127.csv", b"x"),
            ("README.txt", b"x"),
        ];
        let named = |pattern: &str| unpack_one(zipped(all), Some(pattern));
        assert_eq!(named("vehicles*.csv").unwrap(), text);
        assert_eq!(named("export/v*").unwrap(), text);
        let refused = named("*.csv").unwrap_err().to_string();
        assert!(refused.contains("2 of its 3 files"), "{refused}");
        let refused = named("stock*").unwrap_err().to_string();
        assert!(refused.contains("called \"stock*\""), "{refused}");
        assert_eq!(
            unpack_one(zipped(&[("a.csv", text)]), Some("b*"))
                .unwrap_err()
                .rule(),
            "file_packed"
        );
    }

    #[test]
    fn bombs_cut_files_and_archives_of_many_are_refused_by_name() {
        let bomb = vec![b' '; 40 * 1024 * 1024];
        for packed in [gzip(&bomb), zipped(&[("stock.csv", &bomb)])] {
            let refused = unpack(packed).unwrap_err().to_string();
            assert!(refused.contains("unpack to more than"), "{refused}");
        }
        let whole = gzip(b"VIN,Stock\n1,2\n");
        let cut = unpack(whole[..whole.len() - 6].to_vec()).unwrap_err();
        assert_eq!(cut.rule(), "file_packed");
        let many: &[(&str, &[u8])] = &[("a.csv", b"a"), ("b.csv", b"b")];
        let refused = unpack(zipped(many)).unwrap_err().to_string();
        assert!(refused.contains("2 files (a.csv, b.csv)"), "{refused}");
        let sheet: &[(&str, &[u8])] = &[("[Content_Types].xml", b"<x/>"), ("xl/a.xml", b"<x/>")];
        assert_eq!(
            unpack(zipped(sheet)).unwrap_err().rule(),
            "file_wrong_magic"
        );
    }
}
