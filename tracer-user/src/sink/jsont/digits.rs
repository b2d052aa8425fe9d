//! Digits without `fmt`: a line has some twenty numbers.

/// Puts the last digits of `number` into `room`, with zeros before them.
#[inline]
pub(in crate::sink) fn put(mut number: u64, room: &mut [u8]) {
    let mut pairs = room.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[usize::try_from(number % 100).unwrap_or(0)]);
        number /= 100;
    }
    if let [digit] = pairs.into_remainder() {
        [_, *digit] = PAIRS[usize::try_from(number % 10).unwrap_or(0)];
    }
}

/// How many digits `number` has.
#[inline]
pub(in crate::sink) fn count(number: u64) -> usize {
    let after_the_first = number.checked_ilog10().unwrap_or(0);
    usize::try_from(after_the_first).unwrap_or(0) + 1
}

static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [*b"00"; 100];
    let mut number = 1;
    while number < pairs.len() {
        let [tens, ones] = pairs[number - 1];
        pairs[number] = if ones == b'9' {
            [tens + 1, b'0']
        } else {
            [tens, ones + 1]
        };
        number += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_number(number in any::<u64>().prop_flat_map(|number| (0..64_u32).prop_map(move |bits| number >> bits))) {
            let mut digits = vec![0; count(number)];
            put(number, &mut digits);
            prop_assert_eq!(String::from_utf8(digits).unwrap(), number.to_string());
        }

        #[test]
        fn room_that_is_left_has_zeros(number in 0_u64..100_000_000) {
            let mut digits = [0; 9];
            put(number, &mut digits);
            prop_assert_eq!(str::from_utf8(&digits).unwrap(), format!("{number:09}"));
        }
    }
}
