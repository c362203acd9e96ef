use std::process::Stdio;

use super::super::leftover::Noted;
use super::*;

fn start(family: &Family, script: &str) -> Leader {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    family.start(&mut command).unwrap()
}

#[test]
fn members_of_other_families_are_left_alone() {
    let (mine, other) = (Family::new(), Family::new());
    let ended = start(&mine, "sleep 1000 & wait");
    let kept = start(&other, "sleep 1000 & wait");
    assert_eq!(mine.end(Reach::Marked, Duration::from_secs(5), &mut |_| {}), []);
    assert!(Stat::of(ended.pid.as_raw_nonzero().get()).is_none_or(|stat| stat.is_over()));
    assert!(!Stat::of(kept.pid.as_raw_nonzero().get()).unwrap().is_over());
    assert_eq!(other.end(Reach::Marked, Duration::from_secs(5), &mut |_| {}), []);
    assert!(ended.reap().unwrap().is_some() && kept.reap().unwrap().is_some());
}

#[test]
fn a_program_is_known_by_number_and_start() {
    let own = Home::own();
    assert_eq!(Home::parse(&own.text()), Some(own.clone()));
    assert!(own.clone().is_there());
    assert!(!Home { started: own.started + 1, ..own.clone() }.is_there());
    assert!(Home { pid: 1 << 22, place: "another".to_owned(), ..own }.is_there(), "who knows");
}

#[test]
fn what_a_program_left_that_is_gone_is_ended() {
    let own = Home::own();
    let gone = Home { started: own.started + 1, ..own };
    let family = Family { mark: format!("{}.0", gone.text()), group: None };
    let leader = start(&family, "setsid sleep 1000 & sleep 1000");
    let left = end_orphans(&Traces::default(), Duration::from_secs(5), &mut |_| {});
    assert_eq!(left, []);
    assert!(leader.reap().unwrap().is_some());
}

/// Empties the environment, leaves the session, loses the parent, and says nothing anywhere.
const AWAY: &str = "(setsid env -i sleep 1000 & echo $! > \"$0\") & wait; exec sleep 1000";

fn start_away(family: &Family) -> (Leader, Pid) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let mut command = Command::new("sh");
    command.args(["-c", AWAY]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
    let leader = family.start(command.stderr(Stdio::null())).unwrap();
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let away = |pid: &Pid| {
            let pid = pid.as_raw_nonzero().get();
            let parent = Stat::of(pid).is_some_and(|stat| stat.parent != leader.child.id() as i32);
            parent && mark_of(pid).is_none()
        };
        match pid.filter(away) {
            Some(pid) => return (leader, pid),
            None => assert!(began.elapsed() < Duration::from_secs(60), "it never got away"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_over(pid: Pid) -> bool {
    Stat::of(pid.as_raw_nonzero().get()).is_none_or(|stat| stat.is_over())
}

#[test]
fn a_control_group_holds_what_left_everything_else_behind() {
    if let Err(why) = groups_are_made_in() {
        eprintln!("NOT TESTED: no control group can be made here ({why})");
        return;
    }
    let family = Family::new();
    let group = family.group().unwrap().to_owned();
    let (leader, away) = start_away(&family);
    assert_eq!(family.end(Reach::Marked, Duration::from_secs(5), &mut |_| {}), []);
    assert!(is_over(away), "it got away");
    assert!(leader.reap().unwrap().is_some());
    drop(family);
    assert!(!group.exists(), "the group is left");
}

#[test]
fn a_control_group_tells_after_a_crash_what_is_left() {
    if let Err(why) = groups_are_made_in() {
        eprintln!("NOT TESTED: no control group can be made here ({why})");
        return;
    }
    let own = Home::own();
    let mark = format!("{}.0", Home { started: own.started + 1, ..own }.text());
    let family = Family { group: Some(ControlGroup::make(&mark).unwrap()), mark };
    let group = family.group().unwrap().to_owned();
    let (leader, away) = start_away(&family);
    std::mem::forget(family);
    assert_eq!(end_orphans(&Traces::default(), Duration::from_secs(5), &mut |_| {}), []);
    assert!(is_over(away), "it got away");
    assert!(leader.reap().unwrap().is_some());
    assert!(!group.exists(), "the group is left");
}

#[test]
fn a_process_that_was_noted_is_known_after_a_crash() {
    let family = Family { mark: Family::new().mark.clone(), group: None };
    let (leader, away) = start_away(&family);
    let pid = away.as_raw_nonzero().get();
    // Whoever adopted it here is no parent of this test.
    let noted = Noted { pid, started: Stat::of(pid).unwrap().started };
    let other = Noted { started: noted.started + 1, ..noted.clone() };
    let traces = |one: Noted| Traces { processes: vec![one], ..Traces::default() };
    end_orphans(&traces(other), Duration::from_secs(5), &mut |_| {});
    assert!(!is_over(away), "another process had that number");
    assert_eq!(end_orphans(&traces(noted), Duration::from_secs(5), &mut |_| {}), []);
    assert!(is_over(away));
    family.end(Reach::Marked, Duration::from_secs(5), &mut |_| {});
    assert!(leader.reap().unwrap().is_some());
}
