use std::sync::Arc;
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
            timeout,
            log: self.path.join("log"),
            criterion: self.path.join("criterion"),
            mark: self.path.join("mark"),
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
    let ending = QUICK.run(&place.order(script, LONG), &Stop::new()).unwrap();
    assert_eq!(ending, Ending::Failed("exit status: 3".to_owned()));
    let log = std::fs::read_to_string(place.path.join("log")).unwrap();
    assert_eq!(log, format!("said {}\noops\n", place.path.join("criterion")));
    assert!(!place.path.join("mark").exists());
}

#[test]
fn a_command_that_does_not_exist_is_an_error() {
    let place = Place::new();
    let order = Order { command: vec!["no-such-program".to_owned()], ..place.order("", LONG) };
    assert!(QUICK.run(&order, &Stop::new()).is_err());
}

#[test]
fn a_timeout_ends_children_that_ignore_being_asked() {
    let place = Place::new();
    let script =
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & wait";
    let ending = QUICK.run(&place.order(script, Duration::from_secs(2)), &Stop::new()).unwrap();
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
        let ending = runner.run(&place.order(script, LONG), &stop).unwrap();
        assert_eq!(ending, Ending::Stopped);
    });
    assert!(place.path.join("cleaned").exists());
}

#[test]
fn what_a_successful_command_leaves_behind_is_ended() {
    let place = Place::new();
    let script = "sleep 1000 & echo $! > child; exit 0";
    let ending = QUICK.run(&place.order(script, LONG), &Stop::new()).unwrap();
    assert_eq!(ending, Ending::Succeeded);
    assert!(is_gone_soon(place.pid("child")));
}

#[test]
fn only_the_marked_process_is_ended_after_a_crash() {
    let place = Place::new();
    let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let mark = place.path.join("mark");

    let text = serde_json::to_value(ProcessMark::of(pid)).unwrap();
    for (field, value) in [("started", "1"), ("boot", "another life")] {
        let mut other = text.clone();
        other[field] = value.into();
        std::fs::write(&mark, other.to_string()).unwrap();
        QUICK.end_leftover(&mark, &place.path);
        assert!(!is_gone(pid), "a process with the same number but another {field} was ended");
        assert!(!mark.exists());
    }

    std::fs::write(&mark, "not json").unwrap();
    QUICK.end_leftover(&mark, &place.path);
    assert!(!is_gone(pid));

    ProcessMark::of(pid).write(&mark).unwrap();
    QUICK.end_leftover(&mark, &place.path);
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
    QUICK.end_leftover(&place.path.join("mark"), &logs);
    assert!(is_gone_soon(pid(&left)));
    assert!(!is_gone(pid(&other)), "it writes elsewhere");
    kill_process_group(pid(&other), Signal::KILL).unwrap();
    left.wait().unwrap();
    other.wait().unwrap();
}

#[test]
fn short_commands_are_ended_when_they_take_too_long() {
    let said = output_of(Command::new("echo").arg("hello"), LONG).unwrap();
    assert_eq!(said, "hello\n");
    let late = output_of(Command::new("sleep").arg("1000"), Duration::from_millis(50));
    assert!(late.unwrap_err().contains("took longer"));
    let failed = output_of(Command::new("sh").args(["-c", "echo why >&2; exit 2"]), LONG);
    assert!(failed.unwrap_err().ends_with("why"));
}
