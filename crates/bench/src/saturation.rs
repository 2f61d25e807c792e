//! The search for the highest rate that a network sustains.

/// From one rate to the next while rates are sustained.
const RISE: f64 = 2.0;
/// A rate is sustained when so much of what is offered becomes final meanwhile.
pub(crate) const SUSTAINED: f64 = 0.95;
/// How much is done to find a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Care {
    /// The search ends when the lowest rate that was not sustained is at most so many times the highest
    /// that was.
    pub(crate) close_enough: f64,
    /// A rate that fails is tried so often: once may be the machine's fault.
    pub(crate) tries: u32,
}

/// A search for a rate: first rising by factors, then between the last two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    care: Care,
    sustained: Option<f64>,
    too_high: Option<f64>,
    next: f64,
    failed: u32,
}

impl Search {
    /// Begins with a rate.
    pub(crate) const fn from(rate: f64, care: Care) -> Self {
        Self {
            care,
            sustained: None,
            too_high: None,
            next: rate,
            failed: 0,
        }
    }

    /// The rate to try next; `None` when the answer is known well enough.
    pub(crate) fn next(&self) -> Option<f64> {
        match (self.sustained, self.too_high) {
            (Some(low), Some(high)) if high / low <= self.care.close_enough => None,
            _ => Some(self.next),
        }
    }

    /// Takes note of how the rate to try next went.
    pub(crate) fn tell(&mut self, sustained: bool) {
        if sustained {
            self.sustained = Some(self.next);
        } else {
            self.failed += 1;
            if self.failed < self.care.tries {
                return;
            }
            self.too_high = Some(self.next);
        }
        self.failed = 0;
        self.next = match (self.sustained, self.too_high) {
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) => low * RISE,
            (None, Some(high)) => high / RISE,
            (None, None) => self.next,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARE: Care = Care {
        close_enough: 1.05,
        tries: 2,
    };

    /// Searches a network that sustains rates up to a limit; the rates tried.
    fn search(start: f64, limit: f64) -> (Search, Vec<f64>) {
        let (mut search, mut tried) = (Search::from(start, CARE), Vec::new());
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tell(rate <= limit);
        }
        (search, tried)
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for limit in [900.0, 5_000.0, 80_000.0] {
            for start in [100.0, 4_000.0, 200_000.0] {
                let (search, tried) = search(start, limit);
                let found = search.sustained.unwrap();
                assert!(
                    found <= limit && found >= limit / CARE.close_enough,
                    "{found}"
                );
                assert!(tried.len() < 30, "{tried:?}");
            }
        }
    }

    #[test]
    fn one_failure_is_forgiven() {
        let mut search = Search::from(1_000.0, CARE);
        search.tell(true);
        search.tell(false);
        assert_eq!(search.next(), Some(2_000.0));
        search.tell(true);
        assert_eq!(search.next(), Some(4_000.0));
        search.tell(false);
        search.tell(false);
        assert_eq!(search.next(), Some((2_000.0_f64 * 4_000.0).sqrt()));
    }
}
