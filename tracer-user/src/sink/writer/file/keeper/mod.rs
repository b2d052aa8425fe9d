//! What becomes of ended parts: written to the disk for good, compressed, and deleted when there are too many.
//!
//! A thread of its own at the lowest priority, which reads from the folder what is to be done: so it carries on after a
//! kill, and needs no memory of what it did.

use crate::sink::writer::file::names::{self, Form, Part, Series};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Dropped, it ends soon: parts that are not compressed by then are at the next start.
#[derive(Debug)]
pub(super) struct Keeper {
    ended: Option<SyncSender<File>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(series: Series, keep: u32, compress: bool) -> io::Result<Self> {
        let (sender, ended) = sync_channel(WAITING);
        let stops = Arc::new(AtomicBool::new(false));
        let work = Work {
            series,
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
            compress,
            stops: Arc::clone(&stops),
        };
        let thread = std::thread::Builder::new()
            .name("output-parts".to_owned())
            .spawn(move || work.run(&ended))?;
        Ok(Self {
            ended: Some(sender),
            stops,
            thread: Some(thread),
        })
    }

    /// Takes over a part that nothing more is written to.
    pub(super) fn take(&self, part: File) {
        let sent = self.ended.as_ref().map(|ended| ended.try_send(part));
        if sent.is_none_or(|sent| sent.is_err()) {
            tracing::debug!("parts end faster than the disk takes them: this one is not waited for");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        self.ended = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it would have been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Work {
    series: Series,
    keep: usize,
    compress: bool,
    stops: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, ended: &Receiver<File>) {
        // Of this thread alone: Linux has a priority for each.
        if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
            tracing::debug!(%error, "parts are compressed at the usual priority");
        }
        self.tidy();
        while let Ok(part) = ended.recv() {
            for part in std::iter::once(part).chain(ended.try_iter()) {
                if let Err(error) = part.sync_data() {
                    tracing::warn!(%error, "an ended part of the output may not be on the disk");
                }
            }
            self.tidy();
        }
    }

    fn tidy(&self) {
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let folder = self.series.folder().display();
                    return tracing::warn!(%folder, %error, "ended parts of the output stay as they are");
                }
            }
        }
    }

    /// Deletes what is too much and compresses one part; whether there may be more to do.
    fn step(&self) -> io::Result<bool> {
        let parts = self.whole_parts()?;
        let surplus = parts.len().saturating_sub(self.keep);
        let (surplus, kept) = parts.split_at(surplus);
        delete(surplus)?;
        let plain = kept.iter().find(|part| part.form == Form::Plain);
        match plain.filter(|_| self.compress) {
            Some(part) => compress(&part.path, self.series.folder(), &self.stops),
            None => Ok(false),
        }
    }

    /// The parts, oldest first, each once: what a kill left behind of compressing is removed.
    fn whole_parts(&self) -> io::Result<Vec<Part>> {
        let mut whole: Vec<Part> = Vec::new();
        for part in self.series.parts()? {
            match part.form {
                Form::Unfinished => fs::remove_file(&part.path)?,
                // It got its name when it was whole.
                Form::Compressed => {
                    if let Some(plain) = whole.pop_if(|last| last.is_same(&part)) {
                        fs::remove_file(&plain.path)?;
                    }
                    whole.push(part);
                }
                Form::Plain => whole.push(part),
            }
        }
        Ok(whole)
    }
}

fn delete(parts: &[Part]) -> io::Result<()> {
    let mut bytes = 0;
    for part in parts {
        bytes += fs::metadata(&part.path)?.len();
        fs::remove_file(&part.path)?;
    }
    if let Some(last) = parts.last() {
        let last = last.path.display();
        tracing::info!(parts = parts.len(), bytes, %last, "deleted the oldest parts of the output");
    }
    Ok(())
}

/// Puts a compressed file in the place of `part`; false if it was told to stop.
fn compress(part: &Path, folder: &Path, stops: &AtomicBool) -> io::Result<bool> {
    let unfinished = names::unfinished(part);
    match pour(part, &unfinished, stops) {
        Ok(true) => {
            fs::rename(&unfinished, names::compressed(part))?;
            // Its name has to be on the disk before the other one goes.
            File::open(folder)?.sync_all()?;
            fs::remove_file(part)?;
            Ok(true)
        }
        stopped_or_failed => {
            remove(&unfinished)?;
            stopped_or_failed
        }
    }
}

/// Writes the compressed form of one file to another and to the disk; false if it was told to stop.
fn pour(from: &Path, to: &Path, stops: &AtomicBool) -> io::Result<bool> {
    let mut from = File::open(from)?;
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut to = GzEncoder::new(to, Compression::default());
    let mut block = vec![0; BLOCK];
    while !stops.load(Ordering::Relaxed) {
        let read = from.read(&mut block)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
            to.finish()?.sync_all()?;
            return Ok(true);
        };
        to.write_all(bytes)?;
    }
    Ok(false)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The nice value of a thread that everything else goes before.
const LOWEST: i32 = 19;
/// Ended parts that may wait for the disk, each an open file.
const WAITING: usize = 16;
const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests;
