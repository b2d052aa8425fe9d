//! Sets of numbers as ranges: sorted, apart from each other, never empty ones.

use std::ops::RangeInclusive;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<RangeInclusive<u128>>);

impl Ranges {
    pub(super) fn of(range: RangeInclusive<u128>) -> Self {
        Self::new([range])
    }

    pub(super) fn new(ranges: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        sorted.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u128>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &RangeInclusive<u128>> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        let meets = |a: &RangeInclusive<u128>, b: &RangeInclusive<u128>| a.start() <= b.end() && b.start() <= a.end();
        self.0.iter().any(|a| other.0.iter().any(|b| meets(a, b)))
    }

    /// Whether everything of `other` is in this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let within = |b: &RangeInclusive<u128>| self.0.iter().any(|a| a.start() <= b.start() && b.end() <= a.end());
        other.0.iter().all(within)
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        Self::new(pairs.map(|(a, b)| *a.start().max(b.start())..=*a.end().min(b.end())))
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = self.0.clone();
        for hole in &other.0 {
            rest = rest.into_iter().flat_map(|range| split(&range, hole)).collect();
        }
        Self::new(rest)
    }
}

/// What of the range lies below and above the hole.
fn split(
    range: &RangeInclusive<u128>,
    hole: &RangeInclusive<u128>,
) -> impl Iterator<Item = RangeInclusive<u128>> + use<> {
    let below = hole
        .start()
        .checked_sub(1)
        .map(|end| *range.start()..=end.min(*range.end()));
    let above = hole
        .end()
        .checked_add(1)
        .map(|start| start.max(*range.start())..=*range.end());
    below.into_iter().chain(above).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((0_u128..40, 0_u128..8), 0..5)
            .prop_map(|parts| Ranges::new(parts.into_iter().map(|(start, length)| start..=start + length)))
    }

    proptest! {
        #[test]
        fn they_are_what_sets_of_numbers_are(a in ranges(), b in ranges()) {
            for number in 0..50 {
                let (in_a, in_b) = (a.contains(number), b.contains(number));
                prop_assert_eq!(a.intersect(&b).contains(number), in_a && in_b);
                prop_assert_eq!(a.without(&b).contains(number), in_a && !in_b);
            }
            prop_assert_eq!(a.meets(&b), !a.intersect(&b).is_empty());
            prop_assert_eq!(a.covers(&b), b.without(&a).is_empty());
        }
    }

    #[test]
    fn the_ends_of_all_numbers_are_no_trap() {
        let all = Ranges::of(0..=u128::MAX);
        assert!(all.without(&all).is_empty());
        assert_eq!(all.without(&Ranges::of(0..=0)), Ranges::of(1..=u128::MAX));
        assert_eq!(
            all.without(&Ranges::of(u128::MAX..=u128::MAX)),
            Ranges::of(0..=u128::MAX - 1)
        );
    }
}
