//! A way to a service whose connections are cut when a test says so, whatever goes over them: requests, answers,
//! websockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use url::Url;

/// The way. Clones are the same.
#[derive(Clone)]
pub struct Scissors {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    /// Connections of an earlier age pass nothing on.
    age: AtomicUsize,
}

impl Scissors {
    /// In front of the service at this `http://` URL.
    pub fn before(url: &str) -> Scissors {
        let service = Url::parse(url).unwrap().socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared::default());
        let scissors = Scissors {
            url: format!("http://{}", listener.local_addr().unwrap()),
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let _ = shared.connect(client, service);
            }
        });
        scissors
    }

    /// Where it begins.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing pass any more on connections that are open, and leaves them so. Later ones work.
    pub fn forget(&self) {
        self.shared.age.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn connect(self: &Arc<Shared>, client: TcpStream, service: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(service)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.open.lock().unwrap().push(stream.try_clone()?);
        }
        let age = self.age.load(Ordering::SeqCst);
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let shared = Arc::clone(self);
            thread::spawn(move || {
                let _ = shared.pump(&from, &to, age);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        Ok(())
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, age: usize) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            if self.age.load(Ordering::SeqCst) == age {
                to.write_all(&buffer[..count])?;
            }
        }
    }
}
