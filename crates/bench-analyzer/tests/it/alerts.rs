//! Delivering notices to receivers that fail, hang and lie.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bench_analyzer::clock::Stop;
use bench_analyzer::clock::{Clock, SimulatedClock};
use bench_analyzer::continuous::BenchmarkConfig;
use bench_analyzer::continuous::channel::Channel;
use bench_analyzer::continuous::notice::Notice;
use bench_analyzer::continuous::outbox::Attempt;
use bench_analyzer::continuous::steward::{Affairs, News, Patience, Steward};
use bench_analyzer::jobs::job::{Cause, JobDraft, JobState};
use bench_analyzer::jobs::letter::LetterFate;
use bench_analyzer::secret::Confidential;
use bench_analyzer::store::{JobEnd, Location, Store};
use jiff::Timestamp;

use crate::simulated::machine;
use crate::workspace::Workspace;

/// What a receiver does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    Answer(&'static str),
    /// Takes the request and says nothing.
    Hang,
    /// Goes away without a word.
    Leave,
    /// Sends headers without an end.
    Flood,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    head: String,
    body: serde_json::Value,
}

pub(crate) struct Receiver {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Behaves so, request after request.
    pub(crate) fn new(behaviours: Vec<Behaviour>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for behaviour in behaviours {
                let Ok((mut stream, _)) = listener.accept() else { return };
                seen.lock().unwrap().push(read_request(&mut stream));
                match behaviour {
                    Behaviour::Answer(text) => drop(stream.write_all(text.as_bytes())),
                    Behaviour::Hang => hanging.push(stream),
                    Behaviour::Leave => {}
                    Behaviour::Flood => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                        while stream.write_all(b"x-more: and more\r\n").is_ok() {}
                    }
                }
            }
        });
        Self { port, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase();
        let length = length
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            let body = serde_json::from_str(body).unwrap();
            return Request { head: head.to_owned(), body };
        }
        assert!(count > 0, "the request broke off");
    }
}

pub(crate) fn channels(port: u16, shape: &str) -> Vec<Channel> {
    let text = format!(
        "[[alert]]\nto = \"webhook\"\nname = \"team\"\nurl_env = \"HOOK\"\nshape = \"{shape}\"\n\
         timeout = \"1s\"\n"
    );
    let url = move |_: &str| Some(format!("http://127.0.0.1:{port}/services/s3cr3t-path"));
    BenchmarkConfig::parse(&text, "/".into(), url).unwrap().channels
}

pub(crate) fn steward(
    location: &Location,
    channels: Vec<Channel>,
    clock: &SimulatedClock,
) -> Steward {
    Steward::start(Affairs {
        location: location.clone(),
        channels,
        confidential: Arc::default(),
        clock: Arc::new(clock.clone()),
    })
}

/// Has everything delivered that is due, and says what was tried.
pub(crate) fn deliver(steward: &Steward) -> Vec<Attempt> {
    let news = steward.deliver(Patience::Whole(std::time::Duration::from_secs(60)), &Stop::new());
    let tried = |news| match news {
        News::Tried(attempt) => attempt,
        News::Note(text) => panic!("{text}"),
    };
    news.into_iter().map(tried).collect()
}

pub(crate) const START: &str = "2026-01-05T00:00:00Z";

/// A notice about a benchmark that has a bad name.
pub(crate) fn notice() -> Notice {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "here-7-1", "suite": "core", "job": 7, "at": START,
        "commit": "0123456789abcdef", "report": "https://bench.example.com/job-7/report.md",
        "changes": [
            {"kind": "opened", "subject": {"benchmark": {"name": "a<b>&@everyone\n*x*", "metric": "time"}},
             "factor": 1.3, "low": 1.2, "high": 1.4, "evidence": "100 ns -> 130 ns"},
            {"kind": {"resolved": "back at its baseline"},
             "subject": {"benchmark": {"name": "b", "metric": "peak_resident"}},
             "factor": 1.0, "low": 0.9, "high": 1.1, "evidence": "1 MiB -> 1 MiB"},
        ],
    }))
    .unwrap()
}

