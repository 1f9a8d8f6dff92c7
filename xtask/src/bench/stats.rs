//! From repeated measurements to what is said of them. Pure.
//!
//! Ratios are taken pair by pair, of what was measured one after the other, before anything is summed up: what
//! disturbs the machine for a while disturbs both of a pair.

/// The least, the middle and the most of some numbers, and how many these were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) n: usize,
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

/// `None` of no numbers.
pub(super) fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
    Some(Spread { n, min, median, max })
}

/// `above[i] / below[i]`, as far as both go.
pub(super) fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(above, below)| above / below).collect()
}

/// `a[i] + b[i]`, as far as both go.
pub(super) fn sums(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The power of x that y grows with, by the line through the logarithms that fits best: 1 where it is proportional, 0
/// where it stays. Points that have none do not count.
pub(super) fn power(points: &[(f64, f64)]) -> Option<f64> {
    let logarithms: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean =
        |of: &dyn Fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / logarithms.len() as f64;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let spread = mean(&|point| (point.0 - x).powi(2));
    (spread > 0.0).then(|| mean(&|point| (point.0 - x) * (point.1 - y)) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let of = |values: &[f64]| spread(values).map(|s| (s.n, s.min, s.median, s.max));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some((3, 1.0, 2.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some((4, 1.0, 2.5, 4.0)));
        assert_eq!(of(&[5.0]), Some((1, 5.0, 5.0, 5.0)));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        assert_eq!(spread(&[f64::NAN, 2.0, f64::INFINITY]).map(|s| (s.n, s.max)), Some((1, 2.0)));
    }

    #[test]
    fn a_power_is_that_of_what_grows() {
        let close = |points: &[(f64, f64)], expected: f64| (power(points).unwrap() - expected).abs() < 1e-9;
        assert!(close(&[(1.0, 3.0), (2.0, 6.0), (8.0, 24.0)], 1.0));
        assert!(close(&[(0.0, 9.0), (1.0, 0.0), (2.0, 4.0), (4.0, 16.0)], 2.0));
        assert!(close(&[(1.0, 5.0), (10.0, 5.0)], 0.0));
        assert_eq!((power(&[(1.0, 5.0)]), power(&[])), (None, None));
    }

    #[test]
    fn ratios_are_of_pairs() {
        // The ratio of the medians would be 1.
        assert_eq!(ratios(&[1.0, 4.0, 2.0, 9.0], &[2.0, 2.0, 2.0]), [0.5, 2.0, 1.0]);
        assert_eq!(sums(&[1.0, 2.0], &[3.0]), [4.0]);
    }
}
