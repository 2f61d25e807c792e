//! The arithmetic of a study: how values are spread, and whether counts differ by more than chance.

use hdrhistogram::Histogram;

/// Values are kept to three digits, so that millions of them take some kilobytes.
const DIGITS: u8 = 3;

/// How values are spread. Kept to three digits; which unit they have is said where one is kept.
#[derive(Debug, Clone)]
pub struct Distribution(Histogram<u64>);

impl Default for Distribution {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("the histogram takes up to five digits"))
    }
}

impl Distribution {
    /// Takes a value in.
    pub(crate) fn add(&mut self, value: u64) {
        // Saturating would not let it grow; the greatest values are years of simulated time.
        let most = u64::MAX / 4;
        self.0
            .record(value.min(most))
            .expect("the histogram grows to hold it");
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The mean of all values; 0 where there are none.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// The value that this share of all values does not exceed, 0.5 for the median; `None` where there
    /// are none.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share).min(self.0.max()))
    }

    /// The greatest value; `None` where there are none.
    pub fn greatest(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.max())
    }

    /// Each value that occurs, rising, with the share of all values that do not exceed it.
    pub fn curve(&self) -> Vec<(u64, f64)> {
        let count = self.0.len().max(1) as f64;
        let mut below = 0;
        self.0
            .iter_recorded()
            .map(|step| {
                below += step.count_since_last_iteration();
                (step.value_iterated_to(), below as f64 / count)
            })
            .collect()
    }
}

/// How far counts are from what was expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The sum over all counts of (count − expected)² / expected.
    pub statistic: f64,
    /// How many counts could differ freely.
    pub degrees: usize,
    /// How probable it is that chance alone takes the counts at least so far.
    pub p_value: f64,
}

/// Compares counts with equal chances for each; `None` where there is nothing to compare.
pub fn equal_chances(counts: &[u64]) -> Option<ChiSquare> {
    let total: u64 = counts.iter().sum();
    if counts.len() < 2 || total == 0 {
        return None;
    }
    let expected = total as f64 / counts.len() as f64;
    let statistic = counts
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected)
        .sum();
    let degrees = counts.len() - 1;
    Some(ChiSquare {
        statistic,
        degrees,
        p_value: upper_gamma(degrees as f64 / 2.0, statistic / 2.0),
    })
}

/// The regularized upper incomplete gamma function Q(a, x), for a > 0 and x ≥ 0: by its series below
/// a + 1 and by Lentz's continued fraction above, where each converges fast.
fn upper_gamma(a: f64, x: f64) -> f64 {
    const ENOUGH: f64 = 1e-15;
    const MOST_TERMS: u32 = 10_000;
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for step in 1..MOST_TERMS {
            term *= x / (a + f64::from(step));
            sum += term;
            if term < sum * ENOUGH {
                break;
            }
        }
        return 1.0 - scale * sum;
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for step in 1..MOST_TERMS {
        let step = f64::from(step);
        let numerator = -step * (step - a);
        b += 2.0;
        let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / nonzero(numerator * d + b);
        c = nonzero(b + numerator / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < ENOUGH {
            break;
        }
    }
    scale * fraction
}

/// The logarithm of the gamma function for a > 0, by Lanczos' approximation with g = 7.
fn ln_gamma(a: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let below = a - 1.0;
    let series: f64 = (1..)
        .zip(COEFFICIENTS)
        .map(|(place, coefficient)| coefficient / (below + f64::from(place)))
        .sum();
    let shifted = below + G + 0.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (below + 0.5) * shifted.ln() - shifted
        + (FIRST + series).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_of_known_places() {
        for (a, expected) in [
            (1.0, 0.0),
            (2.0, 0.0),
            (0.5, std::f64::consts::PI.sqrt().ln()),
            (5.0, 24.0_f64.ln()),
            (10.5, 13.940_625_219_403_763),
            (50.0, 144.565_743_946_344_9),
        ] {
            assert!((ln_gamma(a) - expected).abs() < 1e-10, "{a}");
        }
    }

    #[test]
    fn chi_square_of_printed_tables() {
        // Critical values as in every textbook: degrees of freedom, statistic, p-value.
        for (degrees, statistic, p_value) in [
            (1.0, 3.841_459, 0.05),
            (1.0, 6.634_897, 0.01),
            (2.0, 4.605_170, 0.1),
            (3.0, 7.814_728, 0.05),
            (6.0, 2.204_131, 0.9),
            (6.0, 16.811_894, 0.01),
            (10.0, 9.341_818, 0.5),
            (30.0, 50.892_181, 0.01),
            (99.0, 123.225_221, 0.05),
            (99.0, 134.641_617, 0.01),
        ] {
            let computed = upper_gamma(degrees / 2.0, statistic / 2.0);
            assert!(
                (computed - p_value).abs() < 1e-6,
                "{degrees} {statistic}: {computed}"
            );
        }
        assert_eq!(upper_gamma(1.5, 0.0), 1.0);
    }

    #[test]
    fn counts_are_compared_with_equal_chances() {
        assert_eq!(equal_chances(&[7]), None);
        assert_eq!(equal_chances(&[0, 0]), None);
        let same = equal_chances(&[5, 5, 5]).unwrap();
        assert_eq!((same.statistic, same.degrees), (0.0, 2));
        assert_eq!(same.p_value, 1.0);
        // The textbook's die: 60 throws.
        let die = equal_chances(&[5, 8, 9, 8, 10, 20]).unwrap();
        assert!((die.statistic - 13.4).abs() < 1e-9);
        assert!((die.p_value - 0.019_905).abs() < 1e-5, "{}", die.p_value);
    }

    #[test]
    fn quantiles_of_a_distribution() {
        let mut values = Distribution::default();
        assert_eq!((values.quantile(0.5), values.greatest()), (None, None));
        for value in (1..=1_000).rev() {
            values.add(value);
        }
        assert_eq!(values.quantile(0.5), Some(500));
        assert_eq!(values.quantile(0.99), Some(990));
        assert_eq!(values.greatest(), Some(1_000));
        assert!((values.mean() - 500.5).abs() < 1e-9);
        let curve = values.curve();
        assert_eq!(curve.len(), 1_000);
        assert_eq!(curve[249], (250, 0.25));
        assert_eq!(curve[999], (1_000, 1.0));
    }

    #[test]
    fn a_large_value_is_kept_to_three_digits() {
        let mut values = Distribution::default();
        values.add(123_456_789);
        let median = values.quantile(0.5).unwrap();
        assert!(median.abs_diff(123_456_789) < 123_457, "{median}");
        assert_eq!(values.greatest().map(|value| value / 1_000_000), Some(123));
    }
}
