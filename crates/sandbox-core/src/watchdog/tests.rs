use super::*;

fn control(wall_clock: Option<Duration>) -> Arc<CallControl> {
    CallControl::new(wall_clock).unwrap()
}

#[test]
fn a_request_for_an_earlier_turn_stops_nothing() {
    let control = control(None);
    let earlier = control.begin_turn();
    control.begin_turn();
    control.request_stop(earlier, StopReason::Cancelled);
    assert_eq!(control.stop_reason(), None);
}

#[test]
fn the_first_reason_to_stop_is_kept() {
    let control = control(None);
    let turn = control.begin_turn();
    control.request_stop(turn, StopReason::OutputLimit);
    control.request_stop(turn, StopReason::Cancelled);
    assert_eq!(control.stop_reason(), Some(StopReason::OutputLimit));
}

#[test]
fn an_overdue_call_is_told_to_stop() {
    let control = control(Some(Duration::from_millis(1)));
    control.begin_turn();
    let reason = control.watch(|| {
        loop {
            if let Some(reason) = control.stop_reason() {
                break reason;
            }
            std::thread::yield_now();
        }
    });
    assert_eq!(reason, StopReason::Timeout);
    assert!(control.take_outlasted_tick().is_some() || control.wall_clock() < Some(TICK));
}

#[test]
fn a_chore_is_done_at_a_tick_and_one_that_panics_stops_nobody() {
    let control = control(None);
    control.begin_turn();
    let (done, told) = std::sync::mpsc::channel();
    control.watch(|| {
        at_next_tick(Box::new(|| panic!("a task went wrong"))).ok().unwrap();
        at_next_tick(Box::new(move || done.send(()).unwrap())).ok().unwrap();
        told.recv_timeout(Duration::from_secs(10)).unwrap();
    });
    let overdue = self::control(Some(Duration::from_millis(1)));
    overdue.begin_turn();
    overdue.watch(|| while overdue.stop_reason().is_none() {});
}

#[test]
fn a_call_after_a_pause_is_watched_again() {
    let control = control(Some(Duration::from_millis(1)));
    for _ in 0..2 {
        control.begin_turn();
        control.watch(|| while control.stop_reason().is_none() {});
        while control.watched.is_listed() {
            std::thread::sleep(TICK);
        }
    }
}
