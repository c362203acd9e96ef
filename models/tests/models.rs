//! Plays each scene.

macro_rules! scenes {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            models::scenes::$name();
        }
    )+};
}

scenes! {
    a_request_for_one_turn_stops_no_other,
    everybody_has_a_turn_alone,
    no_call_runs_unwatched,
    no_more_have_a_permit_than_there_are,
    nothing_in_a_list_is_lost_or_had_twice,
    whoever_gives_up_takes_no_permit_along,
    whoever_gives_up_takes_no_turn_along,
    whoever_waits_for_a_request_to_stop_is_woken,
}
