//! A file that is rotated, watched and repaired, so that lines survive what happens to it.
//!
//! - **Parts.** Before a line that would make it too long, or when it is too old, the file is renamed (`names`) and
//!   begun anew; `keeper` compresses and deletes the ended parts. A restart carries on in the same file, behind what is
//!   there: the new run's `hello` separates them, and readers that follow the file need nothing special.
//! - **Moved, deleted or emptied underneath** (logrotate): noticed once a second and at [`Target::look`] by force, and
//!   begun anew. Lines are appended, so what is emptied by copytruncate is written from its new start; those of the
//!   moment before that is noticed stand before its `hello`.
//! - **Whole lines.** A kill cuts a write(2) only between pages: the kernel looks for a fatal signal before it copies
//!   into each page of the file (`generic_perform_write`, `iomap_write_iter`), and the file has grown by then. So a line
//!   is written behind as many spaces as keep it off the end of a page, and a line of up to a page is never torn. A
//!   longer one has to cross: between its pages, about a microsecond, there is a half of it, and no order of writes can
//!   help, as a file grows at its end only. Such a torn line is cut off at the next start.
//! - **The disk** is waited for when a part has ended and at the end, not with each batch: a power cut may cost the last
//!   lines, a kill does not.

mod active;
mod floor;
mod keeper;
mod names;

use crate::sink::writer::PAGE;
use crate::sink::writer::target::{Outlook, Place, Target};
use active::Active;
use keeper::Keeper;
use names::Series;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Where a rotated file is, and when and how it is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateOptions {
    /// The file that is written to; ended parts lie beside it.
    pub path: PathBuf,
    /// No line makes a part longer than that, unless it is the first behind `hello`.
    pub max_bytes: Option<u64>,
    /// A part that began so long ago ends before the next line.
    pub max_age: Option<Duration>,
    /// Ended parts that are kept.
    pub keep: u32,
    /// Compress ended parts with gzip.
    pub compress: bool,
    /// Bytes to leave free on the file system: with less, events are left out, and with less than a tenth of that
    /// findings wait. 0: all may be used.
    pub floor_bytes: u64,
}

/// The file that [`RotateOptions`] describe.
#[derive(Debug)]
pub(super) struct RotatedFile {
    options: RotateOptions,
    series: Series,
    active: Active,
    /// When the part began.
    since: Option<jiff::Timestamp>,
    is_too_old: bool,
    is_short: bool,
    looked: Option<jiff::Timestamp>,
    keeper: Keeper,
}

impl RotatedFile {
    pub(super) fn open(options: RotateOptions) -> io::Result<Self> {
        let series = Series::of(&options.path)?;
        let active = Active::open(&options.path)?;
        Ok(Self {
            keeper: Keeper::start(series.clone(), options.keep, options.compress)?,
            series,
            since: active.since,
            active,
            is_too_old: false,
            is_short: false,
            looked: None,
            options,
        })
    }

    /// Whether a file had to be begun because this one was moved, deleted or cut.
    fn follow(&mut self) -> io::Result<bool> {
        let path = self.options.path.display();
        if !self.active.is_at(&self.options.path)? {
            if self.active.is_deleted() {
                tracing::warn!(%path, "the output was deleted; it is begun anew");
            } else {
                tracing::info!(%path, "the output was moved; it is begun anew");
            }
            self.begin()?;
            return Ok(true);
        }
        let length = self.active.real_length()?;
        if length < self.active.length {
            tracing::info!(%path, "the output was cut by somebody else; it is carried on from there");
            self.begin()?;
            return Ok(true);
        }
        self.active.length = length;
        Ok(false)
    }

    /// Opens what is at the path now.
    fn begin(&mut self) -> io::Result<()> {
        let active = Active::open(&self.options.path)?;
        self.since = active.since;
        self.is_too_old = false;
        self.keeper
            .take(std::mem::replace(&mut self.active, active).into_file());
        Ok(())
    }

    fn age(&mut self, now: jiff::Timestamp) {
        if self.active.length == 0 {
            self.since = Some(now);
        }
        let since = *self.since.get_or_insert(now);
        let max_age = self.options.max_age;
        self.is_too_old = max_age.is_some_and(|max| now.duration_since(since).unsigned_abs() >= max && now > since);
    }
}

impl Target for RotatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.active.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn look(&mut self, now: jiff::Timestamp, force: bool) -> io::Result<Outlook> {
        let is_recent = |looked: jiff::Timestamp| now.duration_since(looked).unsigned_abs() < LOOK;
        let mut is_new = false;
        if force || !self.looked.is_some_and(is_recent) {
            self.is_short = floor::is_short(self.active.file(), self.options.floor_bytes)?;
            is_new = self.follow()?;
            self.looked = Some(now);
        }
        self.age(now);
        Ok(Outlook {
            is_new,
            is_short: self.is_short,
        })
    }

    fn place(&self, waiting: usize, bytes: usize) -> Place {
        let indent = indent(self.active.length, waiting, bytes);
        let length = self.active.length.saturating_add(as_bytes(waiting));
        let longer = length.saturating_add(as_bytes(indent.saturating_add(bytes)));
        let is_too_long = self.options.max_bytes.is_some_and(|max| longer > max);
        if length > 0 && (is_too_long || self.is_too_old) {
            Place::NextPart
        } else {
            Place::Here { indent }
        }
    }

    fn next_part(&mut self, now: jiff::Timestamp, part: u32) -> io::Result<()> {
        if self.active.is_at(&self.options.path)? {
            std::fs::rename(&self.options.path, self.series.free_name(now, part)?)?;
        }
        self.begin()?;
        self.since = Some(now);
        Ok(())
    }

    fn take_back(&mut self, bytes: usize) -> bool {
        self.active.take_back(as_bytes(bytes))
    }

    fn finish(&mut self) {
        if let Err(error) = self.active.sync() {
            let path = self.options.path.display();
            tracing::warn!(%path, %error, "the end of the output may not be on the disk");
        }
    }
}

/// Spaces before a line so that it crosses no end of a page that it need not cross.
fn indent(length: u64, waiting: usize, bytes: usize) -> usize {
    let in_page = usize::try_from(length % as_bytes(PAGE)).unwrap_or(0);
    let before = (in_page + waiting) % PAGE;
    if (before + bytes).div_ceil(PAGE) > bytes.div_ceil(PAGE) {
        PAGE - before
    } else {
        0
    }
}

fn as_bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// How often it is looked whether the file is still there.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
