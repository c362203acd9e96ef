//! Mail through servers that take it, put it off, refuse it, hang and lie.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bench_analyzer::clock::{Clock, SimulatedClock, Stop};
use bench_analyzer::continuous::BenchmarkConfig;
use bench_analyzer::continuous::channel::Channel;
use bench_analyzer::jobs::letter::LetterFate;
use bench_analyzer::secret::Confidential;
use bench_analyzer::store::Store;

use crate::alerts::{START, deliver, notice, queue, steward};
use crate::workspace::Workspace;

/// What a mail server does.
#[derive(Debug, Clone, Copy)]
enum Server {
    Take,
    /// Says this to one of the commands, and takes everything else.
    Say(&'static str, &'static str),
    /// Takes the connection and says nothing.
    Hang,
    /// Says a little every moment, and never comes to an end.
    Drawl,
    /// Goes away in the middle.
    Leave,
}

struct Mailbox {
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Mailbox {
    /// Behaves so, connection after connection.
    fn new(servers: Vec<Server>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for server in servers {
                let Ok((stream, _)) = listener.accept() else { return };
                match server {
                    Server::Hang => hanging.push(stream),
                    Server::Drawl => drop(std::thread::spawn(move || drawl(stream))),
                    other => drop(serve(&stream, other, &heard)),
                }
            }
        });
        Self { port, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    fn channel(&self, more: &str) -> Channel {
        let text = format!(
            "[[alert]]\nto = \"email\"\nname = \"team\"\nserver = \"127.0.0.1\"\nport = {}\n\
             from = \"Benchmarks <bench@example.com>\"\nrecipients = [\"a@example.com\", \
             \"b@example.com\"]\ntimeout = \"1s\"\n{more}",
            self.port
        );
        let password = |name: &str| (name == "SMTP_PASSWORD").then(|| "hunter2-s3cr3t".to_owned());
        let config = BenchmarkConfig::parse(&text, "/".into(), password).unwrap();
        assert!(!format!("{config:?}").contains("s3cr3t"), "{config:?}");
        config.channels.into_iter().next().unwrap()
    }
}

fn drawl(mut stream: TcpStream) {
    while stream.write_all(b"220-wait\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// One connection of the protocol, as far as a client needs it.
fn serve(stream: &TcpStream, server: Server, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut answer = stream;
    answer.write_all(b"220 here\r\n")?;
    let mut in_data = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        heard.lock().unwrap().push(line.clone());
        let command = line.split(' ').next().unwrap_or_default().to_uppercase();
        if let (Server::Say(to, what), false) = (server, in_data)
            && command == to
        {
            answer.write_all(format!("{what}\r\n").as_bytes())?;
            continue;
        }
        let said = match (command.as_str(), in_data) {
            (".", true) => {
                in_data = false;
                if let Server::Say("END", what) = server { what } else { "250 queued" }
            }
            (_, true) => continue,
            ("EHLO", _) => "250-here\r\n250 AUTH PLAIN",
            ("AUTH", _) => "235 welcome",
            ("DATA", _) if matches!(server, Server::Leave) => return Ok(()),
            ("DATA", _) => {
                in_data = true;
                "354 go on"
            }
            ("QUIT", _) => "221 bye",
            _ => "250 fine",
        };
        answer.write_all(format!("{said}\r\n").as_bytes())?;
    }
    Ok(())
}

const OPEN: &str = "security = \"none\"\n";
const LOGIN: &str = "security = \"none\"\nuser = \"bench\"\npassword_env = \"SMTP_PASSWORD\"\n";

#[test]
fn a_mail_says_what_happened_and_keeps_its_number() {
    let mailbox = Mailbox::new(vec![Server::Take; 2]);
    let channel = mailbox.channel(OPEN);
    channel.deliver(&notice(), &Confidential::default(), &Stop::new()).unwrap();
    channel.deliver(&notice(), &Confidential::default(), &Stop::new()).unwrap();
    let said = mailbox.said();
    for line in [
        "MAIL FROM:<bench@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "Subject: Benchmarks of core: 1 new regression, 1 regression resolved",
        "100 ns -> 130 ns",
        "job-7/report.md",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    assert_eq!(said.matches("Message-ID: <here-7-1@example.com>").count(), 2, "{said}");
}

#[tokio::test]
async fn mail_is_tried_again_unless_the_server_will_never_take_it() {
    let mailbox = Mailbox::new(vec![
        Server::Hang,
        Server::Leave,
        Server::Say("RCPT", "450 mailbox busy"),
        Server::Say("END", "451 disk full"),
        Server::Say("AUTH", "535 wrong hunter2-s3cr3t"),
        Server::Say("EHLO", "HTTP/1.1 200 OK"),
        Server::Drawl,
        Server::Take,
        Server::Say("RCPT", "550 no such user"),
    ]);
    let channels = vec![mailbox.channel(LOGIN)];
    let workspace = Workspace::new();
    let mut store = Store::open(&workspace.location()).await.unwrap();
    let clock = SimulatedClock::new(START.parse().unwrap());
    queue(&mut store, "team", clock.now()).await;
    let steward = steward(&workspace.location(), channels, &clock);
    let mut errors = Vec::new();
    loop {
        let start = Instant::now();
        let tried = deliver(&steward);
        assert!(start.elapsed() < Duration::from_secs(20), "it waited for ever");
        match &tried[0].fate {
            LetterFate::TryAgain { at, error } => {
                assert!(!error.contains("s3cr3t"), "{error}");
                errors.push(error.clone());
                clock.wait(*at, &Default::default());
            }
            LetterFate::Delivered => break,
            LetterFate::GivenUp { error } => panic!("{error} after {errors:?}"),
        }
    }
    assert_eq!(errors.len(), 7, "{errors:?}");
    for (error, part) in
        [(2, "mailbox busy"), (3, "disk full"), (4, "wrong ..."), (6, "within 1 s")]
    {
        assert!(errors[error].contains(part), "{errors:?}");
    }
    queue(&mut store, "team", clock.now()).await;
    let tried = deliver(&steward);
    let LetterFate::GivenUp { error } = &tried[0].fate else { panic!("{tried:?}") };
    assert!(error.contains("no such user"), "{error}");
    assert_eq!(store.next_letter_at().await.unwrap(), None);
    // A server's files are not for us to read.
    if let Some(file) = workspace.location().file() {
        let file = std::fs::read(file).unwrap();
        assert!(!file.windows(6).any(|window| window == b"s3cr3t"), "the store holds the secret");
    }
}

#[test]
fn no_password_is_said_before_the_connection_is_secret() {
    let mailbox = Mailbox::new(vec![Server::Take]);
    let protected = LOGIN.replace("none", "starttls");
    let error = mailbox
        .channel(&protected)
        .deliver(&notice(), &Confidential::default(), &Stop::new())
        .unwrap_err();
    assert!(!error.refused, "{error:?}");
    assert!(!mailbox.said().contains("AUTH"), "{}", mailbox.said());
}
