//! An ordinary connection, and a walk, in a namespace of many rules that none of their packets fits.

use super::connections::{cost, row};
use crate::load::{self, Load};
use crate::table::{Table, whole};
use crate::tracer::Tracer;
use crate::{probe, rules};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use tracer_user::inspect::Reader;
use tracer_user::kernel::stat;
use tracer_user::model::identity::Netns;

pub(super) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "rules met by each packet",
        "probes, us",
        "process, us",
        "total, us",
        "target",
        "one walk, us",
    ]);
    let _statistics = stat::enable_cost().context("the kernel's statistics of programs")?;
    let tracer = Tracer::start("suspect")?;
    let (mut reader, mut first) = (Reader::new()?, None);
    for count in SIZES {
        eprintln!("bench: growth: {count} rules");
        let mut load = Load::start()?;
        let clock = probe::clock(&mut load)?;
        let enter = format!("--net=/proc/{}/ns/net nft -f -", load.pid());
        load::command("nsenter", &enter, &list(count))?;
        let cost = cost(&tracer, &mut load, CONNECTIONS)?;
        let inode = fs::metadata(format!("/proc/{}/ns/net", load.pid()))?.ino();
        let snapshot = reader.snapshot(Netns {
            cookie: 0,
            inode: u32::try_from(inode)?,
        })?;
        let mut cells = row(&whole(f64::from(count)), cost, clock, &mut first).to_vec();
        cells.push(format!("{:.0}", rules::walk(&snapshot)));
        table.row(cells);
    }
    Ok(table.render())
}

fn list(count: u32) -> String {
    let mut text = String::from("table ip many { chain out { type filter hook output priority 0;\n");
    for number in 0..count {
        let port = FIRST_PORT + number;
        let _ = writeln!(text, "ip daddr 203.0.113.1 tcp dport {port} drop");
    }
    text.push_str("}\n}\n");
    text
}

const SIZES: [u32; 3] = [100, 1_000, 10_000];
const CONNECTIONS: u32 = 5_000;
const FIRST_PORT: u32 = 10_000;
