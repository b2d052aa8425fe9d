//! Where lines go.

use std::io;

/// A place for lines. All but `write` and `flush` is for files that are rotated: a plain stream has none of it.
pub(super) trait Target: Send {
    /// As [`io::Write::write`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// As [`io::Write::flush`].
    fn flush(&mut self) -> io::Result<()>;

    /// Looks what became of the place, before lines of about `now` are written: at most once a second, unless `force`.
    fn look(&mut self, now: jiff::Timestamp, force: bool) -> io::Result<Outlook> {
        let _ = (now, force);
        Ok(Outlook::default())
    }

    /// Where a line of `bytes` belongs, behind `waiting` bytes that are not written yet.
    fn place(&self, waiting: usize, bytes: usize) -> Place {
        let _ = (waiting, bytes);
        Place::Here { indent: 0 }
    }

    /// Ends the file, which is the run's part of this number, and begins the next one.
    fn next_part(&mut self, now: jiff::Timestamp, part: u32) -> io::Result<()> {
        let _ = (now, part);
        Ok(())
    }

    /// Takes the last `bytes` back, the beginning of a line that could not be written whole; false if that cannot be.
    fn take_back(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        false
    }

    /// After the last line.
    fn finish(&mut self) {}
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// A file was begun, in which nothing of this run is written.
    pub(super) is_new: bool,
    /// There is so little room that events have to be left out.
    pub(super) is_short: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Here, behind that many spaces.
    Here { indent: usize },
    /// In the next part.
    NextPart,
}

/// A pipe, a terminal, a socket, or a file that is written once.
pub(super) struct Stream(pub(super) Box<dyn io::Write + Send>);

impl Target for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