pub(crate) async fn queue(store: &mut Store, channel: &str, now: Timestamp) {
    let draft = JobDraft {
        suite: "core".to_owned(),
        cause: Cause::Asked,
        due_at: now,
        commit: None,
        runs_wanted: 1,
    };
    let job = store.plan_job(&draft).await.unwrap();
    let job_as_seen = store.job(job).await.unwrap().unwrap();
    assert!(store.claim_job(&job_as_seen, &machine("here"), now).await.unwrap());
    let json = serde_json::to_string(&notice()).unwrap();
    let end = JobEnd {
        job,
        machine: machine("here").id,
        state: JobState::Done,
        at: now,
        failure: None,
        summary: None,
        report: None,
        suite: "core".to_owned(),
        transitions: Vec::new(),
        notices: vec![(channel.to_owned(), json)],
    };
    store.end_job(&end).await.unwrap();
    // The end of a job that is over already queues nothing again.
    store.end_job(&end).await.unwrap();
}

#[tokio::test]
async fn a_notice_arrives_in_spite_of_receivers_that_fail_hang_and_lie() {
    use Behaviour::{Answer, Flood, Hang, Leave};
    let behaviours = vec![
        Answer("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
        Hang,
        Leave,
        Answer("SSH-2.0-OpenSSH\r\n"),
        // Promises more than it sends.
        Answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok"),
        Answer("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
        Answer("HTTP/1.1 429 Later\r\nretry-after: 5400\r\ncontent-length: 0\r\n\r\n"),
        Flood,
        Answer("HTTP/1.1 403 No\r\ncontent-length: 27\r\n\r\n/services/s3cr3t-path wrong"),
        Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ];
    let attempts = behaviours.len();
    let receiver = Receiver::new(behaviours);
    let channels = channels(receiver.port, "json");
    let workspace = Workspace::new();
    let mut store = Store::open(&workspace.location()).await.unwrap();
    let clock = SimulatedClock::new(START.parse().unwrap());
    queue(&mut store, "team", clock.now()).await;
    let steward = steward(&workspace.location(), channels, &clock);

    let mut waits = Vec::new();
    for _ in 0..attempts {
        let tried = deliver(&steward);
        assert_eq!(tried.len(), 1);
        assert_eq!(deliver(&steward), [], "tried again before its time");
        match &tried[0].fate {
            LetterFate::TryAgain { at, error } => {
                assert!(!error.contains("s3cr3t"), "{error}");
                waits.push(at.duration_since(clock.now()).as_secs());
                assert_eq!(store.next_letter_at().await.unwrap(), Some(*at));
                clock.wait(*at, &Default::default());
            }
            LetterFate::Delivered => break,
            LetterFate::GivenUp { error } => panic!("{error}"),
        }
    }
    // A receiver may ask for more patience, but not for more than an hour.
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 3600, 3600, 3600]);
    assert_eq!(store.next_letter_at().await.unwrap(), None);
    let requests = receiver.requests();
    assert_eq!(requests.len(), attempts);
    for request in &requests {
        assert!(request.head.starts_with("POST /services/s3cr3t-path HTTP/1.1"), "{request:?}");
        assert!(request.head.to_lowercase().contains("idempotency-key: here-7-1"), "{request:?}");
        assert_eq!(request.body["id"], "here-7-1");
        assert_eq!(
            request.body["changes"][0]["subject"]["benchmark"]["name"],
            "a<b>&@everyone\n*x*"
        );
    }
    if let Some(path) = workspace.location().file() {
        let file = std::fs::read(path).unwrap();
        let holds = |text: &[u8]| file.windows(text.len()).any(|window| window == text);
        assert!(!holds(b"s3cr3t"), "the store holds the secret");
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_after_a_week() {
    // Nobody listens on the discard port of this machine.
    let channels = channels(9, "json");
    let workspace = Workspace::new();
    let mut store = Store::open(&workspace.location()).await.unwrap();
    let clock = SimulatedClock::new(START.parse().unwrap());
    queue(&mut store, "team", clock.now()).await;
    let steward = steward(&workspace.location(), channels, &clock);
    let mut attempts = 0;
    while let Some(next) = store.next_letter_at().await.unwrap() {
        clock.wait(next, &Default::default());
        attempts += deliver(&steward).len();
        assert!(attempts < 1000);
    }
    let waited = clock.now().duration_since(START.parse().unwrap());
    assert!(waited.as_hours() >= 7 * 24 && waited.as_hours() <= 7 * 24 + 1, "{waited}");
}

#[tokio::test]
async fn one_receiver_that_fails_holds_up_no_other() {
    let workspace = Workspace::new();
    let mut channels = channels(9, "json");
    let text = "[[alert]]\nto = \"file\"\npath = \"a.jsonl\"\nname = \"file\"\n";
    channels.extend(BenchmarkConfig::parse(text, workspace.path(), |_| None).unwrap().channels);
    let mut store = Store::open(&workspace.location()).await.unwrap();
    let clock = SimulatedClock::new(START.parse().unwrap());
    queue(&mut store, "team", clock.now()).await;
    queue(&mut store, "file", clock.now()).await;
    queue(&mut store, "gone", clock.now()).await;
    let tried = deliver(&steward(&workspace.location(), channels, &clock));
    let mut arrived: Vec<_> =
        tried.iter().map(|one| (one.channel.as_str(), one.fate == LetterFate::Delivered)).collect();
    arrived.sort_by_key(|(name, _)| ["team", "file", "gone"].iter().position(|one| one == name));
    assert_eq!(arrived, [("team", false), ("file", true), ("gone", false)]);
    let line = std::fs::read_to_string(workspace.path().join("a.jsonl")).unwrap();
    assert_eq!(serde_json::from_str::<Notice>(&line).unwrap(), notice());
}

#[test]
fn every_receiver_gets_the_shape_that_it_understands() {
    let ok = "HTTP/1.1 204 No Content\r\n\r\n";
    let receiver = Receiver::new(vec![Behaviour::Answer(ok); 3]);
    for shape in ["slack", "discord", "teams"] {
        channels(receiver.port, shape)[0]
            .deliver(&notice(), &Confidential::default(), &Stop::new())
            .unwrap();
    }
    let [slack, discord, teams] = receiver.requests().try_into().unwrap();
    let title = "Benchmarks of core: 1 new regression, 1 regression resolved";
    assert_eq!(slack.body["text"], title);
    let text = slack.body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.contains("a&lt;b&gt;&amp;@everyone"), "{text}");
    assert!(slack.body["blocks"][2].to_string().contains("job-7/report.md"));

    assert_eq!(discord.body["allowed_mentions"]["parse"], serde_json::json!([]));
    let content = discord.body["content"].as_str().unwrap();
    assert!(content.starts_with(&format!("**{title}**\n- worse: a\\<b\\>")), "{content}");
    assert!(content.contains("\\*x\\*") && content.contains("back at its baseline"), "{content}");

    let card = &teams.body["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["body"][0]["text"], title);
}

#[test]
fn no_shape_grows_beyond_what_its_receiver_takes() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::new(vec![Behaviour::Answer(ok); 2]);
    let mut large = notice();
    large.changes = std::iter::repeat_n(large.changes[0].clone(), 5000).collect();
    for shape in ["slack", "discord"] {
        channels(receiver.port, shape)[0]
            .deliver(&large, &Confidential::default(), &Stop::new())
            .unwrap();
    }
    let [slack, discord] = receiver.requests().try_into().unwrap();
    let text = slack.body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.chars().count() <= 3000 && text.contains(" more"), "{}", text.len());
    let content = discord.body["content"].as_str().unwrap();
    assert!(content.chars().count() <= 2000 && content.contains(" more"), "{}", content.len());
}

