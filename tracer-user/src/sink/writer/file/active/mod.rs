//! The file that lines are added to.

use crate::sink::jsonl;
use crate::sink::writer::PAGE;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A regular file that ends with a whole line, opened to append.
#[derive(Debug)]
pub(super) struct Active {
    file: File,
    /// Its length, as far as we know.
    pub(super) length: u64,
    /// Device and inode.
    identity: (u64, u64),
    /// The time of its first line, where it has one.
    pub(super) since: Option<jiff::Timestamp>,
}

impl Active {
    /// Opens the file, or creates one that only its owner reads. What is in it stays, except for a last line without
    /// its end, which was never whole. A file that conntracer did not write is refused.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Opening a pipe would wait for its reader.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(refusal("it is no regular file: lines can be rotated only in one"));
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let there = file.metadata()?;
        let length = repair(&file, there.len(), path)?;
        Ok(Self {
            since: time_of_first_line(&file),
            length,
            identity: identity(&there),
            file,
        })
    }

    /// Whether this is the file at `path`.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(there) => Ok(identity(&there) == self.identity),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Its length by the kernel, which others may have changed.
    pub(super) fn real_length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    /// Cuts off the last `bytes` that were written, unless somebody else has changed the file since.
    pub(super) fn take_back(&mut self, bytes: u64) -> bool {
        let Some(length) = self.length.checked_sub(bytes) else {
            return false;
        };
        let is_cut = self.real_length().is_ok_and(|real| real == self.length) && self.file.set_len(length).is_ok();
        if is_cut {
            self.length = length;
        }
        is_cut
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// Cuts off a last line without its end; returns the length that is left.
fn repair(file: &File, length: u64, path: &Path) -> io::Result<u64> {
    if !begins_as_ours(file)? {
        return Err(refusal("conntracer did not write it: name another file, or remove it"));
    }
    let end = end_of_last_line(file, length)?;
    if end < length {
        file.set_len(end)?;
        let bytes = length - end;
        tracing::warn!(path = %path.display(), bytes, "the last line was not written whole and is cut off");
    }
    Ok(end)
}

/// Whether it begins with a line of ours, or with as much as there is of one. A power cut may leave zeros.
fn begins_as_ours(file: &File) -> io::Result<bool> {
    let mut start = [0; PAGE];
    let read = file.read_at(&mut start, 0)?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let text = start.iter().take(read).skip_while(|byte| is_blank(byte));
    Ok(text.zip(HEAD).all(|(byte, head)| byte == head))
}

/// Where the last line ends; 0 where there is none.
fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.resize(usize::try_from(end - start).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut block, start)?;
        let newline = (1..).zip(&block).filter(|(_, byte)| **byte == b'\n').last();
        if let Some((after, _)) = newline {
            return Ok(start + after);
        }
        end = start;
    }
    Ok(0)
}

fn time_of_first_line(file: &File) -> Option<jiff::Timestamp> {
    let mut start = Vec::new();
    let mut begin = file.take(u64::try_from(jsonl::LINE + PAGE).ok()?);
    begin.read_to_end(&mut start).ok()?;
    let line = start.split(|byte| *byte == b'\n').next()?;
    let line = jsonl::read(line).ok()?;
    Some(line.clock.wall(line.at))
}

fn identity(there: &Metadata) -> (u64, u64) {
    (there.dev(), there.ino())
}

fn refusal(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

/// What every line of ours begins with, but for spaces.
const HEAD: &[u8] = b"{\"v\":";
/// What is read of it at a time.
const BLOCK: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
