//! What conntracer costs on this machine, measured: `cargo xtask bench`. Needs root; prints Markdown tables.
//!
//! Nothing here is judged: a number out of its target is shown as such, and fails nothing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables are its output, and a run takes minutes: it says what it does"
)]

mod cgroup;
mod churn;
mod connection;
mod idle;
mod inside;
mod lived;
mod load;
mod machine;
mod memory;
mod output;
mod pairs;
mod probe;
mod process;
mod record;
mod rules;
mod stream;
mod system;
mod table;
mod tracer;
mod traffic;
mod ways;

use anyhow::bail;
use std::env;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == load::SUBCOMMAND) {
        return load::main();
    }
    if arguments.first().is_some_and(|first| first == traffic::SUBCOMMAND) {
        return traffic::main();
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

const PARTS: [(&str, Part); 10] = [
    ("probes", probe::measure),
    ("connections", connection::measure),
    ("churn", churn::measure),
    ("lived", lived::measure),
    ("stream", stream::measure),
    ("output", output::measure),
    ("memory", memory::measure),
    ("idle", idle::measure),
    ("ways", ways::measure),
    ("rules", rules::measure),
];
