use std::process::Stdio;

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
    let family = Family { mark: format!("{}.0", gone.text()) };
    let leader = start(&family, "setsid sleep 1000 & sleep 1000");
    let left = end_orphans(&HashSet::new(), Duration::from_secs(5), &mut |_| {});
    assert_eq!(left, []);
    assert!(leader.reap().unwrap().is_some());
}