#[test]
fn a_command_reads_the_notice() {
    let workspace = Workspace::new();
    let text = "[[alert]]\nto = \"command\"\ncommand = [\"sh\", \"-c\", \
                \"cat > got.json; echo $BENCH_ANALYZER_TITLE > title\"]\n\
                [[alert]]\nto = \"command\"\ncommand = [\"sh\", \"-c\", \"echo no >&2; exit 1\"]\n\
                [[alert]]\nto = \"command\"\ncommand = [\"sleep\", \"1000\"]\ntimeout = \"1s\"\n";
    let channels = BenchmarkConfig::parse(text, workspace.path(), |_| None).unwrap().channels;
    channels[0].deliver(&notice(), &Confidential::default(), &Stop::new()).unwrap();
    let got = std::fs::read_to_string(workspace.path().join("got.json")).unwrap();
    assert_eq!(serde_json::from_str::<Notice>(&got).unwrap(), notice());
    let title = std::fs::read_to_string(workspace.path().join("title")).unwrap();
    assert!(title.contains("1 new regression"), "{title}");
    assert!(
        channels[1]
            .deliver(&notice(), &Confidential::default(), &Stop::new())
            .unwrap_err()
            .reason
            .ends_with("no")
    );
    assert!(
        channels[2]
            .deliver(&notice(), &Confidential::default(), &Stop::new())
            .unwrap_err()
            .reason
            .contains("took longer than")
    );
}
