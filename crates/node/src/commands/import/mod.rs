//! `dexter import`: hands the rows of a CSV file to a node, each exactly once.

mod identity;
mod journal;
mod pipeline;
mod rows;
mod send;
mod time;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use api::{
    model::StatusView,
    money::{decimals_of, parse_currency},
};
use clap::Args;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use types::{Currency, Micros, text::Text};

use self::{
    identity::Identities,
    journal::{Journal, Subject},
    rows::{Form, RowError},
    send::Sender,
};
use crate::{
    client::{Client, NodeArgs},
    durations::parse_duration,
    keys::{self, KeyKind},
    output::{self, Progress},
};

/// How many requests are under way at once: enough that a node always has the next row while it
/// writes one to disk, few enough to leave it room for others.
const WORKERS: usize = 16;
/// How many bad rows are shown before the others are only counted.
const BAD_ROWS_SHOWN: usize = 10;

/// Imports the orders of a CSV file. May be interrupted and run again: no row is imported twice.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The file: CSV with a header, in UTF-8.
    file: PathBuf,
    /// The column with the customer's name; where it is empty the customer is `cash`.
    #[arg(long, value_name = "COLUMN")]
    customer: String,
    /// The column with the amount.
    #[arg(long, value_name = "COLUMN")]
    amount: String,
    /// The column with what was bought.
    #[arg(long, value_name = "COLUMN")]
    details: String,
    /// The column with the time: 2024/3/1 10:15, 2024-03-01 10:15:30, 01.03.2024 10:15, RFC 3339, or
    /// seconds or milliseconds since 1970.
    #[arg(long, value_name = "COLUMN")]
    time: String,
    /// Who gets the money [default: the node's shop].
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// What the amounts are in [default: the network's currency].
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Where times without an offset are from, for example Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// What separates columns.
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    delimiter: char,
    /// Amounts are written 38,70.
    #[arg(long)]
    decimal_comma: bool,
    /// The name rows are remembered by [default: the file's name]. When a file of the same name has
    /// grown, only its new rows are imported; orders of their own need a source of their own.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Where the importer's secret and progress are kept [default: ~/.dexter/import].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How long to go on trying while the node is away or orders do not get final.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    timeout: Micros,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What an import amounts to.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Summary {
    /// Rows of the file.
    rows: u64,
    /// Rows handed over by this run.
    imported: u64,
    /// Rows the network had from before.
    already: u64,
    /// Rows whose orders are final: all of them.
    #[serde(rename = "final")]
    final_rows: u64,
    /// The sum of the amounts of all rows, by currency.
    sums: BTreeMap<String, String>,
    /// How long this run took.
    seconds: f64,
}

/// Runs `dexter import`.
///
/// # Errors
/// When the file has a bad row, the node refuses one, or is away for too long.
pub fn run(args: ImportArgs) -> anyhow::Result<()> {
    let summary = import(&args)?;
    if args.json {
        output::json(&summary)?;
        return Ok(());
    }
    let sums: Vec<_> = summary
        .sums
        .iter()
        .map(|(currency, sum)| format!("{sum} {currency}"))
        .collect();
    output::line(format!(
        "{} {} rows, {} imported now, {} before; all {} orders are final; {} in all; {:.1} s",
        output::green("done:"),
        summary.rows,
        summary.imported,
        summary.already,
        summary.final_rows,
        sums.join(", "),
        summary.seconds,
    ))?;
    Ok(())
}

