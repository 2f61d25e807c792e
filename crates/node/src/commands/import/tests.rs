//! Imports against a small fake node on loopback that forgets to answer, refuses, and forgets keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use api::{
    model::{NewOrder, PoolCounts},
    money::parse_amount,
};
use tempfile::TempDir;
use types::{
    Amount, BlockHash, ChainId, FaultModel, MemberId, Order, OrderId, PersonalPart, Voucher,
};

use super::*;

const TILL: MemberId = MemberId::new([7; 32]);

/// How the fake node misbehaves, and what it was told.
#[derive(Default)]
struct Book {
    by_key: BTreeMap<String, OrderId>,
    orders: BTreeSet<OrderId>,
    asked_about: BTreeSet<OrderId>,
    sum: u64,
    posts: u64,
    /// Takes every such order without answering: the connection just ends.
    drop_every: Option<u64>,
    /// Says 429 to every such post.
    busy_every: Option<u64>,
    /// Takes no more posts than this.
    most_posts: Option<u64>,
}

struct FakeNode {
    book: Arc<Mutex<Book>>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl FakeNode {
    fn start(book: Book) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Mutex::new(book));
        let shared = Arc::clone(&book);
        let server = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    let stream = stream.unwrap();
                    let mut first = [0];
                    // The test's end says goodbye with a connection on which it says nothing.
                    if stream.peek(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    let book = &shared;
                    scope.spawn(move || while serve(&stream, book) {});
                }
            });
        });
        Self {
            book,
            address,
            server: Some(server),
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
        self.server.take().unwrap().join().unwrap();
    }
}

/// Answers one request. False when the connection ends.
fn serve(stream: &TcpStream, book: &Mutex<Book>) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return false;
        }
    }
    let header = |name: &str| {
        head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        })
    };
    let length = header("content-length").map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let key = header("idempotency-key").map(|(_, key)| key.to_owned());
    let mut book = book.lock().unwrap();
    let answer = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/v1/status"] => Some((200, serde_json::to_value(status()).unwrap())),
        ["POST", "/v1/orders"] => book.post(&key.unwrap(), &body),
        ["GET", path] => Some(book.get(path)),
        _ => panic!("{head}"),
    };
    drop(book);
    let Some((status, json)) = answer else {
        return false;
    };
    let text = json.to_string();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut writer = stream;
    writer.write_all(answer.as_bytes()).is_ok()
}

impl Book {
    fn post(&mut self, key: &str, body: &[u8]) -> Option<(u16, serde_json::Value)> {
        self.posts += 1;
        let every =
            |every: Option<u64>| every.is_some_and(|every| self.posts.is_multiple_of(every));
        let (silent, busy) = (every(self.drop_every), every(self.busy_every));
        if busy || self.most_posts.is_some_and(|most| self.posts > most) {
            return Some((
                429,
                serde_json::json!({"title": "The pool is full", "detail": "try again"}),
            ));
        }
        let order: NewOrder = serde_json::from_slice(body).unwrap();
        let (id, minor_units) = recorded(&order);
        match self.by_key.get(key) {
            Some(first) => assert_eq!(*first, id, "the same key always comes with the same order"),
            None if self.orders.contains(&id) => {
                return Some((409, serde_json::json!({"title": "Duplicate", "order": id})));
            }
            None => {
                self.by_key.insert(key.to_owned(), id);
                self.orders.insert(id);
                self.sum += minor_units;
            }
        }
        (!silent).then(|| (201, serde_json::json!({"id": id, "state": "accepted"})))
    }

    fn totals(&self) -> (usize, u64) {
        (self.orders.len(), self.sum)
    }

