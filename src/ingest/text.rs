//! A file's bytes, in memory or on disk: read again and again, never held twice.
//!
//! What is made of them on the way (unpacked, decoded, put into a table) lies where they lie, so that a file of
//! gigabytes costs no more memory than one of kilobytes.

use crate::sniff::FileProblem;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Read and written at once.
pub(crate) const CHUNK: usize = 256 * 1024;

#[derive(Debug)]
pub struct Text(Place);

#[derive(Debug)]
enum Place {
    Memory(Cursor<Vec<u8>>),
    /// A file without a name, gone when it is closed, and the folder for more of them.
    Disk(File, PathBuf),
}

impl Text {
    pub fn in_memory(bytes: Vec<u8>) -> Self {
        Self(Place::Memory(Cursor::new(bytes)))
    }

    /// An empty one on disk; it has no name, so a crash leaves nothing behind.
    pub fn on_disk(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self(Place::Disk(file, folder.to_owned())))
    }

    /// Filled by `write`, in the same kind of place as this one, and read from its beginning.
    pub(crate) fn made(
        &self,
        write: impl FnOnce(&mut BufWriter<Self>) -> Result<(), FileProblem>,
    ) -> Result<Self, FileProblem> {
        let empty = match &self.0 {
            Place::Memory(_) => Self::in_memory(Vec::new()),
            Place::Disk(_, folder) => Self::on_disk(folder).map_err(|e| unusable(&e))?,
        };
        let mut writer = BufWriter::with_capacity(CHUNK, empty);
        write(&mut writer)?;
        let full = writer
            .into_inner()
            .map_err(|error| unusable(error.error()))?;
        full.from(0)
    }

    /// Read from this byte on.
    pub(crate) fn from(mut self, byte: u64) -> Result<Self, FileProblem> {
        self.seek(SeekFrom::Start(byte)).map_err(|e| unusable(&e))?;
        Ok(self)
    }

    pub fn size(&mut self) -> io::Result<u64> {
        let at = self.stream_position()?;
        let end = self.seek(SeekFrom::End(0))?;
        self.seek(SeekFrom::Start(at))?;
        Ok(end)
    }

    /// The first bytes, as many as there are up to `most`; read from its beginning afterwards.
    pub(crate) fn head(&mut self, most: usize) -> Result<Vec<u8>, FileProblem> {
        let mut head = Vec::new();
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        self.rewind()
            .and_then(|()| Read::by_ref(self).take(most).read_to_end(&mut head))
            .and_then(|_| self.rewind())
            .map_err(|error| unusable(&error))?;
        Ok(head)
    }

    pub(crate) fn buffered(&mut self) -> BufReader<&mut Self> {
        BufReader::with_capacity(CHUNK, self)
    }
}

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Place::Memory(bytes) => bytes.read(into),
            Place::Disk(file, _) => file.read(into),
        }
    }
}

impl Write for Text {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Place::Memory(bytes) => bytes.write(from),
            Place::Disk(file, _) => file.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Text {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Place::Memory(bytes) => bytes.seek(to),
            Place::Disk(file, _) => file.seek(to),
        }
    }
}

/// Our own disk, not the dealer's file.
pub(crate) fn unusable(error: &io::Error) -> FileProblem {
    FileProblem::Unreadable {
        row: 0,
        problem: error.to_string(),
    }
}

/// Hands on at most so much until more is allowed: one unit of a file must not fill the memory.
pub(crate) struct Bounded<R> {
    inner: R,
    share: Share,
}

#[derive(Clone)]
pub(crate) struct Share {
    most: Rc<Cell<usize>>,
    left: Rc<Cell<usize>>,
}

impl Share {
    /// So many bytes from here on.
    pub(crate) fn allow(&self, most: usize) {
        self.most.set(most);
        self.left.set(most);
    }
}

impl<R: BufRead> Bounded<R> {
    pub(crate) fn new(inner: R, most: usize) -> Self {
        let share = Share {
            most: Rc::new(Cell::new(most)),
            left: Rc::new(Cell::new(most)),
        };
        Self { inner, share }
    }

    pub(crate) fn share(&self) -> Share {
        self.share.clone()
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let count = have.len().min(into.len());
        into[..count].copy_from_slice(&have[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let have = self.inner.fill_buf()?;
        let left = self.share.left.get();
        if left == 0 && !have.is_empty() {
            let problem = format!("more than {} bytes of one unit", self.share.most.get());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(&have[..have.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        let left = self.share.left.get().saturating_sub(count);
        self.share.left.set(left);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_a_file_lies_where_the_file_lies() {
        let folder = std::env::temp_dir();
        for mut text in [
            Text::in_memory(b"abc".to_vec()),
            Text::on_disk(&folder).unwrap(),
        ] {
            let on_disk = matches!(text.0, Place::Disk(..));
            if on_disk {
                text.write_all(b"abc").unwrap();
            }
            assert_eq!(text.head(2).unwrap(), b"ab");
            assert_eq!(text.size().unwrap(), 3);
            let made = text.made(|writer| writer.write_all(b"xyz").map_err(|e| unusable(&e)));
            let mut made = made.unwrap();
            assert_eq!(matches!(made.0, Place::Disk(..)), on_disk);
            assert_eq!(made.head(9).unwrap(), b"xyz");
            let mut rest = String::new();
            made.from(1).unwrap().read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "yz");
        }
    }

    #[test]
    fn one_unit_cannot_take_more_than_its_share() {
        let mut bounded = Bounded::new(&b"0123456789"[..], 4);
        let mut four = [0; 4];
        bounded.read_exact(&mut four).unwrap();
        assert!(bounded.read_exact(&mut four).is_err());
        bounded.share().allow(4);
        bounded.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"4567");
    }
}
