//! The stolen ports: what the rules take over, and for whom.

use super::short;
use crate::board::Board;
use crate::model::translation::Port;
use crate::sink::jsont::protocol;
use crate::sink::text::Shown;
use crate::sink::words::{self, count};
use maud::{Markup, html};

pub(super) fn section(board: &Board) -> Markup {
    let ports = board.ports();
    let rows = ports.rows();
    let more = rows.len().saturating_sub(ROWS);
    let more = ports.left_out() + u64::try_from(more).unwrap_or(u64::MAX);
    html! {
        section aria-labelledby="ports" {
            h2 #ports { "Stolen ports (" (rows.len()) ")" }
            @if rows.is_empty() { p { "No port is stolen." } } @else { (table(rows)) }
            @if more > 0 { p.warning { (count(more, "port")) " more: `conntracer ports` lists them." } }
        }
    }
}

fn table(rows: &[Port]) -> Markup {
    let mut rows: Vec<&Port> = rows.iter().collect();
    rows.sort_by_key(|port| !port.translation.is_dead());
    html! {
        table {
            thead {
                tr { @for head in COLUMNS { th scope="col" { (head) } } }
            }
            tbody {
                @for port in rows.into_iter().take(ROWS) {
                    tr.dead[port.translation.is_dead()] {
                        @for (head, cell) in COLUMNS.iter().zip(cells(port)) { td data-label=(head) { div { (cell) } } }
                    }
                }
            }
        }
    }
}

fn cells(port: &Port) -> [Markup; 6] {
    let row = &port.translation;
    let original = format!("{} {}", protocol(row.protocol), words::original(row));
    [
        html! { (short(&words::space(&port.space))) },
        html! { (short(&original)) },
        html! { (short(&words::target(row))) },
        html! { (short(&words::listening(&row.listening))) },
        html! { (words::rule_owner(row)) },
        html! {
            @if let Some(rule) = &row.rule {
                code { (short(&Shown(rule.text.as_bytes()).to_string())) } " "
                span.dim { (short(&words::rule_place(rule))) }
            }
        },
    ]
}

const COLUMNS: [&str; 6] = ["Namespace", "Port", "Goes to", "Listener", "Owner", "Rule"];
/// Rows of the table, those that nobody listens behind first.
const ROWS: usize = 200;