    /// An order is final the second time it is asked about.
    fn get(&mut self, path: &str) -> (u16, serde_json::Value) {
        let id: OrderId = path.strip_prefix("/v1/orders/").unwrap().parse().unwrap();
        if !self.orders.contains(&id) {
            return (404, serde_json::json!({"title": "No such order"}));
        }
        let state = if self.asked_about.insert(id) {
            "accepted"
        } else {
            "final"
        };
        let order = serde_json::json!({
            "id": id, "state": state, "receiver": "shop", "amount": "1.00", "currency": "UAH",
            "placed_at": "2024-03-01T10:15:00Z", "personal_hash": id,
            "voucher": {"kind": "till", "member": TILL},
        });
        (200, order)
    }
}

/// The id and the minor units of the order that a node makes of a request.
fn recorded(order: &NewOrder) -> (OrderId, u64) {
    let personal = PersonalPart {
        salt: order.salt.unwrap().0,
        customer: Text::new(&*order.customer).unwrap(),
        details: Text::new(&*order.details).unwrap(),
    };
    let currency = order.currency.as_deref().unwrap().parse().unwrap();
    let amount: Amount = parse_amount(order.amount.as_str(), currency).unwrap();
    let public = Order {
        receiver: Text::new(order.receiver.as_deref().unwrap()).unwrap(),
        amount,
        placed_at: order.placed_at.unwrap().0,
        personal_hash: personal.hash(),
        voucher: Voucher::Till(TILL),
    };
    (public.id(), amount.minor_units)
}

fn status() -> StatusView {
    StatusView {
        network: "street".to_owned(),
        chain: ChainId::new([1; 32]),
        currency: "UAH".to_owned(),
        currency_decimals: Some(2),
        fault_model: FaultModel::Byzantine,
        member: "shop".to_owned(),
        member_id: TILL,
        version: "0".to_owned(),
        epoch: 0,
        height: 1,
        final_height: 0,
        final_hash: BlockHash::ZERO,
        log_size: 0,
        pool: PoolCounts::default(),
        members: 1,
        connected: 0,
        ready: true,
        reason: None,
    }
}

/// A till's export of `rows` rows in a folder; every second row is the same as the one before.
fn export(folder: &TempDir, rows: u64) -> PathBuf {
    let mut text = "datetime,card,money,coffee_name\n".to_owned();
    for row in 0..rows {
        text += &format!(
            "2024/3/1 10:{:02},ANON-{},38.7,Latte\n",
            row / 2 % 60,
            row / 2
        );
    }
    let path = folder.path().join("coffee.csv");
    fs::write(&path, text).unwrap();
    path
}

fn arguments(node: &FakeNode, folder: &TempDir, file: &Path) -> ImportArgs {
    ImportArgs {
        file: file.to_owned(),
        customer: "card".to_owned(),
        amount: "money".to_owned(),
        details: "coffee_name".to_owned(),
        time: "datetime".to_owned(),
        receiver: None,
        currency: None,
        time_zone: "UTC".to_owned(),
        delimiter: ',',
        decimal_comma: false,
        source: None,
        state: Some(folder.path().join("state")),
        timeout: Micros(60_000_000),
        node: NodeArgs {
            node: format!("http://{}", node.address),
            token_file: None,
        },
        json: true,
    }
}

#[test]
fn every_row_once_though_answers_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(&folder, 100);
    let node = FakeNode::start(Book {
        drop_every: Some(3),
        busy_every: Some(7),
        ..Book::default()
    });
    let args = arguments(&node, &folder, &file);
    let summary = import(&args).unwrap();
    assert_eq!(
        (
            summary.rows,
            summary.imported,
            summary.already,
            summary.final_rows
        ),
        (100, 100, 0, 100)
    );
    assert_eq!(
        summary.sums,
        BTreeMap::from([("UAH".to_owned(), "3870.00".to_owned())])
    );
    assert_eq!(node.book().totals(), (100, 387_000));

    let posts = node.book().posts;
    let again = import(&args).unwrap();
    assert_eq!(
        (again.rows, again.imported, again.already, again.final_rows),
        (100, 0, 100, 100)
    );
    assert_eq!(node.book().posts, posts, "nothing is sent a second time");
}

