//! Sample orders for a network to watch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{client::Client, output};

/// One thread places the orders one by one; more is a benchmark's business.
pub(super) const MOST_ORDERS_A_SECOND: f64 = 1_000.0;

/// How long a stop may wait for the sleeping thread.
const NAP: Duration = Duration::from_millis(50);

const CUSTOMERS: [&str; 6] = ["Ada", "Boris", "Chiara", "Dilek", "Emeka", "Frida"];
const DRINKS: [(&str, &str); 5] = [
    ("Espresso", "2.20"),
    ("Flat white", "4.10"),
    ("Latte", "4.50"),
    ("Cortado", "3.40"),
    ("Hot chocolate", "4.80"),
];

/// A thread that places orders at the shops in turn.
pub(super) struct Demo {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Demo {
    pub(super) fn start(rate: f64, urls: Vec<String>) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let clients: Vec<Client> = urls
            .iter()
            .map(|url| Client::new(url, None))
            .collect::<Result<_, _>>()?;
        let place = move || place_orders(rate, &clients, &stopping);
        let thread = Builder::new()
            .name("dexter-demo".to_owned())
            .spawn(place)
            .context("the demo's thread")?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic in it has ended the process already.
        let _ = self.thread.join();
    }
}

fn place_orders(rate: f64, clients: &[Client], stop: &AtomicBool) {
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut due = Instant::now();
    let mut failing = false;
    for (number, client) in clients.iter().cycle().enumerate() {
        while Instant::now() < due {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()).min(NAP));
        }
        due += interval;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (drink, amount) = DRINKS[number % DRINKS.len()];
        let customer = CUSTOMERS[(number / 2) % CUSTOMERS.len()];
        let order = json!({ "customer": customer, "details": drink, "amount": amount });
        let placed = client.post::<Value, Value>("/v1/orders", None, &order);
        // Said once, not for every order while it lasts.
        if let Err(error) = &placed
            && !failing
        {
            let _ = output::line(format!("! the demo cannot place orders: {error}"));
        }
        failing = placed.is_err();
    }
}
