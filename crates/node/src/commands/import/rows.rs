//! Reading orders from the rows of a CSV file.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use api::money::parse_amount;
use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use jiff::tz::TimeZone;
use types::{Amount, Currency, UnixMillis, order::MAX_RECEIVER_BYTES, text::Text};

use super::{identity::RowOrder, time::parse_time};

/// What an order without a customer's name was paid with.
const CUSTOMER_UNNAMED: &str = "cash";
/// A node refuses orders placed later than this after its own clock; told here, before anything is
/// sent.
const FAR_FUTURE_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How to read a file's rows.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// The column with the customer's name.
    pub(super) customer: String,
    /// The column with the amount.
    pub(super) amount: String,
    /// The column with what was bought.
    pub(super) details: String,
    /// The column with the time.
    pub(super) time: String,
    /// What separates columns.
    pub(super) delimiter: u8,
    /// True where amounts are written `38,70`.
    pub(super) decimal_comma: bool,
    /// Who gets the money.
    pub(super) receiver: Text<MAX_RECEIVER_BYTES>,
    /// What the amounts are in.
    pub(super) currency: Currency,
    /// Where times without an offset are from.
    pub(super) zone: TimeZone,
    /// When the import began; nothing may have been placed much later.
    pub(super) now: UnixMillis,
}

/// A row that is an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Counted from 1, the header not counted.
    pub(super) number: u64,
    /// The line it begins on.
    pub(super) line: u64,
    /// What it says.
    pub(super) order: RowOrder,
}

/// Why a file is not one of orders. Whoever wrote the file or typed the column's name can put it right.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no such column, or several.
    #[error("the file has {} named {name:?}; its columns are: {columns}", counted(*count))]
    Column {
        /// What was asked for.
        name: String,
        /// How many there are.
        count: usize,
        /// What there is.
        columns: String,
    },
    /// A row has too many or too few columns, or cannot be read.
    #[error("line {line}: {reason}")]
    Form {
        /// The line it begins on.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A value is wrong.
    #[error("line {line}, column {column:?}: {reason}")]
    Value {
        /// The line the row begins on.
        line: u64,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
}

/// How many columns, in words.
fn counted(columns: usize) -> String {
    match columns {
        0 => "no column".to_owned(),
        count => format!("{count} columns"),
    }
}

impl RowError {
    /// True when the rows after it can still be looked at.
    pub(super) const fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Form { .. } | Self::Value { .. })
    }
}

/// A file's rows, read one by one.
pub(super) struct Rows<R> {
    reader: Reader<R>,
    form: Form,
    places: [usize; 4],
    record: ByteRecord,
    number: u64,
}

/// Opens a file's rows.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub(super) fn open(path: &Path, form: &Form) -> Result<Rows<File>, RowError> {
    let file = File::open(path).map_err(|source| RowError::File {
        path: path.to_owned(),
        source,
    })?;
    Rows::new(file, form.clone())
}

impl<R: Read> Rows<R> {
    /// Reads the header and finds the columns.
    ///
    /// # Errors
    /// When the header cannot be read or lacks a column.
    pub(super) fn new(source: R, form: Form) -> Result<Self, RowError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(form.delimiter)
            .trim(Trim::Headers)
            .from_reader(source);
        let header = reader.headers().map_err(|error| form_error(1, &error))?;
        let find = |name: &str| {
            let mut found = header
                .iter()
                .enumerate()
                .filter(|(_, column)| *column == name)
                .map(|(place, _)| place);
            match (found.next(), found.count()) {
                (Some(place), 0) => Ok(place),
                (first, more) => Err(RowError::Column {
                    name: name.to_owned(),
                    count: more + usize::from(first.is_some()),
                    columns: header.iter().collect::<Vec<_>>().join(", "),
                }),
            }
        };
        let places = [
            find(&form.customer)?,
            find(&form.amount)?,
            find(&form.details)?,
            find(&form.time)?,
        ];
        Ok(Self {
            reader,
            form,
            places,
            record: ByteRecord::new(),
            number: 0,
        })
    }

    /// How much of the file is read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }

    fn row(&self, line: u64) -> Result<Row, RowError> {
        let form = &self.form;
        let [customer, amount, details, time] = self.places;
        let wrong = |column: &str, reason: String| RowError::Value {
            line,
            column: column.to_owned(),
            reason,
        };
        let text = |place: usize, column: &str| {
            let bytes = self.record.get(place).unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| {
                wrong(
                    column,
                    "it is not UTF-8; save the file as UTF-8 and try again".to_owned(),
                )
            })
        };
        let mut buyer = text(customer, &form.customer)?;
        if buyer.trim().is_empty() {
            buyer = CUSTOMER_UNNAMED;
        }
        let sum = form.parse_amount(text(amount, &form.amount)?.trim());
        let sum = sum.map_err(|reason| wrong(&form.amount, reason))?;
        let placed_at = parse_time(text(time, &form.time)?, &form.zone);
        let placed_at = placed_at.map_err(|error| wrong(&form.time, error.to_string()))?;
        if placed_at > form.now.plus_millis(FAR_FUTURE_MILLIS) {
            return Err(wrong(&form.time, "it is in the future".to_owned()));
        }
        let order = RowOrder {
            receiver: form.receiver.clone(),
            customer: Text::new(buyer).map_err(|error| wrong(&form.customer, error.to_string()))?,
            details: Text::new(text(details, &form.details)?)
                .map_err(|error| wrong(&form.details, error.to_string()))?,
            amount: sum,
            placed_at,
        };
        Ok(Row {
            number: self.number,
            line,
            order,
        })
    }
}

