//! A tap on the wire in front of a real service: every request that a program sends is kept before the service gets it,
//! and can be held, lost on the way, lost on the way back, or answered in the service's place. Bytes pass unchanged. So
//! does the Host header: a program that signs its requests signs them for the tap's address, and the S3 servers verify
//! the signature against that.
//!
//! The tap differs from a plain connection in one thing: a change that has reached the service is let finish there also
//! when the program has gone away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use super::framing::{Body, Head, Piece};

/// How much of a body is kept.
const KEPT: usize = 64 << 10;

/// How long is waited for what must happen.
const PATIENCE: Duration = Duration::from_mins(3);

/// One request as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its place among the requests of all taps of this test run.
    pub order: usize,
    /// When its head had been read.
    pub at: Instant,
    /// `PUT`
    pub method: String,
    /// `/bucket/key?versionId=1`, as it was sent.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its first 64 KiB or a little more, without the sizes of chunks. Those of `content-encoding: aws-chunked` stay.
    pub body: Vec<u8>,
    /// The status of the answer, once all of it has come.
    pub answer: Option<u16>,
}

impl Request {
    fn of(head: &Head, body: Vec<u8>) -> Request {
        let mut words = head.line.split(' ').map(str::to_owned);
        Request {
            order: 0,
            at: Instant::now(),
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: head.headers.clone(),
            body,
            answer: None,
        }
    }

    /// `PUT /bucket/key?versionId=1`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The value of a header; the name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether it asks for a change of what the service keeps. A search that is a POST does not.
    pub fn is_change(&self) -> bool {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        match self.method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => false,
            // With a query it is S3's: `POST /bucket/search?uploads` begins an upload.
            "POST" if query.is_empty() => ![
                "search", "filter", "count", "paginate", "presign", "register", "scan",
            ]
            .contains(&last),
            _ => true,
        }
    }

    /// Whether it brings lines to Loki.
    pub fn is_push(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == "POST" && path.ends_with("/loki/api/v1/push")
    }
}

/// The request lines, in order.
pub fn lines(requests: &[Request]) -> Vec<String> {
    requests.iter().map(Request::line).collect()
}

/// What happens to one request before it is forwarded.
pub enum Hook {
    /// It waits for [`Wire::release`].
    Hold,
    /// The connection closes, and the service never hears of it.
    Drop,
    /// The service does it, and the connection closes without the answer.
    ForwardThenDrop,
    /// One bit of the body of its answer is another, as on a wire that nothing checks.
    Flip,
    /// This runs, then it is forwarded.
    Run(Box<dyn FnOnce() + Send>),
}

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
type Answering = Arc<dyn Fn(&Request) -> Option<String> + Send + Sync>;

/// The tap. Clones are the same tap.
#[derive(Clone)]
pub struct Wire {
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    service: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    requests: Vec<Request>,
    /// Those whose fate is not settled: held, or with an answer still to come.
    open: BTreeSet<usize>,
    counts: Predicate,
    counted: usize,
    hooks: BTreeMap<usize, Hook>,
    answering: Answering,
    held: usize,
    releases: usize,
}

impl Default for State {
    fn default() -> State {
        State {
            requests: Vec::new(),
            open: BTreeSet::new(),
            counts: Arc::new(Request::is_change),
            counted: 0,
            hooks: BTreeMap::new(),
            answering: Arc::new(|_| None),
            held: 0,
            releases: 0,
        }
    }
}

