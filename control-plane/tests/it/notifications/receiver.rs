//! An HTTP server that notifications go to, and that behaves as badly as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What came in.
#[derive(Clone)]
pub struct Received {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// How a request is answered.
#[derive(Clone)]
pub enum Reply {
    Status(u16),
    Redirect(String),
    /// The connection stays open.
    Silence,
    /// A head that never ends, a line at a time.
    Drip,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Receiver {
    /// 200 is the answer after these.
    pub fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            url: format!("http://{}/in/SEALED-PATH-9aQ7zLm2", listener.local_addr().unwrap()),
            received: Arc::default(),
            replies: Arc::new(Mutex::new(replies.iter().cloned().collect())),
        };
        let serving = receiver.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(connection.unwrap()));
            }
        });
        receiver
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn serve(&self, mut connection: TcpStream) {
        let Some(received) = read(&connection) else { return };
        self.received.lock().unwrap().push(received);
        let reply = self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
        let head = match &reply {
            Reply::Status(status) => format!("HTTP/1.1 {status} Fine\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
            Reply::Redirect(to) => {
                format!("HTTP/1.1 307 There\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            }
            Reply::Silence => String::new(),
            Reply::Drip => "HTTP/1.1 200 Fine\r\n".to_owned(),
        };
        let _ = connection.write_all(head.as_bytes());
        match reply {
            // Until the other side has had enough.
            Reply::Silence => drop(connection.read(&mut [0])),
            Reply::Drip => while connection.write_all(b"x-more: 1\r\n").is_ok() {},
            _ => {}
        }
    }
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

fn read(connection: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).ok()? })
}
