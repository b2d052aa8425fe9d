//! What conntracer costs on this machine, measured: `cargo xtask bench`. Needs root; prints Markdown tables.
//!
//! Nothing here is judged: a number out of its target is shown as such, and fails nothing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables are its output, and a run takes minutes: it says what it does"
)]

mod background;
mod cgroup;
mod churn;
mod connection;
mod crowd;
mod delay;
mod feed;
mod folder;
mod followed;
mod growth;
mod held;
mod idle;
mod inside;
mod instructions;
mod lived;
mod load;
mod losses;
mod machine;
mod memory;
mod output;
mod pairs;
mod probe;
mod process;
mod record;
mod rules;
mod saved;
mod stream;
mod symptom;
mod system;
mod table;
mod tail;
mod tracer;
mod traffic;
mod ways;

use anyhow::bail;
use std::env;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, _)) if first == load::SUBCOMMAND => return load::main(),
        Some((first, _)) if first == traffic::SUBCOMMAND => return traffic::main(),
        Some((first, rest)) if first == followed::SUBCOMMAND => return followed::main(rest),
        Some((first, rest)) if first == instructions::SUBCOMMAND => return instructions::main(rest),
        _ => {}
    }
    let unknown = arguments
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| part == name));
    if let Some(unknown) = unknown {
        bail!(
            "there is no part `{unknown}`; the parts are {:?}",
            PARTS.map(|(name, _)| name)
        );
    }
    let start = Instant::now();
    println!("{}", machine::describe());
    for (name, measure) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            eprintln!("bench: {name}");
            println!("\n{}", measure()?);
        }
    }
    eprintln!("bench: {:.0} s in all", start.elapsed().as_secs_f64());
    Ok(())
}

type Part = fn() -> anyhow::Result<String>;

const PARTS: [(&str, Part); 14] = [
    // The kernel counts this process's memory as its children's: it has little yet.
    ("rules", rules::measure),
    ("probes", probe::measure),
    ("connections", connection::measure),
    ("churn", churn::measure),
    ("lived", lived::measure),
    ("stream", stream::measure),
    ("instructions", instructions::measure),
    ("output", output::measure),
    ("memory", memory::measure),
    ("idle", idle::measure),
    ("delay", delay::measure),
    ("growth", growth::measure),
    ("losses", losses::measure),
    ("ways", ways::measure),
];