impl Wire {
    /// In front of the service at this `http://` URL, on a free port of loopback.
    pub fn before(url: &str) -> Wire {
        let mut url = Url::parse(url).unwrap();
        assert_eq!(url.scheme(), "http", "the tap speaks no TLS");
        let service = url.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        url.set_ip_host([127, 0, 0, 1].into()).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let shared = Arc::new(Shared {
            url: url.as_str().trim_end_matches('/').to_owned(),
            service,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let wire = Wire { shared };
        let shared = Arc::clone(&wire.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || converse(shared, client));
            }
        });
        wire
    }

    /// Where it listens, with the path that the service's URL has.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Does this to the n-th request that counts, from 0 on.
    pub fn at_change(&self, n: usize, hook: Hook) -> Wire {
        self.shared.lock().hooks.insert(n, hook);
        self.clone()
    }

    /// These requests count for `at_change`, instead of all changes.
    pub fn counting(&self, counts: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Wire {
        self.shared.lock().counts = Arc::new(counts);
        self.clone()
    }

    /// Answers what this has an answer for, and the service never hears of it. An answer is the whole of what goes over
    /// the wire, as from [`reply`]. A hook comes first.
    pub fn answering(
        &self,
        answering: impl Fn(&Request) -> Option<String> + Send + Sync + 'static,
    ) -> Wire {
        self.shared.lock().answering = Arc::new(answering);
        self.clone()
    }

    /// Forgets what came so far, and counts from 0 again.
    pub fn forget(&self) {
        let mut state = self.shared.lock();
        state.requests.clear();
        state.counted = 0;
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Those that ask for a change.
    pub fn changes(&self) -> Vec<Request> {
        self.that(Request::is_change)
    }

    /// Those that bring lines to Loki.
    pub fn pushes(&self) -> Vec<Request> {
        self.that(Request::is_push)
    }

    /// Those that this is true of.
    pub fn that(&self, wanted: impl Fn(&Request) -> bool) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(wanted);
        requests
    }

    /// Waits until a request is held.
    pub fn wait_until_held(&self) {
        self.shared.wait("a request held", |state| state.held > 0);
    }

    /// Waits until a request is held, however long the program takes to come to it. Whether one is: not where the program
    /// is over.
    pub fn is_held_before_end(&self, program: &mut Child) -> bool {
        while !self.is_held() {
            if program.try_wait().unwrap().is_some() {
                return self.is_held();
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Whether a request is held.
    pub fn is_held(&self) -> bool {
        self.shared.lock().held > 0
    }

    /// Lets go what is held. It then reaches the service also where its program is dead.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        assert!(state.held > 0, "nothing is held");
        state.held = 0;
        state.releases += 1;
        self.shared.changed.notify_all();
    }

    /// Waits until so many requests were answered with this status.
    pub fn wait_for_answers(&self, status: u16, count: usize) {
        let is_one = |request: &&Request| request.answer == Some(status);
        self.shared.wait("so many of these answers", |state| {
            state.requests.iter().filter(is_one).count() >= count
        });
    }

    /// Waits until no request is under way: each is answered in full or lost.
    pub fn wait_until_settled(&self) {
        self.shared
            .wait("no request under way", |state| state.open.is_empty());
    }
}

/// An answer as it goes over the wire; `status` is as in `503 Slow Down`.
pub fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer that ends in the middle of its body.
pub fn cut(answer: &str) -> String {
    let body = answer.find("\r\n\r\n").unwrap() + 4;
    let end = answer.floor_char_boundary(body + (answer.len() - body) / 2);
    answer[..end].to_owned()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, what: &str, reached: impl Fn(&State) -> bool) {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |state| !reached(state))
            .unwrap_or_else(PoisonError::into_inner);
        let (in_time, seen) = (reached(&state), lines(&state.requests));
        drop(state);
        assert!(in_time, "there was never {what}: {seen:#?}");
    }

    /// Keeps a request, and gives what is to happen to it.
    fn record(&self, mut request: Request) -> (Request, Option<Hook>) {
        static ORDER: AtomicUsize = AtomicUsize::new(0);
        let counts = Arc::clone(&self.lock().counts);
        let counted = counts(&request);
        let mut state = self.lock();
        request.order = ORDER.fetch_add(1, Ordering::SeqCst);
        state.open.insert(request.order);
        state.requests.push(request.clone());
        if !counted {
            return (request, None);
        }
        let n = state.counted;
        state.counted += 1;
        (request, state.hooks.remove(&n))
    }

    fn hold(&self) {
        let mut state = self.lock();
        let before = state.releases;
        state.held += 1;
        self.changed.notify_all();
        let _released = self
            .changed
            .wait_while(state, |state| state.releases == before)
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// Keeps more of a body.
    fn keep(&self, order: usize, data: &[u8]) {
        let mut state = self.lock();
        let mut requests = state.requests.iter_mut();
        if let Some(request) = requests.find(|request| request.order == order) {
            let room = KEPT.saturating_sub(request.body.len()).min(data.len());
            request.body.extend(&data[..room]);
        }
    }

    /// The request is over: answered with this status, or lost.
    fn settle(&self, order: usize, answer: Option<u16>) {
        let mut state = self.lock();
        state.open.remove(&order);
        let mut requests = state.requests.iter_mut();
        if let Some(request) = requests.find(|request| request.order == order) {
            request.answer = answer;
        }
        self.changed.notify_all();
    }
}

/// One connection of a program, and its continuation to the service.
struct Connection {
    shared: Arc<Shared>,
    client: TcpStream,
    service: TcpStream,
    forwarded: Mutex<Forwarded>,
    answered: Condvar,
}

/// What the service has been asked and has not answered yet.
#[derive(Default)]
struct Forwarded {
    requests: VecDeque<Pending>,
    closed: bool,
}

#[derive(Clone)]
struct Pending {
    order: usize,
    method: String,
    change: bool,
    /// The answer is for nobody.
    lost: bool,
    /// A bit of its body is to be another.
    flipped: bool,
}

/// Serves one connection to its end.
fn converse(shared: Arc<Shared>, client: TcpStream) {
    let Ok(service) = TcpStream::connect(shared.service) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = service.set_nodelay(true);
    let connection = Arc::new(Connection {
        shared,
        client,
        service,
        forwarded: Mutex::default(),
        answered: Condvar::new(),
    });
    let back = Arc::clone(&connection);
    let answers = thread::spawn(move || {
        let _ = back.carry_answers();
        back.close();
    });
    let _ = connection.carry_requests();
    connection.await_changes();
    connection.close();
    let _ = answers.join();
    for pending in &connection.forwarded().requests {
        connection.shared.settle(pending.order, None);
    }
}

impl Connection {
    fn forwarded(&self) -> MutexGuard<'_, Forwarded> {
        self.forwarded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_requests(&self) -> io::Result<()> {
        let mut reader = BufReader::new(&self.client);
        while let Some(head) = Head::read(&mut reader)? {
            if !self.carry_request(&head, &mut reader)? {
                break;
            }
        }
        Ok(())
    }

    /// Does with one request what is to be done; whether the connection is good for another.
    fn carry_request(&self, head: &Head, reader: &mut BufReader<&TcpStream>) -> io::Result<bool> {
        let mut body = Body::of_request(head);
        // Who asks for leave to send a body may wait for it, so the head goes first.
        let opening = match head.header("expect") {
            Some(_) => Piece::default(),
            None => body.up_to(KEPT, reader)?,
        };
        let (request, hook) = self.shared.record(Request::of(head, opening.data));
        let lost = matches!(hook, Some(Hook::ForwardThenDrop));
        let flipped = matches!(hook, Some(Hook::Flip));
        match hook {
            Some(Hook::Drop) => {
                self.shared.settle(request.order, None);
                return Ok(false);
            }
            Some(Hook::Hold) => self.shared.hold(),
            Some(Hook::Run(run)) => run(),
            Some(Hook::ForwardThenDrop | Hook::Flip) | None => {}
        }
        let answering = Arc::clone(&self.shared.lock().answering);
        if let Some(answer) = answering(&request) {
            return self.answer(&request, &answer, body, reader);
        }
        self.forwarded().requests.push_back(Pending {
            order: request.order,
            change: request.is_change(),
            method: request.method,
            lost,
            flipped,
        });
        (&self.service).write_all(&[head.raw.as_slice(), &opening.raw].concat())?;
        let carried = self.carry_body(request.order, body, reader);
        if carried.is_err() {
            // The rest of the body will never come, and the service is not to wait for it.
            let _ = self.service.shutdown(Shutdown::Both);
        }
        if head.header("upgrade").is_some() {
            // From here on it may be anything but requests.
            io::copy(reader, &mut &self.service)?;
            return Ok(false);
        }
        carried.map(|()| !lost)
    }

    fn carry_body(
        &self,
        order: usize,
        mut body: Body,
        reader: &mut BufReader<&TcpStream>,
    ) -> io::Result<()> {
        while let Some(piece) = body.next(reader)? {
            self.shared.keep(order, &piece.data);
            (&self.service).write_all(&piece.raw)?;
        }
        Ok(())
    }

    /// Answers in the service's place.
    fn answer(
        &self,
        request: &Request,
        answer: &str,
        mut body: Body,
        reader: &mut BufReader<&TcpStream>,
    ) -> io::Result<bool> {
        while let Some(piece) = body.next(reader)? {
            self.shared.keep(request.order, &piece.data);
        }
        let head = Head::read(&mut answer.as_bytes())?.unwrap_or_default();
        self.shared.settle(request.order, head.status());
        (&self.client).write_all(answer.as_bytes())?;
        // An answer that is shorter than it says breaks off there.
        let given = (answer.len() - head.raw.len()) as u64;
        Ok(match Body::of_answer(&head, &request.method) {
            Body::UntilClosed => false,
            Body::Length(announced) => announced <= given,
            Body::Chunked(_) => true,
        })
    }

    fn carry_answers(&self) -> io::Result<()> {
        let mut reader = BufReader::new(&self.service);
        while let Some(head) = Head::read(&mut reader)? {
            let Some(pending) = self.forwarded().requests.front().cloned() else {
                break;
            };
            if head.status() == Some(101) {
                self.send(&pending, &head.raw)?;
                self.forwarded().requests.pop_front();
                self.shared.settle(pending.order, head.status());
                io::copy(&mut reader, &mut &self.client)?;
                break;
            }
            if head.is_interim() {
                self.send(&pending, &head.raw)?;
                continue;
            }
            let body = self.carry_answer(&pending, &head, &mut reader)?;
            self.forwarded().requests.pop_front();
            self.answered.notify_all();
            if pending.lost || body == Body::UntilClosed {
                break;
            }
        }
        Ok(())
    }

    /// Carries one answer. It is on record before its last bytes are sent, so that who has it can look it up.
    fn carry_answer(
        &self,
        pending: &Pending,
        head: &Head,
        reader: &mut BufReader<&TcpStream>,
    ) -> io::Result<Body> {
        let mut body = Body::of_answer(head, &pending.method);
        let (mut bytes, mut flips) = (head.raw.clone(), pending.flipped);
        loop {
            if body.is_over() {
                self.shared.settle(pending.order, head.status());
            }
            self.send(pending, &bytes)?;
            match body.next(reader)? {
                Some(piece) => bytes = piece.raw,
                None => break,
            }
            if std::mem::take(&mut flips) {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
        }
        self.shared.settle(pending.order, head.status());
        Ok(body)
    }

    /// Passes a part of an answer on. A program that has gone away does not keep the service from finishing a change.
    fn send(&self, pending: &Pending, bytes: &[u8]) -> io::Result<()> {
        if pending.lost {
            return Ok(());
        }
        let sent = (&self.client).write_all(bytes);
        if pending.change { Ok(()) } else { sent }
    }

    /// Waits until the service is done with the changes it has been asked for, and with what it answers nobody.
    fn await_changes(&self) {
        let under_way = |forwarded: &mut Forwarded| {
            let mut requests = forwarded.requests.iter();
            !forwarded.closed && requests.any(|pending| pending.change || pending.lost)
        };
        let _done = self
            .answered
            .wait_while(self.forwarded(), under_way)
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn close(&self) {
        self.forwarded().closed = true;
        self.answered.notify_all();
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.service.shutdown(Shutdown::Both);
    }
}
