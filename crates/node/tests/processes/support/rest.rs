//! A client for the REST interface that sends exactly what a test says, right or wrong.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use super::PATIENCE;

/// A node's REST interface.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) address: SocketAddr,
    /// How long an answer may take, to begin and between its parts.
    patience: Duration,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// The id in the answer to a placed order.
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Rest {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The REST interface at an address, asked with all patience.
    pub(crate) const fn at(address: SocketAddr) -> Self {
        Self {
            address,
            patience: PATIENCE,
        }
    }

    /// The same one, asked with less patience.
    pub(crate) const fn within(&self, patience: Duration) -> Self {
        Self {
            address: self.address,
            patience,
        }
    }

    /// Sends a request; its head is given line by line, `Content-Length` excepted.
    pub(crate) fn send(&self, head: &[&str], body: &[u8]) -> io::Result<Answer> {
        let mut reader = BufReader::new(self.open(head, body)?);
        read_answer(&mut reader)
    }

    /// Sends a request and leaves reading to the caller.
    pub(crate) fn open(&self, head: &[&str], body: &[u8]) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.address, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        let head = head.join("\r\n");
        let length = body.len();
        let mut request =
            format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        request.extend_from_slice(body);
        // A node that refuses early does not read the rest.
        let _ = stream.write_all(&request);
        Ok(stream)
    }

    pub(crate) fn try_get(&self, path: &str) -> io::Result<Answer> {
        let (line, host) = (format!("GET {path} HTTP/1.1"), self.host());
        self.send(&[&line, &host], b"")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap()
    }

    /// The JSON at a path that must be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) fn try_post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> io::Result<Answer> {
        let (line, host) = (format!("POST {path} HTTP/1.1"), self.host());
        let key = key.map(|key| format!("Idempotency-Key: {key}"));
        let mut head = vec![&*line, &host, "Content-Type: application/json"];
        head.extend(key.as_deref());
        self.send(&head, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, None, body).unwrap()
    }

    /// Places an order and waits until it is final; returns its id.
    pub(crate) fn place_final(&self, customer: &str) -> String {
        let answer = self.post("/v1/orders?wait=final", &order(customer));
        assert_eq!(
            (answer.status, &answer.json()["state"]),
            (201, &json!("final")),
            "{answer:?}"
        );
        answer.id()
    }

    pub(crate) fn host(&self) -> String {
        format!("Host: {}", self.address)
    }

    /// A number of `/v1/status`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        self.json("/v1/status")[field].as_u64().unwrap()
    }

    /// All final orders, in the order of the order log.
    pub(crate) fn orders(&self) -> Vec<Value> {
        let mut orders = Vec::new();
        let mut path = "/v1/orders?limit=1000".to_owned();
        loop {
            let page = self.json(&path);
            orders.extend(page["orders"].as_array().unwrap().iter().cloned());
            match page["next"].as_u64() {
                Some(next) => path = format!("/v1/orders?limit=1000&after={next}"),
                None => return orders,
            }
        }
    }
}

/// An order's body.
pub(crate) fn order(customer: &str) -> Value {
    json!({ "customer": customer, "details": "Flat white", "amount": "4.50" })
}

/// Reads the status line and the header, up to the body.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut header = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => header.push((name.to_ascii_lowercase(), value.to_owned())),
            None => return Ok((status, header)),
        }
    }
}

fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let (status, header) = read_head(reader)?;
    let field = |name: &str| {
        let found = header.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut body = Vec::new();
    if field("transfer-encoding") == "chunked" {
        while let Some(chunk) = read_chunk(reader)? {
            body.extend(chunk);
        }
    } else {
        body.resize(field("content-length").parse().unwrap_or(0), 0);
        reader.read_exact(&mut body)?;
    }
    Ok(Answer {
        status,
        content_type: field("content-type"),
        body,
    })
}

/// The next chunk of a body of unknown length; `None` at its end.
pub(crate) fn read_chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let length = usize::from_str_radix(line.trim_end(), 16);
    let length = length.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut chunk = vec![0; length + 2];
    reader.read_exact(&mut chunk)?;
    chunk.truncate(length);
    Ok((length > 0).then_some(chunk))
}
