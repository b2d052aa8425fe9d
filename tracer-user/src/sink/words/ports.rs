//! Ports and ranges of them in few words.

use std::fmt;
use std::ops::RangeInclusive;

/// `80, 443-444`, `all but 22`, `all`; long lists are cut. The ranges are in order.
pub fn ports_text(ports: &[RangeInclusive<u16>]) -> String {
    let gaps = gaps(ports);
    if gaps.is_empty() {
        "all".to_owned()
    } else if gaps.len() < ports.len() {
        format!("all but {}", listed(gaps.iter().map(PortRange)))
    } else {
        listed(ports.iter().map(PortRange))
    }
}

/// `80`, `80-90`.
#[derive(Clone, Copy)]
pub struct PortRange<'a>(pub &'a RangeInclusive<u16>);

impl fmt::Display for PortRange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first}-{last}")
        }
    }
}

/// The first few of them.
pub fn listed(all: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    let more = all.len().saturating_sub(LISTED);
    let mut texts: Vec<_> = all.take(LISTED).map(|one| one.to_string()).collect();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

/// What the ranges, which are in order, leave out.
fn gaps(ports: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut gaps = Vec::new();
    let mut next = Some(0);
    for range in ports {
        if let Some(next) = next
            && let Some(last) = range.start().checked_sub(1)
            && next <= last
        {
            gaps.push(next..=last);
        }
        next = range.end().checked_add(1);
    }
    gaps.extend(next.map(|next| next..=u16::MAX));
    gaps
}

/// Ranges listed in one cell.
const LISTED: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_ports_are_short() {
        assert_eq!(ports_text(&[0..=u16::MAX]), "all");
        assert_eq!(ports_text(&[1..=u16::MAX]), "1-65535");
        assert_eq!(ports_text(&[0..=21, 23..=u16::MAX]), "all but 22");
        assert_eq!(ports_text(&[80..=80, 443..=444]), "80, 443-444");
        let many: Vec<_> = (0..9).map(|number| number * 10..=number * 10).collect();
        assert_eq!(ports_text(&many), "0, 10, 20, 30, 40, 50, and 3 more");
    }
}
