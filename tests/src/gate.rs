//! A gate between a program and the embedded network: it lets through what is asked and sent, and can be told to hold the next
//! transaction but one, so that a test knows where the program stands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::window::PATIENCE;

/// A transaction on its way.
const SENDING: &[u8] = b"eth_sendRawTransaction";
/// Nothing is held.
const OPEN: usize = usize::MAX;

/// The gate, and the folder of a network that is behind it.
pub struct Gate {
    /// The network's folder: for `USUFRUCT_NETWORK_HOME`.
    pub network_home: PathBuf,
    /// Transactions that it still lets through.
    passing: Arc<AtomicUsize>,
    holds: Receiver<()>,
}

impl Gate {
    /// Before the network in `real`, in a new folder `place`.
    ///
    /// # Panics
    /// When the network does not run.
    pub fn before(real: &Path, place: PathBuf) -> Gate {
        let address = real.join("chain/network.json");
        let mut said: Value = serde_json::from_slice(&std::fs::read(address).expect("it runs")).expect("JSON");
        let behind =
            said["url"].as_str().expect("an address").trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        said["url"] = format!("http://{}", listener.local_addr().expect("a port")).into();
        std::fs::create_dir_all(place.join("chain")).expect("a folder");
        std::fs::write(place.join("chain/network.json"), said.to_string()).expect("a file");
        for shared in ["content", "embedded.network.json"] {
            std::os::unix::fs::symlink(real.join(shared), place.join(shared)).expect("a link");
        }
        let passing = Arc::new(AtomicUsize::new(OPEN));
        let (held, holds) = channel();
        let guard = Guard { behind, passing: passing.clone(), held: Arc::new(Mutex::new(held)) };
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let guard = guard.clone();
                std::thread::spawn(move || guard.serve(caller));
            }
        });
        Gate { network_home: place, passing, holds }
    }

    /// Lets so many more transactions through, and holds what comes after them.
    pub fn let_through(&self, transactions: usize) {
        self.passing.store(transactions, Ordering::SeqCst);
    }

    /// Waits until it holds a transaction.
    ///
    /// # Panics
    /// When none comes.
    pub fn holds(&self) {
        self.holds.recv_timeout(PATIENCE * 4).expect("a transaction that is held");
    }
}

#[derive(Clone)]
struct Guard {
    behind: String,
    passing: Arc<AtomicUsize>,
    held: Arc<Mutex<Sender<()>>>,
}

impl Guard {
    /// One request; none of what is held gets further.
    fn serve(&self, mut caller: TcpStream) -> Option<()> {
        let (head, body) = request(&mut BufReader::new(&caller), &self.behind)?;
        let sends = body.windows(SENDING.len()).any(|window| window == SENDING);
        let left = |left: usize| if left == OPEN { Some(OPEN) } else { left.checked_sub(1) };
        if sends && self.passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_err() {
            let _ = self.held.lock().ok()?.send(());
            // Nobody answers: the caller waits until it ends.
            let _ = caller.read(&mut [0]);
            return None;
        }
        let mut network = TcpStream::connect(&self.behind).ok()?;
        network.write_all(head.as_bytes()).ok()?;
        network.write_all(&body).ok()?;
        let mut answer = Vec::new();
        network.read_to_end(&mut answer).ok()?;
        caller.write_all(&answer).ok()
    }
}

/// The head of an HTTP request, told to `host` and to be the only one on its connection, and its body.
fn request(from: &mut impl BufRead, host: &str) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if !lower.starts_with("connection:") && !lower.starts_with("host:") {
            head.push_str(&line);
        }
    }
    // The network answers only who names it as its host.
    head.push_str(&format!("Host: {host}\r\nConnection: close\r\n\r\n"));
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((head, body))
}
