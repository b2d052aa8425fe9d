//! Markdown tables that can be read as they are.

use std::iter;

pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The first column is aligned to the left, the others, numbers, to the right.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<_> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell(row, column).chars().count()).max())
            .map(|width| width.unwrap_or(0).max(3))
            .collect();
        let line = |row: &[String]| {
            let cells = widths.iter().enumerate().map(|(column, &width)| match column {
                0 => format!(" {:<width$} |", cell(row, column)),
                _ => format!(" {:>width$} |", cell(row, column)),
            });
            iter::once("|".to_owned()).chain(cells).collect::<String>()
        };
        let rule = widths.iter().enumerate().map(|(column, &width)| match column {
            0 => format!("{}|", "-".repeat(width + 2)),
            _ => format!("{}:|", "-".repeat(width + 1)),
        });
        let rule = iter::once("|".to_owned()).chain(rule).collect::<String>();
        let mut lines: Vec<_> = self.rows.iter().map(|row| line(row)).collect();
        lines.insert(1.min(lines.len()), rule);
        lines.join("\n")
    }
}

/// The middle one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A target and whether it is met.
pub(crate) fn target(text: &str, met: bool) -> String {
    format!("{text}: {}", if met { "met" } else { "MISSED" })
}

/// As people write it: `1,234,567`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and sizes, shown in whole numbers"
)]
pub(crate) fn whole(value: f64) -> String {
    let digits = (value.max(0.0).round() as u64).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
