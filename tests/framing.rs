//! HTTP/1.1 on the wire: where a message ends, and every byte of it as it came.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// The most bytes of a body that are read at once.
const MOST_AT_ONCE: u64 = 16 << 10;

/// The first line and the headers of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Every byte, with the empty line at the end.
    pub raw: Vec<u8>,
    /// `GET /x HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub line: String,
    /// Names in lower case, values without the space around them.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The next head; none where the stream ends before it.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<Head>> {
        let mut head = Head::default();
        loop {
            let text = line(reader, &mut head.raw)?;
            if head.raw.is_empty() {
                return Ok(None);
            }
            match text.split_once(':') {
                _ if head.line.is_empty() => head.line = text,
                _ if text.is_empty() => return Ok(Some(head)),
                Some((name, value)) => head
                    .headers
                    .push((name.to_lowercase(), value.trim().to_owned())),
                None => return Err(malformed(&text)),
            }
        }
    }

    /// The value of a header; the name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub fn status(&self) -> Option<u16> {
        self.line.split(' ').nth(1)?.parse().ok()
    }

    /// Whether more of the same answer follows, as after `100 Continue`.
    pub fn is_interim(&self) -> bool {
        self.status().is_some_and(|status| status < 200)
    }

    fn framing(&self) -> Option<Body> {
        if let Some(coding) = self.header("transfer-encoding") {
            let chunked = coding.to_lowercase().ends_with("chunked");
            return chunked.then_some(Body::Chunked(Chunk::Size));
        }
        let length = self.header("content-length")?;
        length.parse().ok().map(Body::Length)
    }
}

/// What of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, the last of which is empty.
    Chunked(Chunk),
    /// Whatever comes until the connection closes.
    UntilClosed,
}

/// What of a chunked body comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// The line with a size.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// Nothing: the trailer has been read.
    Ended,
}

/// A part of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// As it came.
    pub raw: Vec<u8>,
    /// Without the sizes of chunks.
    pub data: Vec<u8>,
}

impl Body {
    /// The body that comes after the head of a request.
    pub fn of_request(head: &Head) -> Body {
        head.framing().unwrap_or(Body::Length(0))
    }

    /// The body that comes after the head of the answer to a request of this method.
    pub fn of_answer(head: &Head, method: &str) -> Body {
        match head.status() {
            Some(204 | 304) => Body::Length(0),
            _ if method == "HEAD" => Body::Length(0),
            _ => head.framing().unwrap_or(Body::UntilClosed),
        }
    }

    /// Whether nothing more is to come.
    pub fn is_over(self) -> bool {
        matches!(self, Body::Length(0) | Body::Chunked(Chunk::Ended))
    }

    /// The next part; none at the end.
    pub fn next(&mut self, reader: &mut impl BufRead) -> Result<Option<Piece>> {
        match self {
            _ if self.is_over() => Ok(None),
            Body::Length(left) => data(reader, left).map(Some),
            Body::Chunked(chunk) => chunk.next(reader).map(Some),
            Body::UntilClosed => {
                let mut endless = u64::MAX;
                match data(reader, &mut endless) {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
                    piece => piece.map(Some),
                }
            }
        }
    }

    /// The next parts in one, until they are so long or the end is reached.
    pub fn up_to(&mut self, most: usize, reader: &mut impl BufRead) -> Result<Piece> {
        let mut whole = Piece::default();
        while whole.data.len() < most {
            let Some(piece) = self.next(reader)? else {
                break;
            };
            whole.raw.extend(piece.raw);
            whole.data.extend(piece.data);
        }
        Ok(whole)
    }
}

impl Chunk {
    fn next(&mut self, reader: &mut impl BufRead) -> Result<Piece> {
        let Chunk::Data(left) = self else {
            return self.size(reader);
        };
        let mut piece = data(reader, left)?;
        if *left == 0 {
            line(reader, &mut piece.raw)?;
            *self = Chunk::Size;
        }
        Ok(piece)
    }

