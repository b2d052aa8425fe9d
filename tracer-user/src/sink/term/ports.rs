//! The inventory of ports: a table, and under it the rule of each row.

use crate::model::translation::Port;
use crate::sink::jsont::protocol;
use crate::sink::term::page::Page;
use crate::sink::term::{NARROWEST, style};
use crate::sink::text::Shown;
use crate::sink::words::{self, count, thousands};
use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

/// The text of an inventory of `namespaces` namespaces, as wide as the terminal. `all`: of every class.
pub fn ports(ports: &[Port], namespaces: usize, all: bool, width: usize) -> String {
    let mut out = String::new();
    let width = width.max(NARROWEST);
    if ports.is_empty() {
        let what = if all {
            "nothing is translated"
        } else {
            "no port is stolen"
        };
        let mut page = Page::new(&mut out, width);
        page.paragraph(Style::new(), &format!("{what} in {}", many_namespaces(namespaces)));
        return out;
    }
    let text = table(ports, all, width).to_string();
    let digits = number_width(ports.len());
    let mut style = style::STRONG;
    for line in text.lines().map(str::trim_end) {
        // A row begins with its number, and may go on in further lines.
        let number = line
            .get(..digits)
            .and_then(|number| number.trim().parse::<usize>().ok());
        if let Some(port) = number.and_then(|number| ports.get(number.checked_sub(1)?)) {
            style = row_style(port);
        }
        Page::new(&mut out, width).line(&[(style, line)]);
    }
    rules(ports, width, &mut out);
    summary(ports, namespaces, all, width, &mut out);
    out
}

fn number_width(rows: usize) -> usize {
    rows.to_string().len()
}

fn table(ports: &[Port], all: bool, width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    let mut header = vec![
        "#",
        "namespace",
        "port",
        "proto",
        "hook",
        "goes to",
        "listener",
        "owner",
        "packets",
    ];
    if all {
        header.push("class");
    }
    table.set_header(header);
    for (number, port) in (1..).zip(ports) {
        table.add_row(row(number, port, all));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if let Some(numbers) = table.column_mut(0) {
        numbers.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

fn row(number: usize, port: &Port, all: bool) -> Vec<String> {
    let row = &port.translation;
    let hook = row.hook.map_or("-", crate::model::rules::Hook::name);
    let packets = row.rule.as_ref().and_then(|rule| rule.packets);
    let mut cells = vec![
        number.to_string(),
        words::space(&port.space),
        words::original(row),
        protocol(row.protocol).into_owned(),
        hook.to_owned(),
        words::target(row),
        words::listening(&row.listening),
        words::rule_owner(row).to_owned(),
        packets.map_or_else(|| "-".to_owned(), thousands),
    ];
    if all {
        cells.push(row.class.name().to_owned());
    }
    cells
}

fn row_style(port: &Port) -> Style {
    if port.translation.is_dead() {
        AnsiColor::Red.on_default().bold()
    } else if port.translation.rule.is_none() {
        style::WARNING
    } else {
        Style::new()
    }
}

/// The rule of each row, and what else it depends on.
fn rules(ports: &[Port], width: usize, out: &mut String) {
    let digits = number_width(ports.len());
    let mut page = Page::new(out, width);
    page.blank();
    for (number, port) in (1..).zip(ports) {
        let row = &port.translation;
        let mark = format!("{number:>digits$}  ");
        match &row.rule {
            Some(rule) => page.marked(&mark, row_style(port), &Shown(rule.text.as_bytes()).to_string()),
            None => page.marked(
                &mark,
                row_style(port),
                "no rule found: connections are still translated so",
            ),
        }
        let mut facts: Vec<String> = row.rule.iter().map(words::rule_place).collect();
        facts.extend(
            row.conditions
                .iter()
                .map(|condition| Shown(condition.as_bytes()).to_string()),
        );
        if row.more_conditions {
            facts.push("other rules come first".to_owned());
        }
        facts.extend(
            row.connections
                .filter(|&live| live > 0)
                .map(|live| count(live, "live connection")),
        );
        let indent = " ".repeat(mark.len());
        page.marked(&indent, style::DIM, &facts.join("; "));
    }
}

fn summary(ports: &[Port], namespaces: usize, all: bool, width: usize, out: &mut String) {
    let number = |ports: usize| u64::try_from(ports).unwrap_or(u64::MAX);
    let what = if all { "translation" } else { "stolen port" };
    let mut text = format!(
        "{} in {}",
        count(number(ports.len()), what),
        many_namespaces(namespaces)
    );
    let dead = ports.iter().filter(|port| port.translation.is_dead()).count();
    if dead > 0 {
        text = format!("{text}; nobody listens behind {}", thousands(number(dead)));
    }
    let mut page = Page::new(out, width);
    page.blank();
    page.paragraph(style::STRONG, &text);
}

fn many_namespaces(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), "namespace")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::translation::Space;
    use crate::sink::sample;

    /// Without the colours.
    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_table_fits_the_terminal_and_tells_every_rule() {
        let all = sample::ports();
        for width in [60, 80, 100, 140] {
            let text = plain(&ports(&all, 3, true, width));
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(
                text.contains("translations in 3 namespaces; nobody listens behind 1"),
                "{text}"
            );
        }
        let text = plain(&ports(&all, 1, true, 140));
        for told in [
            "mirrord-agent",
            "NOBODY",
            "no rule found",
            "1,234",
            ":37673",
            "[::1]:4444",
            "all but 15008",
        ] {
            assert!(text.contains(told), "{told}\n{text}");
        }
        assert!(
            text.contains("1  -A MRDIN_0 -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673"),
            "{text}"
        );
    }

    #[test]
    fn only_the_rows_of_the_dead_are_red() {
        let text = ports(&sample::ports(), 1, false, 140);
        let red = AnsiColor::Red.on_default().bold().to_string();
        let red: Vec<_> = text.lines().filter(|line| line.contains(&red)).map(plain).collect();
        assert!(!red.is_empty());
        assert!(red.iter().all(|line| !line.contains("9000 ")), "{red:?}");
        assert!(
            red[0].starts_with("2 ") && red.iter().any(|line| line.contains("NOBODY")),
            "{red:?}"
        );
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(ports(&[], 1, false, 80), "no port is stolen in 1 namespace\n");
        assert_eq!(ports(&[], 12, true, 80), "nothing is translated in 12 namespaces\n");
    }

    #[test]
    fn untrusted_names_do_not_reach_the_terminal() {
        let text = plain(&ports(&sample::ports(), 1, true, 100));
        assert!(!text.chars().any(|char| char.is_control() && char != '\n'));
        let mut hostile = sample::ports();
        hostile[0].space = std::sync::Arc::new(Space {
            names: vec!["a\u{1b}[2J".into()],
            ..Space::default()
        });
        let text = ports(&hostile, 1, true, 100);
        assert!(text.contains("\\x1b") && !text.contains("\u{1b}[2J"), "{text}");
    }
}
