//! Money at the edge: decimal text to and from integer minor units, exactly.

use iso_currency::Currency as IsoCurrency;
use rust_decimal::Decimal;
use types::{Amount, Currency, units::MAX_MINOR_UNITS};

/// The longest decimal text looked at: the largest amount has 16 digits and a point.
const MAX_DECIMAL_LENGTH: usize = 32;

/// Why a text is no amount of money. The giver's fault; a corrected text helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency that ISO 4217 knows.
    #[error(
        "{0:?} is not a currency of ISO 4217; give its three upper-case letters, for example EUR"
    )]
    UnknownCurrency(String),
    /// A code of ISO 4217 for something without minor units, such as gold.
    #[error(
        "{0} has no minor units in ISO 4217, so amounts in it cannot be exact; give another currency"
    )]
    NoMinorUnits(Currency),
    /// Below zero.
    #[error("the amount {0} is negative; an amount is zero or more")]
    Negative(String),
    /// Written like 1e3.
    #[error("the amount {0} is written with an exponent; write it out, for example 1000")]
    Exponent(String),
    /// No decimal number at all.
    #[error("{0:?} is not an amount; write digits with at most one point, for example 38.70")]
    NotANumber(String),
    /// Finer than the currency's smallest coin.
    #[error("the amount {given} has {found} decimals; {currency} has {allowed}")]
    TooManyDecimals {
        /// As given.
        given: String,
        /// How many decimals it has.
        found: u32,
        /// In which currency.
        currency: Currency,
        /// How many the currency has.
        allowed: u32,
    },
    /// Beyond the most an amount may be.
    #[error(
        "the amount {0} is too large; at most {MAX_MINOR_UNITS} minor units (cents) are allowed"
    )]
    TooLarge(String),
}

/// Reads a currency code and checks that ISO 4217 knows it and gives it minor units.
///
/// # Errors
/// When it does not.
pub fn parse_currency(code: &str) -> Result<Currency, MoneyError> {
    let currency: Currency = code
        .parse()
        .map_err(|_| MoneyError::UnknownCurrency(shortened(code)))?;
    decimals_of(currency)?;
    Ok(currency)
}

/// How many decimals amounts of a currency have: 2 for EUR, 0 for JPY, 3 for KWD.
///
/// # Errors
/// When ISO 4217 does not know the currency or gives it no minor units.
pub fn decimals_of(currency: Currency) -> Result<u32, MoneyError> {
    let known = IsoCurrency::from_code(currency.as_str())
        .ok_or_else(|| MoneyError::UnknownCurrency(currency.to_string()))?;
    known
        .exponent()
        .map(u32::from)
        .ok_or(MoneyError::NoMinorUnits(currency))
}

/// Reads an amount written as plain decimal digits, `38.70` or `4.5`; nothing is rounded.
///
/// # Errors
/// When it is not an exact, non-negative amount of that currency within bounds.
pub fn parse_amount(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
    let allowed = decimals_of(currency)?;
    let given = shortened(text);
    if let Some(rest) = text.strip_prefix('-') {
        let number = is_plain_decimal(rest);
        return Err(if number {
            MoneyError::Negative(given)
        } else {
            MoneyError::NotANumber(given)
        });
    }
    if let Some((mantissa, _)) = text.split_once(['e', 'E'])
        && is_plain_decimal(mantissa)
    {
        return Err(MoneyError::Exponent(given));
    }
    if !is_plain_decimal(text) {
        return Err(MoneyError::NotANumber(given));
    }
    if text.len() > MAX_DECIMAL_LENGTH {
        return Err(MoneyError::TooLarge(given));
    }
    let mut decimal =
        Decimal::from_str_exact(text).map_err(|_| MoneyError::TooLarge(given.clone()))?;
    let found = decimal.scale();
    if found > allowed {
        return Err(MoneyError::TooManyDecimals {
            given,
            found,
            currency,
            allowed,
        });
    }
    decimal.rescale(allowed);
    // Rescaling stops short of what fits a decimal's 96 bits, which is far beyond the bound.
    let minor_units = u64::try_from(decimal.mantissa()).ok();
    match minor_units {
        Some(minor_units) if decimal.scale() == allowed && minor_units <= MAX_MINOR_UNITS => {
            Ok(Amount {
                minor_units,
                currency,
            })
        }
        _ => Err(MoneyError::TooLarge(given)),
    }
}

