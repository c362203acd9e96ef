//! World outside the program: a receiver of notices that works, fails, hangs and lies, and a remote that takes
//! connections and says nothing.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// A receiver that takes note of what it confirmed.
pub(super) struct Receiver {
    port: u16,
    silent: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    behaves: AtomicBool,
    /// When each notice was confirmed.
    confirmed: Mutex<HashMap<String, Vec<Instant>>>,
}

impl Receiver {
    pub(super) fn start(seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut chance = Pcg64::seed_from_u64(seed ^ 0x5eed);
            for stream in listener.incoming().flatten() {
                let behaviour = if of_thread.behaves.load(Ordering::Acquire) {
                    0
                } else {
                    chance.random_range(0..7)
                };
                let shared = Arc::clone(&of_thread);
                // A visitor who hangs costs a thread until its patience ends.
                std::thread::spawn(move || drop(serve(stream, behaviour, &shared)));
            }
        });
        Ok(Self { port, silent: TcpListener::bind("127.0.0.1:0")?, shared })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where connections are taken by the system, and nobody ever answers.
    pub(super) fn silent_port(&self) -> u16 {
        self.silent.local_addr().map(|address| address.port()).unwrap_or_default()
    }

    /// Works from now on.
    pub(super) fn behave(&self) {
        self.shared.behaves.store(true, Ordering::Release);
    }

    pub(super) fn confirmed(&self) -> HashMap<String, Vec<Instant>> {
        self.shared.confirmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, behaviour: u32, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let head = read_request(&mut stream)?;
    match behaviour {
        0 | 1 => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            )?;
            let id = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("idempotency-key").then(|| value.trim().to_owned())
            });
            if let Some(id) = id {
                let mut confirmed = shared.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
                confirmed.entry(id).or_default().push(Instant::now());
            }
            Ok(())
        }
        2 => {
            std::thread::sleep(Duration::from_secs(8));
            Ok(())
        }
        // Echoes what it was told, which may be secret.
        3 => {
            let answer = format!(
                "HTTP/1.1 403 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
                head.len()
            );
            stream.write_all(answer.as_bytes())
        }
        4 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok"),
        5 => stream.write_all(b"HTTP/1.1 429 Later\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"),
        _ => stream.write_all(b"SSH-2.0-OpenSSH\r\n"),
    }
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if count == 0 || body.len() >= length.unwrap_or_default() {
                return Ok(head.to_owned());
            }
        }
        if count == 0 || bytes.len() > 1 << 20 {
            return Ok(String::new());
        }
    }
}
