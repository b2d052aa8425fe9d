//! A recording in a file, for another process: one that callgrind slows down should not read the kernel's types again.

use crate::record::Recording;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tracer_user::decode::Tables;
use tracer_user::kernel::clock;
use tracer_user::model::reason::{DropReason, RstReason};

pub(crate) fn save(recording: &Recording, path: &Path) -> anyhow::Result<()> {
    let names = names(&recording.tables)?;
    let mut bytes = Vec::new();
    for piece in [names.as_bytes()]
        .into_iter()
        .chain(recording.records.iter().map(Vec::as_slice))
    {
        bytes.extend(u32::try_from(piece.len())?.to_ne_bytes());
        bytes.extend(piece);
    }
    Ok(fs::write(path, bytes)?)
}

pub(crate) fn load(path: &Path) -> anyhow::Result<Recording> {
    let bytes = fs::read(path)?;
    let mut rest = &bytes[..];
    let mut pieces = Vec::new();
    while let Some((length, others)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_ne_bytes(*length))?;
        let (piece, others) = others.split_at_checked(length).context("a recording that is cut off")?;
        pieces.push(piece.to_vec());
        rest = others;
    }
    let names = String::from_utf8(pieces.remove(0))?;
    Ok(Recording::new(pieces, tables(&names)?))
}

/// What the kernel's numbers mean, a line each.
fn names(tables: &Tables) -> anyhow::Result<String> {
    let mut text = String::new();
    for (number, reason) in &tables.drop_reasons {
        writeln!(text, "drop {number} {}", reason.name())?;
    }
    for (number, reason) in &tables.rst_reasons {
        writeln!(text, "reset {number} {}", reason.name())?;
    }
    Ok(text)
}

fn tables(text: &str) -> anyhow::Result<Tables> {
    let mut tables = Tables {
        jiffy: clock::jiffy(),
        ..Tables::default()
    };
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [kind, number, name] = words[..] else {
            anyhow::bail!("not a reason: {line}");
        };
        let number = number.parse()?;
        if kind == "drop" {
            tables
                .drop_reasons
                .insert(number, DropReason::from_name(name).context("a drop's reason")?);
        } else {
            tables
                .rst_reasons
                .insert(number, RstReason::from_name(name).context("a reset's reason")?);
        }
    }
    Ok(tables)
}