impl Form {
    fn parse_amount(&self, written: &str) -> Result<Amount, String> {
        if self.decimal_comma && written.contains('.') {
            return Err(format!(
                "{written:.32?} has a point, and amounts with a decimal comma have none; write 1038,70"
            ));
        }
        let point = if self.decimal_comma {
            written.replace(',', ".")
        } else {
            written.to_owned()
        };
        parse_amount(&point, self.currency).map_err(|error| error.to_string())
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                self.number += 1;
                Some(self.row(self.record.position().map_or(before, csv::Position::line)))
            }
            Err(error) => {
                self.number += 1;
                Some(Err(form_error(before, &error)))
            }
        }
    }
}

fn form_error(line: u64, error: &csv::Error) -> RowError {
    let line = error.position().map_or(line, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(source) => {
            let source = io::Error::new(source.kind(), source.to_string());
            RowError::File {
                path: PathBuf::from("the file"),
                source,
            }
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            let reason = format!("the row has {len} columns, the header {expected_len}");
            RowError::Form { line, reason }
        }
        csv::ErrorKind::Utf8 { .. } => RowError::Form {
            line,
            reason: "it is not UTF-8; save the file as UTF-8 and try again".to_owned(),
        },
        _ => RowError::Form {
            line,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            customer: "card".to_owned(),
            amount: "money".to_owned(),
            details: "coffee_name".to_owned(),
            time: "datetime".to_owned(),
            delimiter: b',',
            decimal_comma: false,
            receiver: Text::new("shop").unwrap(),
            currency: "UAH".parse().unwrap(),
            zone: TimeZone::UTC,
            now: UnixMillis(1_800_000_000_000),
        }
    }

    fn read(text: &str, form: Form) -> Vec<Result<Row, String>> {
        let rows = Rows::new(text.as_bytes(), form).unwrap();
        rows.map(|row| row.map_err(|error| error.to_string()))
            .collect()
    }

    fn refusals(text: &str) -> Vec<String> {
        read(text, form())
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }

    const HEADER: &str = "date,datetime,cash_type,card,money,coffee_name\n";

    #[test]
    fn a_tills_rows() {
        let text = format!(
            "\u{feff}{HEADER}2024/3/1,2024/3/1 10:15,card,ANON-1,38.7,Latte\n\
             2024/3/2,2024/3/2 10:15,cash,,40,\"Cocoa, large\"\n"
        );
        let rows: Vec<Row> = read(&text, form())
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let [first, second] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!((first.number, first.line), (1, 2));
        assert_eq!(first.order.customer.as_str(), "ANON-1");
        assert_eq!(first.order.amount.minor_units, 3_870);
        assert_eq!(first.order.placed_at, UnixMillis(1_709_288_100_000));
        assert_eq!((second.number, second.line), (2, 3));
        assert_eq!(second.order.customer.as_str(), "cash");
        assert_eq!(second.order.details.as_str(), "Cocoa, large");
    }

    #[test]
    fn other_delimiters_and_decimal_commas() {
        let form = Form {
            delimiter: b';',
            decimal_comma: true,
            ..form()
        };
        let text = "datetime; card ;money;coffee_name\r\n01.03.2024 10:15;Ada;38,70;Latte\r\n";
        let rows = read(text, form.clone());
        assert_eq!(rows[0].as_ref().unwrap().order.amount.minor_units, 3_870);
        let grouped = read(
            "datetime;card;money;coffee_name\n01.03.2024 10:15;Ada;1.038,70;Latte\n",
            form,
        );
        assert!(
            grouped[0]
                .as_ref()
                .unwrap_err()
                .contains("column \"money\"")
        );
    }

    #[test]
    fn every_fault_is_told_with_its_place_and_the_rest_is_read() {
        let text = format!(
            "{HEADER}a,soon,card,x,1,Latte\nb,2024/3/1 10:15,card,x,1.234,Latte\nc,short\n\
             d,2024/3/1 10:15,card,x,-1,Latte\ne,2040-01-01,card,x,1,Latte\nf,2024/3/1 10:15,card,{},1,Latte\n\
             g,2024/3/1 10:15,card,x,1,Latte\n",
            "x".repeat(257)
        );
        let rows = read(&text, form());
        assert_eq!(rows.last().unwrap().as_ref().unwrap().number, 7);
        let refusals = refusals(&text);
        assert_eq!(refusals.len(), 6);
        assert!(
            refusals[0].starts_with("line 2, column \"datetime\": \"soon\" is no time"),
            "{}",
            refusals[0]
        );
        assert_eq!(
            refusals[1],
            "line 3, column \"money\": the amount 1.234 has 3 decimals; UAH has 2"
        );
        assert_eq!(refusals[2], "line 4: the row has 2 columns, the header 6");
        assert!(refusals[3].starts_with("line 5, column \"money\": the amount -1 is negative"));
        assert_eq!(
            refusals[4],
            "line 6, column \"datetime\": it is in the future"
        );
        assert_eq!(
            refusals[5],
            "line 7, column \"card\": is 257 bytes of UTF-8; at most 256 are allowed"
        );
    }

    #[test]
    fn what_is_not_utf_8_is_told() {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend_from_slice(b"a,2024/3/1 10:15,card,x,1,Caf\xe9\n");
        let error = Rows::new(&*bytes, form())
            .unwrap()
            .next()
            .unwrap()
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "line 2, column \"coffee_name\": it is not UTF-8; save the file as UTF-8 and try again"
        );
    }

    #[test]
    fn missing_and_doubled_columns_are_told() {
        let missing = Rows::new("a,b\n".as_bytes(), form())
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            missing,
            "the file has no column named \"card\"; its columns are: a, b"
        );
        let doubled = Rows::new("card,card\n".as_bytes(), form())
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            doubled,
            "the file has 2 columns named \"card\"; its columns are: card, card"
        );
    }
}