    /// Reads the line with a size; after the last chunk also the trailer.
    fn size(&mut self, reader: &mut impl BufRead) -> Result<Piece> {
        let mut piece = Piece::default();
        let text = line(reader, &mut piece.raw)?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| malformed(&text))?;
        *self = Chunk::Data(size);
        if size == 0 {
            while !line(reader, &mut piece.raw)?.is_empty() {}
            *self = Chunk::Ended;
        }
        Ok(piece)
    }
}

/// Some of the bytes that are left.
fn data(reader: &mut impl BufRead, left: &mut u64) -> Result<Piece> {
    let mut bytes = Vec::new();
    let available = reader.fill_buf()?.len() as u64;
    let count = available.min(*left).min(MOST_AT_ONCE);
    if count == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    reader.take(count).read_to_end(&mut bytes)?;
    *left -= count;
    Ok(Piece {
        raw: bytes.clone(),
        data: bytes,
    })
}

/// The next line without its end, which is kept in `raw`. The stream may only end before the first byte of `raw`.
fn line(reader: &mut impl BufRead, raw: &mut Vec<u8>) -> Result<String> {
    let start = raw.len();
    let count = reader.read_until(b'\n', raw)?;
    let at_the_start = count == 0 && start == 0;
    if !at_the_start && !raw[start..].ends_with(b"\n") {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8_lossy(&raw[start..]);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("not HTTP/1.1: {text:?}"))
}

/// Reads every message of a stream: its first line, and its body as it came and as it is.
fn messages(mut stream: &[u8]) -> Vec<(String, Piece)> {
    let mut found = Vec::new();
    while let Some(head) = Head::read(&mut stream).unwrap() {
        let mut body = Body::of_request(&head);
        found.push((head.line, body.up_to(usize::MAX, &mut stream).unwrap()));
    }
    found
}

#[test]
fn a_body_ends_where_its_length_says_whatever_it_holds() {
    let trap = "GET /trap HTTP/1.1\r\n\r\n";
    let length = trap.len();
    let stream =
        format!("PUT /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{trap}GET /b HTTP/1.1\r\n\r\n");
    let found = messages(stream.as_bytes());
    let lines: Vec<_> = found.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["PUT /a HTTP/1.1", "GET /b HTTP/1.1"]);
    assert_eq!(found[0].1.data, trap.as_bytes());
}

#[test]
fn chunks_are_joined_and_kept_as_they_came() {
    let body = "5;note=x\r\n0\r\n\r\n\r\n3\r\nabc\r\n0\r\ntrailer: x\r\n\r\n";
    let head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let found = messages(format!("{head}{body}GET /b HTTP/1.1\r\n\r\n").as_bytes());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].1.data, b"0\r\n\r\nabc");
    assert_eq!(found[0].1.raw, body.as_bytes());
}

#[test]
fn an_answer_without_a_length_ends_with_the_connection() {
    let mut stream = &b"HTTP/1.1 200 OK\r\n\r\nall of it"[..];
    let head = Head::read(&mut stream).unwrap().unwrap();
    let mut body = Body::of_answer(&head, "GET");
    let whole = body.up_to(usize::MAX, &mut stream).unwrap();
    assert_eq!(
        (head.status(), whole.data),
        (Some(200), b"all of it".to_vec())
    );
    assert_eq!(Body::of_answer(&head, "HEAD"), Body::Length(0));
}

#[test]
fn a_stream_that_breaks_off_is_an_error() {
    for stream in [
        "GET /a HTTP/1.1\r\nhost: x",
        "GET /a HTTP/1.1\r\nhost: x\r\n",
        "no header\r\nat all\r\n\r\n",
    ] {
        assert!(Head::read(&mut stream.as_bytes()).is_err(), "{stream:?}");
    }
    for mut body in [Body::Length(9), Body::Chunked(Chunk::Size)] {
        let mut stream = &b"8\r\nabc"[..];
        assert!(body.up_to(usize::MAX, &mut stream).is_err(), "{body:?}");
    }
}
