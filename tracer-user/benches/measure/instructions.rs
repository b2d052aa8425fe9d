//! Instructions of user space an event, counted by callgrind: the same number whatever else the machine does.

use crate::feed::{feed, write};
use crate::folder::Folder;
use crate::probe::as_f64;
use crate::table::{Table, whole};
use crate::{crowd, followed, saved, stream};
use anyhow::{Context as _, bail};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::{env, fs};
use tracer_user::model::event::Event;

pub(crate) const SUBCOMMAND: &str = "instructions-inner";

pub(crate) fn measure() -> anyhow::Result<String> {
    let folder = Folder::new("instructions")?;
    let mut table = Table::new(&["instructions an event", "decode", "decode + Tracker", "JSON line"]);
    let rows = [
        ("every connection", stream::ordinary()?, 3),
        ("failures", crowd::record()?, crowd::TELLINGS),
    ];
    for (name, recording, tellings) in rows {
        let file = folder.path("stream");
        saved::save(&recording, &file)?;
        let decode = count(&folder, &file, &Run::new("decode", 1))?;
        let track = count(&folder, &file, &Run::new("track", tellings))?;
        let write = count(&folder, &file, &Run::new("write", 1))?;
        table.row([
            format!("{name}, up to {} followed at once", whole(track.tracked)),
            whole(decode.an_event),
            whole(track.an_event),
            whole(write.an_event),
        ]);
    }
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

/// What is done with a recording.
pub(crate) struct Run {
    work: &'static str,
    tellings: u32,
    /// Connections that the Tracker follows beside.
    others: u32,
}

impl Run {
    pub(crate) fn new(work: &'static str, tellings: u32) -> Self {
        Self {
            work,
            tellings,
            others: 0,
        }
    }

    pub(crate) fn beside(self, others: u32) -> Self {
        Self { others, ..self }
    }
}

pub(crate) struct Counted {
    pub(crate) an_event: f64,
    /// Connections that the Tracker followed at once, at the most.
    pub(crate) tracked: f64,
}

/// Does it once more, under callgrind.
pub(crate) fn count(folder: &Folder, recording: &Path, run: &Run) -> anyhow::Result<Counted> {
    let counts = folder.path("counts");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions::collected*"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(env::current_exe()?)
        .arg(SUBCOMMAND)
        .arg(recording)
        .args([run.work, &run.tellings.to_string(), &run.others.to_string()])
        .output()
        .context("cannot start valgrind")?;
    if !output.status.success() {
        bail!("under valgrind: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let (events, tracked) = text.trim().split_once(' ').context("two numbers")?;
    let counted = fs::read_to_string(counts)?;
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.context("callgrind's totals")?.trim().parse()?;
    if total == 0 {
        bail!("callgrind saw nothing of what it was to count");
    }
    Ok(Counted {
        an_event: as_f64(total) / as_f64(events.parse()?),
        tracked: as_f64(tracked.parse()?),
    })
}

/// The process that callgrind looks at; prints how many events it took, and how many connections it followed at once.
pub(crate) fn main(arguments: &[String]) -> anyhow::Result<()> {
    let [file, work, tellings, others] = arguments else {
        bail!("a recording, what to do, how often, and beside how many connections");
    };
    let recording = saved::load(Path::new(file))?;
    let mut tracker = followed::roomy(recording.begin);
    followed::follow(&mut tracker, others.parse()?, recording.begin);
    let (mut events, mut tracked) = (0, 0);
    for batch in recording.retell_together(tellings.parse()?) {
        events += batch.len();
        let decode = |bytes: &Vec<u8>| recording.tables.decode(bytes, |_| None).ok();
        match work.as_str() {
            "decode" => collected(&mut || batch.iter().for_each(|bytes| drop(black_box(decode(bytes))))),
            "track" => collected(&mut || feed(&recording.tables, &batch, &mut tracker)),
            _ => {
                let events: Vec<Event> = batch.iter().filter_map(decode).collect();
                collected(&mut || drop(black_box(write(&events))));
            }
        }
        tracked = tracked.max(tracker.tracked());
    }
    println!("{events} {tracked}");
    Ok(())
}

/// What callgrind counts: it knows this function by its name.
#[inline(never)]
fn collected(work: &mut dyn FnMut()) {
    work();
    // A call at the very end would become a jump, and the end would be missed.
    black_box(());
}

const TITLE: &str = "### Instructions

Of the same streams, counted by callgrind, which gives the same numbers on a busy machine; of the failures so many are
told at once that more than 100,000 connections are under suspicion.";
