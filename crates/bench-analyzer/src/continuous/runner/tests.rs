use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::sync::atomic::AtomicBool;

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(dir.path().to_owned()).unwrap();
        Self { _dir: dir, path }
    }

    fn order(&self, script: &str, timeout: Duration) -> Order {
        Order {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            folder: self.path.clone(),
            environment: BTreeMap::from([("WORD".to_owned(), "said".to_owned())]),
            inherits: None,
            confidential: Arc::default(),
            timeout,
            log: self.path.join("log"),
            criterion: self.path.join("criterion"),
            mark: self.path.join(MARK),
        }
    }

    fn pid(&self, file: &str) -> Pid {
        let path = self.path.join(file);
        let started = Instant::now();
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) {
                return pid;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{file} never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether a process is gone, or only waits to be reaped by whoever inherited it.
fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

fn is_gone_soon(pid: Pid) -> bool {
    let started = Instant::now();
    while !is_gone(pid) && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    is_gone(pid)
}

const QUICK: CommandRunner = CommandRunner { grace: Duration::from_millis(300) };
const LONG: Duration = Duration::from_secs(120);

#[test]
fn output_and_environment_are_kept() {
    let place = Place::new();
    let script = "echo $WORD $CRITERION_HOME; echo oops >&2; exit 3";
    let ending = QUICK.run(&place.order(script, LONG), &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(ending, Ending::Failed("exit status: 3".to_owned()));
    let log = std::fs::read_to_string(place.path.join("log")).unwrap();
    assert_eq!(log, format!("said {}\noops\n", place.path.join("criterion")));
    assert!(!place.path.join(MARK).exists());
}

#[test]
fn a_command_that_does_not_exist_is_an_error() {
    let place = Place::new();
    let order = Order { command: vec!["no-such-program".to_owned()], ..place.order("", LONG) };
    assert!(QUICK.run(&order, &Stop::new(), &mut |_| {}).is_err());
}

#[test]
fn a_timeout_ends_children_that_ignore_being_asked() {
    let place = Place::new();
    let script =
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & wait";
    let ending =
        QUICK.run(&place.order(script, Duration::from_secs(2)), &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(ending, Ending::TimedOut);
    assert!(is_gone_soon(place.pid("child")));
}

#[test]
fn a_command_that_is_asked_may_clean_up() {
    let place = Place::new();
    let script =
        "trap 'echo cleaned > cleaned; exit 0' TERM; echo $$ > child; while :; do sleep 0.1; done";
    let runner = CommandRunner { grace: LONG };
    let stop = Stop::new();
    let asked = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            place.pid("child");
            asked.store(true, std::sync::atomic::Ordering::Release);
            stop.ask();
        });
        let ending = runner.run(&place.order(script, LONG), &stop, &mut |_| {}).unwrap();
        assert_eq!(ending, Ending::Stopped);
    });
    assert!(place.path.join("cleaned").exists());
}

