//! A server that accepts connections and never answers, and knows whether anybody came.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Accepts and stays silent. Connections are held open until it is dropped.
pub struct SilentListener {
    address: String,
    visits: Arc<AtomicUsize>,
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl SilentListener {
    /// On a free port of loopback.
    pub fn start() -> SilentListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (visits, held) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (counted, kept) = (Arc::clone(&visits), Arc::clone(&held));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                kept.lock().unwrap().push(stream);
            }
        });
        SilentListener {
            address,
            visits,
            _held: held,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections came.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}