#[test]
fn an_interrupted_import_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(&folder, 100);
    let node = FakeNode::start(Book {
        most_posts: Some(40),
        ..Book::default()
    });
    let args = arguments(&node, &folder, &file);
    let hasty = ImportArgs {
        timeout: Micros(1),
        ..args.clone()
    };
    let error = format!("{:#}", import(&hasty).unwrap_err());
    assert!(
        error.contains("of 100 rows are imported; run the same command again to go on"),
        "{error}"
    );
    assert!(
        error.contains("answers 429: The pool is full: try again"),
        "{error}"
    );

    node.book().most_posts = None;
    let summary = import(&args).unwrap();
    assert_eq!((summary.rows, summary.final_rows), (100, 100));
    assert_eq!(node.book().totals(), (100, 387_000));
}

#[test]
fn without_journal_and_keys_the_orders_are_still_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(&folder, 20);
    let node = FakeNode::start(Book::default());
    let args = arguments(&node, &folder, &file);
    import(&args).unwrap();
    let state = folder.path().join("state");
    let is_journal = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "journal")
    };
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        if is_journal(&path) {
            fs::remove_file(path).unwrap();
        }
    }
    node.book().by_key.clear();
    let again = import(&args).unwrap();
    assert_eq!(
        (again.imported, again.already, again.final_rows),
        (0, 20, 20)
    );
    assert_eq!(node.book().orders.len(), 20);
}

#[test]
fn a_grown_file_imports_its_new_rows_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = FakeNode::start(Book::default());
    let file = export(&folder, 10);
    let args = arguments(&node, &folder, &file);
    import(&args).unwrap();
    export(&folder, 12);
    let grown = import(&args).unwrap();
    assert_eq!((grown.rows, grown.imported, grown.already), (12, 2, 10));

    export(&folder, 8);
    let shorter = import(&args).unwrap_err().to_string();
    assert!(
        shorter.contains("has 8 rows, but 12 were imported before"),
        "{shorter}"
    );
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("ANON-0", "ANON-9");
    fs::write(&file, text).unwrap();
    let changed = import(&args).unwrap_err().to_string();
    assert!(changed.starts_with("line 2 of "), "{changed}");
    let other = import(&ImportArgs {
        source: Some("april".to_owned()),
        ..args
    })
    .unwrap();
    assert_eq!((other.rows, other.imported), (8, 8));
    assert_eq!(node.book().orders.len(), 20);
}

#[test]
fn a_bad_row_stops_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let node = FakeNode::start(Book::default());
    let file = export(&folder, 30);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("38.7", "much", 12)).unwrap();
    let error = import(&arguments(&node, &folder, &file))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("nothing was imported: 12 of the rows of "),
        "{error}"
    );
    assert!(
        error.contains("\n  line 2, column \"money\": \"much\" is not an amount"),
        "{error}"
    );
    assert!(error.ends_with("\n  and 2 more"), "{error}");
    assert_eq!(node.book().posts, 0);
}

#[test]
fn what_the_command_line_says_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let node = FakeNode::start(Book::default());
    let args = arguments(&node, &folder, &export(&folder, 1));
    let refusal = |args: &ImportArgs| format!("{:#}", import(args).unwrap_err());
    let zone = refusal(&ImportArgs {
        time_zone: "Berlin".to_owned(),
        ..args.clone()
    });
    assert!(zone.starts_with("\"Berlin\" is no time zone"), "{zone}");
    let currency = refusal(&ImportArgs {
        currency: Some("eur".to_owned()),
        ..args.clone()
    });
    assert!(
        currency.starts_with("\"eur\" is not a currency of ISO 4217"),
        "{currency}"
    );
    let delimiter = refusal(&ImportArgs {
        delimiter: '→',
        ..args.clone()
    });
    assert!(
        delimiter.starts_with("--delimiter must be one ASCII character"),
        "{delimiter}"
    );
    let missing = refusal(&ImportArgs {
        file: folder.path().join("tea.csv"),
        ..args
    });
    assert!(missing.starts_with("cannot read "), "{missing}");
}