#[test]
fn what_a_successful_command_leaves_behind_is_ended() {
    let place = Place::new();
    let script = "sleep 1000 & echo $! > child; exit 0";
    let ending = QUICK.run(&place.order(script, LONG), &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(ending, Ending::Succeeded);
    assert!(is_gone_soon(place.pid("child")));
}

#[test]
fn only_the_marked_process_is_ended_after_a_crash() {
    let place = Place::new();
    let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let mark = place.path.join(MARK);

    let text = serde_json::to_value(ProcessMark::of(pid, None)).unwrap();
    for (field, value) in [("started", "1"), ("boot", "another life")] {
        let mut other = text.clone();
        other[field] = value.into();
        std::fs::write(&mark, other.to_string()).unwrap();
        QUICK.end_leftovers(&[&place.path], &mut |_| {});
        assert!(!is_gone(pid), "a process with the same number but another {field} was ended");
        assert!(!mark.exists());
    }

    std::fs::write(&mark, "not json").unwrap();
    QUICK.end_leftovers(&[&place.path], &mut |_| {});
    assert!(!is_gone(pid));

    ProcessMark::of(pid, None).write(&mark).unwrap();
    QUICK.end_leftovers(&[&place.path], &mut |_| {});
    assert!(is_gone_soon(pid));
    child.wait().unwrap();
}

#[test]
fn what_writes_into_the_logs_is_ended_after_a_crash_that_left_no_mark() {
    let place = Place::new();
    let logs = place.path.join("logs");
    std::fs::create_dir(&logs).unwrap();
    let start = |log: &Utf8Path| {
        let log = File::create(log).unwrap();
        let mut command = Command::new("sh");
        // The shell waits for a process that writes elsewhere.
        command.args(["-c", "sleep 1000 > /dev/null & wait"]).process_group(0);
        command.stdout(log).stderr(Stdio::null()).spawn().unwrap()
    };
    let pid = |child: &Child| Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let mut left = start(&logs.join("run-1.log"));
    let mut other = start(&place.path.join("log"));
    QUICK.end_leftovers(&[&logs], &mut |_| {});
    assert!(is_gone_soon(pid(&left)));
    assert!(!is_gone(pid(&other)), "it writes elsewhere");
    kill_process_group(pid(&other), Signal::KILL).unwrap();
    left.wait().unwrap();
    other.wait().unwrap();
}

fn say(script: &str, limit: Duration) -> Result<String, String> {
    let (stop, confidential) = (Stop::new(), Confidential::default());
    let terms = Terms { limit, stop: &stop, confidential: &confidential };
    output_of(Command::new("sh").args(["-c", script]), Stdio::null(), terms)
}

#[test]
fn short_commands_are_ended_when_they_take_too_long() {
    assert_eq!(say("echo hello", LONG).unwrap(), "hello\n");
    assert!(say("sleep 1000", Duration::from_millis(50)).unwrap_err().contains("took longer"));
    assert!(say("echo why >&2; exit 2", LONG).unwrap_err().ends_with("why"));
}

#[test]
fn a_background_child_that_holds_the_pipe_holds_up_nobody() {
    let place = Place::new();
    let pid = place.path.join("child");
    let script = format!("setsid sh -c 'echo $$ > {pid}; exec sleep 1000' & sleep 0.2; echo done");
    assert_eq!(say(&script, LONG).unwrap(), "done\n");
    assert!(is_gone_soon(place.pid("child")));
}

#[test]
fn short_commands_end_when_somebody_asks_to_stop() {
    let (stop, confidential) = (Stop::new(), Confidential::default());
    stop.ask();
    let terms = Terms { limit: LONG, stop: &stop, confidential: &confidential };
    let said = output_of(Command::new("sleep").arg("1000"), Stdio::null(), terms);
    assert!(said.unwrap_err().contains("was stopped"));
}

#[test]
fn children_that_changed_their_session_are_ended_with_a_successful_command() {
    let place = Place::new();
    let script =
        "setsid sh -c 'echo $$ > child; exec sleep 1000' & while ! [ -s child ]; do :; done";
    let ending = QUICK.run(&place.order(script, LONG), &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(ending, Ending::Succeeded);
    assert!(is_gone(place.pid("child")));
}

#[test]
fn what_ignores_being_asked_is_said_and_killed() {
    let place = Place::new();
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & \
                  while ! [ -s child ]; do :; done";
    let mut said = Vec::new();
    let order = place.order(script, LONG);
    let ending = QUICK.run(&order, &Stop::new(), &mut |text| said.push(text.to_owned())).unwrap();
    assert_eq!(ending, Ending::Succeeded);
    assert!(is_gone(place.pid("child")));
    assert!(said[0].contains("asked to end"), "{said:?}");
}

#[test]
fn commands_neither_inherit_nor_log_what_is_secret() {
    let place = Place::new();
    let mut confidential = Confidential::default();
    confidential.withhold("HOME");
    confidential.add(crate::secret::Secret::new("https://h.example/x/t0ken"));
    let order = Order {
        confidential: Arc::new(confidential),
        inherits: Some(vec!["PATH".to_owned(), "HOME".to_owned()]),
        ..place.order("env; echo leaked t0ken", LONG)
    };
    QUICK.run(&order, &Stop::new(), &mut |_| {}).unwrap();
    let log = std::fs::read_to_string(place.path.join("log")).unwrap();
    assert!(log.contains("PATH=") && log.contains("WORD=said"), "{log}");
    assert!(!log.contains("\nHOME=") && !log.contains("CARGO_PKG_NAME="), "{log}");
    assert!(log.contains("leaked ...") && !log.contains("t0ken"), "{log}");
}

#[test]
fn what_a_run_started_is_noted_while_it_runs() {
    let place = Place::new();
    let script =
        "setsid env -i sleep 1000 & echo $! > child; while ! [ -e go ]; do sleep 0.1; done";
    let order = place.order(script, LONG);
    let (noted, child) = std::thread::scope(|scope| {
        let run = scope.spawn(|| QUICK.run(&order, &Stop::new(), &mut |_| {}).unwrap());
        let child = place.pid("child");
        let began = Instant::now();
        let is_noted = || {
            let text = std::fs::read_to_string(&order.mark).unwrap_or_default();
            text.contains(&format!("\"pid\":{},", child.as_raw_nonzero())).then_some(text)
        };
        let mut noted = None;
        while noted.is_none() && began.elapsed() < Duration::from_secs(60) {
            noted = is_noted();
            std::thread::sleep(Duration::from_millis(10));
        }
        File::create(place.path.join("go")).unwrap();
        assert_eq!(run.join().unwrap(), Ending::Succeeded);
        (noted, child)
    });
    assert!(noted.is_some(), "nobody noted it");
    assert!(is_gone(child) && !order.mark.exists());
}
