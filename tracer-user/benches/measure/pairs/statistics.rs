//! What a list of ratios says: their mean, and how low the true one may be.

/// The geometric mean: of a ratio and its inverse it is 1.
pub(crate) fn mean(ratios: &[f64]) -> f64 {
    log_mean(ratios).exp()
}

/// The lower bound of a one-sided 95 % confidence interval of the mean, by Student's t on the ratios' logarithms;
/// nothing where there are too few to tell.
pub(crate) fn lower_bound(ratios: &[f64]) -> Option<f64> {
    if ratios.len() < 3 {
        return None;
    }
    let mean = log_mean(ratios);
    let freedom = count(ratios) - 1.0;
    let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
    let error = (squares / freedom / count(ratios)).sqrt();
    Some((mean - quantile(freedom) * error).exp())
}

fn log_mean(ratios: &[f64]) -> f64 {
    ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count(ratios)
}

#[expect(clippy::cast_precision_loss, reason = "hundreds of them")]
fn count(ratios: &[f64]) -> f64 {
    ratios.len() as f64
}

/// The 95 % quantile of Student's t, by the expansion around the normal one's (Abramowitz and Stegun, 26.7.5).
fn quantile(freedom: f64) -> f64 {
    let z: f64 = 1.644_854;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom.powi(3))
}
