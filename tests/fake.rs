//! A service that answers as a test says, one answer a request in order, and keeps what was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET /collections?limit=250`
    pub line: String,
    /// `name: value`, names in lower case.
    pub headers: Vec<String>,
    pub body: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find_map(|header| header.strip_prefix(&format!("{name}: ")))
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    cut: bool,
}

impl Answer {
    /// JSON with status 200.
    pub fn json(value: &serde_json::Value) -> Answer {
        Answer::status(200, &value.to_string()).header("content-type", "application/json")
    }

    /// Any text with any status.
    pub fn status(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
            cut: false,
        }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The connection ends in the middle of the body.
    pub fn cut(mut self) -> Answer {
        self.cut = true;
        self
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut text = format!(
            "HTTP/1.1 {} x\r\ncontent-length: {}\r\nconnection: close\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let body = if self.cut {
            &self.body[..self.body.len() / 2]
        } else {
            &self.body
        };
        stream.write_all(text.as_bytes())?;
        stream.write_all(body.as_bytes())
    }
}

/// A service that gives its answers in order; the last one again and again.
pub struct FakeService {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeService {
    /// On a free port of loopback. `{url}` in a body or header stands for the service's own URL.
    pub fn start(answers: Vec<Answer>) -> FakeService {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, own) = (Arc::clone(&asked), url.clone());
        thread::spawn(move || {
            let mut answers = answers.into_iter();
            let mut answer = answers.next();
            for mut stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else {
                    continue;
                };
                kept.lock().unwrap().push(request);
                let Some(mut given) = answer.clone() else {
                    continue;
                };
                given.body = given.body.replace("{url}", &own);
                given
                    .headers
                    .iter_mut()
                    .for_each(|(_, value)| *value = value.replace("{url}", &own));
                let _ = given.write(&mut stream);
                answer = answers.next().or(answer);
            }
        });
        FakeService { url, asked }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        headers.push(format!("{}: {}", name.to_lowercase(), value.trim()));
    }
    let mut asked = Asked {
        line,
        headers,
        body: String::new(),
    };
    let length = asked
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}
