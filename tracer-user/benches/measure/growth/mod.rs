//! What a connection and an event cost with ten and a hundred times as many connections, and as many rules.

mod connections;
mod events;
mod rules;

use crate::table::target;

pub(crate) fn measure() -> anyhow::Result<String> {
    Ok(format!(
        "{TITLE}\n\n{}\n\n{}\n\n{}",
        connections::measure()?,
        events::measure()?,
        rules::measure()?
    ))
}

/// Whether it is as much as with the fewest.
fn flat(value: f64, first: f64) -> String {
    let more = (value / first - 1.0) * 100.0;
    target(&format!("+-10 %, {more:+.0} %"), more.abs() <= 10.0)
}

const TITLE: &str = "### Growth

What does not depend on how many connections there are, or how many rules, costs the same with a hundred times as many.";