/// Writes an amount with all decimals of its currency: `38.70`.
///
/// A currency that ISO 4217 does not know can only come from another member's order; its amount is
/// written in whole minor units.
pub fn format_amount(amount: &Amount) -> String {
    let decimals = decimals_of(amount.currency).unwrap_or(0);
    Decimal::from_i128_with_scale(i128::from(amount.minor_units), decimals).to_string()
}

/// Digits with at most one point between them.
fn is_plain_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    }
}

/// At most as much of what was given as an error message should repeat.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_DECIMAL_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, code: &str) -> Result<u64, String> {
        let currency = parse_currency(code).map_err(|error| error.to_string())?;
        parse_amount(text, currency)
            .map(|amount| amount.minor_units)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn exact_amounts_come_through_and_back() {
        for (text, code, minor_units, back) in [
            ("38.70", "EUR", 3870, "38.70"),
            ("38.7", "EUR", 3870, "38.70"),
            ("4", "EUR", 400, "4.00"),
            ("0.01", "USD", 1, "0.01"),
            ("0", "USD", 0, "0.00"),
            ("500", "JPY", 500, "500"),
            ("1.234", "KWD", 1234, "1.234"),
            (
                "10000000000000.00",
                "EUR",
                MAX_MINOR_UNITS,
                "10000000000000.00",
            ),
        ] {
            assert_eq!(parsed(text, code), Ok(minor_units), "{text} {code}");
            let currency = parse_currency(code).unwrap();
            assert_eq!(
                format_amount(&Amount {
                    minor_units,
                    currency
                }),
                back
            );
        }
    }

    #[test]
    fn every_refusal_says_why() {
        for (text, code, words) in [
            ("4.505", "EUR", "the amount 4.505 has 3 decimals; EUR has 2"),
            ("4.500", "EUR", "the amount 4.500 has 3 decimals; EUR has 2"),
            ("4.5", "JPY", "the amount 4.5 has 1 decimals; JPY has 0"),
            (
                "-4.50",
                "EUR",
                "the amount -4.50 is negative; an amount is zero or more",
            ),
            (
                "1e3",
                "EUR",
                "the amount 1e3 is written with an exponent; write it out, for example 1000",
            ),
            (
                "10000000000000.01",
                "EUR",
                "the amount 10000000000000.01 is too large; at most 1000000000000000 minor units (cents) are allowed",
            ),
        ] {
            assert_eq!(parsed(text, code), Err(words.to_owned()));
        }
        for text in [
            "", ".", ".5", "5.", "+5", "1_000", "1,50", "NaN", " 5", "-", "--5", "٣",
        ] {
            assert!(
                parsed(text, "EUR")
                    .unwrap_err()
                    .contains("is not an amount"),
                "{text}"
            );
        }
        let long = "9".repeat(100_000);
        let error = parsed(&long, "EUR").unwrap_err();
        assert!(error.contains("too large") && error.len() < 200);
        assert!(
            parsed(&"9".repeat(30), "KWD")
                .unwrap_err()
                .contains("too large")
        );
    }

    #[test]
    fn only_currencies_of_iso_4217_with_minor_units() {
        for code in ["ZZZ", "eur", "EURO", "", "€"] {
            assert!(
                matches!(parse_currency(code), Err(MoneyError::UnknownCurrency(_))),
                "{code}"
            );
        }
        assert!(matches!(
            parse_currency("XAU"),
            Err(MoneyError::NoMinorUnits(_))
        ));
        let foreign = Amount {
            minor_units: 450,
            currency: "ZZZ".parse().unwrap(),
        };
        assert_eq!(format_amount(&foreign), "450");
    }
}