fn import(args: &ImportArgs) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let client = args.node.client()?;
    let status: StatusView = client.get("/v1/status", &[])?;
    let form = args.form(&status)?;
    let source = args.source_name()?;
    let state = args.state_folder()?;
    let secret = keys::read_or_create(&state.join("secret"), KeyKind::Import)?;
    let identities = Identities::new(secret, &source);
    let subject = Subject {
        chain: status.chain,
        member: status.member_id,
        source,
    };
    let mut journal = Journal::open(&state.join(journal_name(&subject)), &subject)?;
    let checked = check(args, &form, &identities, &journal)?;
    let imported = send(
        args,
        &client,
        &form,
        &identities,
        &mut journal,
        checked.rows,
    )?;
    wait_final(args, &client, &journal)?;
    ensure!(
        journal.rows() == checked.rows,
        "the file changed while it was imported; run the same command again"
    );
    let sum = i128::try_from(checked.sum).context("the sum of all amounts")?;
    let sum = Decimal::try_from_i128_with_scale(sum, decimals_of(form.currency)?)?;
    Ok(Summary {
        rows: checked.rows,
        imported,
        already: checked.rows - imported,
        final_rows: journal.rows(),
        sums: BTreeMap::from([(form.currency.to_string(), sum.to_string())]),
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl ImportArgs {
    fn form(&self, status: &StatusView) -> anyhow::Result<Form> {
        let receiver = self.receiver.as_deref().unwrap_or(&status.member);
        let currency: Currency =
            parse_currency(self.currency.as_deref().unwrap_or(&status.currency))?;
        let zone = TimeZone::get(&self.time_zone).with_context(|| {
            format!(
                "{:?} is no time zone; give its IANA name, for example Europe/Berlin",
                self.time_zone
            )
        })?;
        let delimiter = u8::try_from(self.delimiter).ok().filter(u8::is_ascii);
        Ok(Form {
            customer: self.customer.clone(),
            amount: self.amount.clone(),
            details: self.details.clone(),
            time: self.time.clone(),
            delimiter: delimiter
                .context("--delimiter must be one ASCII character, for example ;")?,
            decimal_comma: self.decimal_comma,
            receiver: Text::new(receiver).context("the receiver")?,
            currency,
            zone,
            now: api::time::now(),
        })
    }

    fn source_name(&self) -> anyhow::Result<String> {
        let file_name = || {
            self.file
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let source = self
            .source
            .clone()
            .or_else(file_name)
            .context("FILE must be a file")?;
        ensure!(
            source.len() <= 1024,
            "the source's name is longer than 1024 bytes; give a shorter one with --source"
        );
        Ok(source)
    }

    fn state_folder(&self) -> anyhow::Result<PathBuf> {
        let home = || std::env::home_dir().map(|home| home.join(".dexter").join("import"));
        self.state
            .clone()
            .or_else(home)
            .context("there is no home folder; say where to keep progress with --state DIR")
    }

    const fn timeout(&self) -> Duration {
        self.timeout.as_duration()
    }
}

/// A journal's file name: a network's and a source's own, whatever characters the name has.
fn journal_name(subject: &Subject) -> PathBuf {
    let mut hasher = Sha256::new();
    hasher.update(subject.chain);
    hasher.update(subject.source.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    PathBuf::from(format!("{}.journal", hex::encode(&digest[..16])))
}

/// What the first reading of a file found.
struct Checked {
    rows: u64,
    /// Of the minor units of all amounts.
    sum: u128,
}

/// Reads the whole file once before anything is sent: every row must be an order, and those taken
/// before must not have changed.
fn check(
    args: &ImportArgs,
    form: &Form,
    identities: &Identities,
    journal: &Journal,
) -> anyhow::Result<Checked> {
    let bytes = std::fs::metadata(&args.file).map(|metadata| metadata.len());
    let bytes = bytes.map_err(|source| RowError::File {
        path: args.file.clone(),
        source,
    })?;
    let progress = Progress::new("checking", bytes);
    let mut taken = journal.entries()?;
    let mut checked = Checked { rows: 0, sum: 0 };
    let mut bad = Vec::new();
    let mut bad_count = 0_u64;
    let mut rows = rows::open(&args.file, form)?;
    while let Some(row) = rows.next() {
        progress.set(rows.bytes_read());
        match row {
            Ok(row) => {
                checked.rows += 1;
                checked.sum += u128::from(row.order.amount.minor_units);
                if let Some(entry) = taken.next() {
                    ensure!(
                        entry?.0 == identities.of(row.number, &row.order).key,
                        changed(&args.file, row.line)
                    );
                }
            }
            Err(error) if error.is_of_one_row() => {
                bad_count += 1;
                if bad.len() < BAD_ROWS_SHOWN {
                    bad.push(error.to_string());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    progress.finish();
    if bad_count > 0 {
        let more = bad_count - bad.len() as u64;
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        bail!(
            "nothing was imported: {bad_count} of the rows of {} cannot be orders\n  {}{more}",
            args.file.display(),
            bad.join("\n  ")
        );
    }
    ensure!(
        checked.rows >= journal.rows(),
        "{} has {} rows, but {} were imported before from a file of that name; give this file a name of its own with \
         --source NAME",
        args.file.display(),
        checked.rows,
        journal.rows()
    );
    Ok(checked)
}

fn changed(file: &Path, line: u64) -> String {
    format!(
        "line {line} of {} is not what was imported before from a file of that name, with these columns; if these are \
         other orders, give them a name of their own with --source NAME",
        file.display()
    )
}

/// Hands over the rows that were not taken before. Returns how many the node did not have.
fn send(
    args: &ImportArgs,
    client: &Client,
    form: &Form,
    identities: &Identities,
    journal: &mut Journal,
    total: u64,
) -> anyhow::Result<u64> {
    let before = journal.rows();
    let progress = Progress::new("importing", total);
    progress.set(before);
    let sender = Sender::new(client, journal.member(), args.timeout(), &progress);
    let rows = rows::open(&args.file, form)?
        .skip(usize::try_from(before)?)
        .map(|row| Ok(row?));
    let mut imported = 0;
    let result = pipeline::in_order(
        rows,
        WORKERS,
        |row, stop| sender.send(&row, &identities.of(row.number, &row.order), stop),
        |taken| {
            journal.push(&taken.key, &taken.id)?;
            imported += u64::from(!taken.already);
            progress.add(1);
            Ok(())
        },
    );
    journal.sync()?;
    progress.finish();
    let taken = journal.rows();
    result.with_context(|| {
        format!("{taken} of {total} rows are imported; run the same command again to go on")
    })?;
    Ok(imported)
}

/// Waits until the orders of all rows are final.
fn wait_final(args: &ImportArgs, client: &Client, journal: &Journal) -> anyhow::Result<()> {
    let progress = Progress::new("final", journal.rows());
    let sender = Sender::new(client, journal.member(), args.timeout(), &progress);
    let entries = journal.entries()?.map(|entry| Ok(entry?));
    pipeline::in_order(
        entries,
        WORKERS,
        |(_, id), stop| sender.wait_final(&id, stop),
        |()| {
            progress.add(1);
            Ok(())
        },
    )?;
    progress.finish();
    Ok(())
}

#[cfg(test)]
mod tests;
