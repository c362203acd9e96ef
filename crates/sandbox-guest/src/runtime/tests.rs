use serde::Serialize;

use super::*;

/// Plays the host: writes an input as the ABI says, calls, and reads the output.
fn call(
    bytes: &[u8],
    function: impl FnOnce(&mut Input, &mut Output) -> Result<(), Refusal>,
) -> (i32, Vec<u8>) {
    AREA.with(|area| {
        if area.exchange.input_capacity.load(Relaxed) < bytes.len() {
            assert_ne!(reserve(bytes.len()), 0);
        }
        let mut buffer = area.input.take();
        buffer[..bytes.len()].copy_from_slice(bytes);
        area.input.set(buffer);
    });
    let status = serve(bytes.len(), function);
    (status, output())
}

fn output() -> Vec<u8> {
    AREA.with(|area| {
        let buffer = area.output.take();
        let copy = buffer.clone();
        assert_eq!(area.exchange.output_len.load(Relaxed), buffer.len());
        assert_eq!(area.exchange.output_ptr.load(Relaxed), buffer.as_ptr().addr());
        area.output.set(buffer);
        copy
    })
}

fn choose_format(number: usize) {
    AREA.with(|area| area.exchange.format.store(number, Relaxed));
}

fn input_address() -> usize {
    AREA.with(|area| area.exchange.input_ptr.load(Relaxed))
}

fn reversed(input: &mut Input, output: &mut Output) -> Result<(), Refusal> {
    output.release();
    output.bytes(input.bytes().iter().rev().copied().collect::<Vec<u8>>());
    Ok(())
}

fn echo(input: &mut Input, output: &mut Output) -> Result<(), Refusal> {
    let bytes = input.take_bytes(output);
    output.bytes(bytes);
    Ok(())
}

#[test]
fn bytes_go_in_and_out() {
    assert_eq!(call(b"abc", reversed), (0, b"cba".to_vec()));
    assert_eq!(call(b"", reversed), (0, Vec::new()));
}

#[test]
fn a_borrowed_input_buffer_is_used_again() {
    call(b"long enough for all that follows", reversed);
    let first = input_address();
    call(b"short", reversed);
    assert_eq!(input_address(), first);
}

#[test]
fn a_function_that_owns_its_input_settles_on_two_buffers() {
    let data = vec![7; 1000];
    call(&data, echo);
    assert_eq!(input_address(), 0, "the only buffer is the output now");
    call(&data, echo);
    call(&data, echo);
    let settled = input_address();
    for _ in 0..4 {
        assert_ne!(input_address(), 0, "no further reservation is needed");
        assert_eq!(call(&data, echo), (0, data.clone()));
    }
    assert_eq!(input_address(), settled);
}

#[test]
fn a_short_output_does_not_pass_for_a_large_input_buffer() {
    let to_length = |input: &mut Input, output: &mut Output| {
        let bytes = input.take_bytes(output);
        output.text(bytes.len().to_string());
        Ok(())
    };
    for len in [200, 100, 200] {
        assert_eq!(call(&vec![1; len], to_length), (0, len.to_string().into_bytes()));
    }
}

#[test]
fn a_length_beyond_the_buffer_is_refused() {
    reserve(10);
    let status = serve(100_000, |_, _| panic!("must not run"));
    assert_eq!(status, 2);
    assert!(String::from_utf8(output()).unwrap().contains("100000 bytes of input"));
}

#[test]
fn an_impossible_reservation_gives_zero() {
    assert_eq!(reserve(usize::MAX), 0);
    assert_eq!(reserve(usize::MAX / 2 + 100), 0);
    assert_eq!(input_address(), 0);
    assert_eq!(call(b"still alive", reversed), (0, b"evila llits".to_vec()));
}

#[test]
fn text_must_be_utf8() {
    let length = |input: &mut Input, output: &mut Output| {
        let text = input.text()?.len().to_string();
        output.text(text);
        Ok(())
    };
    assert_eq!(call("grün".as_bytes(), length), (0, b"5".to_vec()));
    let (status, message) = call(&[0xff, 0xfe], length);
    assert_eq!(status, 2);
    assert!(String::from_utf8(message).unwrap().contains("utf-8"));
}

#[test]
fn values_travel_in_the_format_that_the_host_chose() {
    let sum = |input: &mut Input, output: &mut Output| {
        let (numbers, factor): (Vec<i64>, i64) = input.value()?;
        output.value(numbers.iter().sum::<i64>() * factor)
    };
    choose_format(1);
    assert_eq!(call(b"[[1,2,3],10]", sum), (0, b"60".to_vec()));
    choose_format(2);
    let packed = rmp_serde::to_vec(&(vec![1, 2, 3], 10)).unwrap();
    assert_eq!(call(&packed, sum), (0, rmp_serde::to_vec(&60).unwrap()));
    choose_format(1);
    assert_eq!(call(b"[[1,2,", sum).0, 2);
    choose_format(0);
    assert_eq!(call(b"[[1],1]", sum).0, 2);
}

#[test]
fn an_error_replaces_whatever_was_written() {
    let failing = |_: &mut Input, output: &mut Output| {
        output.bytes(&b"half a result"[..]);
        Err(Refusal::failed("no such account"))
    };
    assert_eq!(call(b"", failing), (1, b"no such account".to_vec()));
}

#[test]
fn a_typed_error_leaves_its_text_and_its_value_in_the_format_of_the_call() {
    #[derive(Serialize)]
    struct Missing(u32);
    impl Display for Missing {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} are missing", self.0)
        }
    }
    let missing = |_: &mut Input, output: &mut Output| {
        output.bytes(&b"half a result"[..]);
        Err(Refusal::failed(Typed(Missing(7))))
    };
    // Without a format of the call, the guest chooses.
    for (format, status) in [(1, 4), (2, 5), (3, 6), (0, 5)] {
        choose_format(format);
        let expected =
            [&13u32.to_le_bytes()[..], b"7 are missing", if status == 4 { b"7" } else { b"\x07" }];
        assert_eq!(call(b"", missing), (status, expected.concat()));
    }
}

#[test]
fn a_value_that_has_no_encoding_is_said_to_have_none() {
    struct Opaque;
    impl Serialize for Opaque {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("secret"))
        }
    }
    choose_format(1);
    let (status, message) = call(b"", |_, output| output.value(Opaque));
    assert_eq!((status, &*message), (3, &b"secret"[..]));
}

#[test]
fn the_exchange_area_stays_where_it_is() {
    let before = exchange_address();
    call(&[0; 5000], echo);
    assert_eq!(exchange_address(), before);
}

#[test]
fn a_panic_leaves_its_message() {
    leave_panic("panicked at src/lib.rs:1:1: no".to_owned());
    assert_eq!(output(), b"panicked at src/lib.rs:1:1: no");
    AREA.with(|area| assert_eq!(area.exchange.state.load(Relaxed), PANICKED));
}
