//! The statistics of the benchmarks, which are no test program themselves.

#[path = "../benches/measure/pairs/statistics.rs"]
mod statistics;

use statistics::{lower_bound, mean};

#[test]
fn a_ratio_and_its_inverse_cancel_out() {
    assert!((mean(&[0.8, 1.25]) - 1.0).abs() < 1e-12);
}

#[test]
fn ratios_that_do_not_differ_are_their_own_bound() {
    let bound = lower_bound(&[0.99; 10]).unwrap();
    assert!((bound - 0.99).abs() < 1e-12, "{bound}");
}

#[test]
fn the_bound_is_as_far_below_the_mean_as_the_table_of_t_says() {
    // Logarithms -1 and 1 in turn: mean 0, deviation sqrt(n / (n - 1)), so an error of 1 / sqrt(n - 1).
    for (count, t) in [(4_u16, 2.353), (10, 1.833), (20, 1.729), (80, 1.664), (200, 1.653)] {
        let ratios: Vec<_> = (0..count)
            .map(|index| {
                if index % 2 == 0 {
                    1.0_f64.exp()
                } else {
                    (-1.0_f64).exp()
                }
            })
            .collect();
        let error = 1.0 / f64::from(count - 1).sqrt();
        let found = -lower_bound(&ratios).unwrap().ln() / error;
        assert!((found - t).abs() < 0.01, "{count}: {found} instead of {t}");
    }
}

#[test]
fn one_bad_run_widens_the_bound() {
    let mut ratios = vec![0.99, 1.0, 0.98, 1.01, 0.99, 1.0];
    let before = lower_bound(&ratios).unwrap();
    ratios.push(0.7);
    assert!(lower_bound(&ratios).unwrap() < before - 0.05);
}

#[test]
fn two_ratios_tell_nothing() {
    assert_eq!(lower_bound(&[0.9, 1.1]), None);
}
