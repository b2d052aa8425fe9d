//! The text of a wall time. Every line has one, and jiff's own formatting takes longer than all other fields together.

use crate::sink::jsont::digits;
use jiff::tz::Offset;

/// `2026-03-04T05:06:07.000000008Z`.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Stamp([u8; 30]);

impl Stamp {
    /// `None` for years before 0.
    pub(in crate::sink) fn of(time: jiff::Timestamp) -> Option<Self> {
        let civil = Offset::UTC.to_datetime(time);
        let year = u64::try_from(civil.year()).ok()?;
        let mut text = *b"YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ";
        digits::put(year, &mut text[0..4]);
        let pairs = [
            (5, civil.month()),
            (8, civil.day()),
            (11, civil.hour()),
            (14, civil.minute()),
            (17, civil.second()),
        ];
        for (at, number) in pairs {
            digits::put(number.unsigned_abs().into(), &mut text[at..at + 2]);
        }
        digits::put(civil.subsec_nanosecond().unsigned_abs().into(), &mut text[20..29]);
        Some(Self(text))
    }

    /// All of it is ASCII.
    pub(in crate::sink) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(in crate::sink) fn text(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_as_jiff_writes_it(nanos in jiff::Timestamp::MIN.as_nanosecond()..=jiff::Timestamp::MAX.as_nanosecond()) {
            let time = jiff::Timestamp::from_nanosecond(nanos).unwrap();
            let written = format!("{time:.9}");
            match Stamp::of(time) {
                Some(stamp) => prop_assert_eq!(stamp.text(), written),
                None => prop_assert!(written.starts_with('-')),
            }
        }
    }
}
