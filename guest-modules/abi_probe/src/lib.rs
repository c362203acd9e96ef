//! One function for everything that can travel between host and guest, and for every way in which a
//! call can end. The tests of the host call all of them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sandbox_guest::{Typed, export};

mod order;

pub use order::{Line, Order, Report, Shortage, Status};

/// Number of calls of [`count`]: state that lives from call to call.
static CALLS: AtomicU32 = AtomicU32::new(0);

// Numbers.

/// Takes and returns nothing.
#[export]
pub fn nothing() {}

/// Every width, in one sum: `a + b + c + d`, with `e` truncated and `f` as 1 or 0.
#[export]
pub fn mixed_numbers(a: i8, b: u16, c: u32, d: i64, e: f32, f: bool) -> f64 {
    let whole = i64::from(a) + i64::from(b) + i64::from(c) + d + i64::from(f);
    whole as f64 + f64::from(e.trunc())
}

/// Returns the largest number of 64 bits minus what it is given.
#[export]
pub fn below_u64_max(distance: u64) -> u64 {
    u64::MAX - distance
}

/// Negates.
#[export]
pub fn not(value: bool) -> bool {
    !value
}

/// Fits only what fits a byte: a host that passes more gets a panic.
#[export]
pub fn next_byte(value: u8) -> u8 {
    value.wrapping_add(1)
}

/// Counts its own calls.
#[export]
pub fn count() -> u32 {
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

// Bytes and text.

/// Gives its input back without copying it.
#[export]
#[must_use]
pub fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// Gives back its input's second half, from where it lies.
#[export]
#[must_use]
pub fn second_half(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len() / 2..]
}

/// Takes bytes, returns nothing through memory.
#[export]
pub fn swallow(bytes: &[u8]) {
    CALLS.fetch_add(u32::from(bytes.first().copied().unwrap_or(0)), Ordering::Relaxed);
}

/// Makes bytes out of a number: `len` of them, counting up and around.
#[export]
#[must_use]
pub fn count_up(len: u32) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(usize::try_from(len).unwrap_or(usize::MAX)).collect()
}

/// Text in, text out.
#[export]
#[must_use]
pub fn shout(text: &str) -> String {
    text.to_uppercase()
}

/// Owned text.
#[export]
#[must_use]
pub fn exclaim(mut text: String) -> String {
    text.push('!');
    text
}

/// Takes nothing and returns text.
#[export]
#[must_use]
pub fn greeting() -> &'static str {
    "hello"
}

/// Bytes in, text out; fails if they are not UTF-8.
#[export]
pub fn decode_text(bytes: &[u8]) -> Result<String, std::str::Utf8Error> {
    std::str::from_utf8(bytes).map(str::to_owned)
}

// Values.

/// A value with everything that serde has in it, given back.
#[export]
#[must_use]
pub fn echo_order(order: Order) -> Order {
    order
}

/// A value in, another out.
#[export]
#[must_use]
pub fn summarise(order: &Order) -> Report {
    order.summary()
}

/// Several parameters of which not all are numbers.
#[export]
#[must_use]
pub fn repeat(text: &str, times: u8, bytes: &[u8]) -> (String, usize) {
    (text.repeat(usize::from(times)), bytes.len())
}

/// Bytes in a value that comes back.
#[export]
#[must_use]
pub fn labelled(bytes: &[u8]) -> (String, Vec<u8>) {
    (format!("{} bytes", bytes.len()), bytes.to_vec())
}

/// A map and an option.
#[export]
#[must_use]
pub fn find_word(words: BTreeMap<String, i64>, key: &str) -> Option<i64> {
    words.get(key).copied()
}

/// A value in, nothing out.
#[export]
pub fn forget(values: Vec<i64>) {
    CALLS.fetch_add(u32::try_from(values.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// Exported under another name.
#[export(name = "renamed")]
#[must_use]
pub fn inner_name() -> String {
    "renamed".to_owned()
}

// Ways to end.

/// Returns a quotient, or an error.
#[export]
pub fn divide(dividend: i64, divisor: i64) -> Result<i64, String> {
    dividend
        .checked_div(divisor)
        .ok_or_else(|| format!("{dividend} cannot be divided by {divisor}"))
}

/// Takes so many pieces of ten, or says how many are missing: as an error that is a value.
#[export]
pub fn take_of_ten(count: u32) -> Result<u32, Typed<Shortage>> {
    match 10u32.checked_sub(count) {
        Some(left) => Ok(left),
        None => Err(Shortage { article: "bolt".to_owned(), missing: count - 10 })?,
    }
}

/// Takes any text but an empty one, and has no use for a format but in its error.
#[export]
pub fn first_letter(text: &str) -> Result<String, Typed<Shortage>> {
    let first = text.chars().next().map(String::from);
    Ok(first.ok_or_else(|| Shortage { article: "letter".to_owned(), missing: 1 })?)
}

/// Panics with the given text.
///
/// # Panics
///
/// Always.
#[export]
pub fn fail(message: &str) {
    panic!("{message}");
}

/// Panics although it takes and returns numbers.
///
/// # Panics
///
/// When the index is 3 or more.
#[export]
#[must_use]
pub fn third_of_three(index: u32) -> u32 {
    let values = [10, 20, 30];
    values[usize::try_from(index).unwrap_or(usize::MAX)]
}

/// Traps without a panic.
#[export]
pub fn abort_now() {
    std::process::abort();
}

/// Ends the program, which a library should not do.
#[export]
pub fn exit_with(code: i32) {
    std::process::exit(code);
}

// The world.

/// Writes a line to the standard output and one to the standard error.
#[export]
pub fn speak(to_output: &str, to_error: &str) {
    println!("{to_output}");
    eprintln!("{to_error}");
}

/// Writes `len` bytes to the standard output. Returns how many were taken.
#[export]
pub fn write_much(len: u32) -> u32 {
    let bytes = [b'x'; 1024];
    let mut written = 0;
    while written < len {
        let part = bytes.len().min(usize::try_from(len - written).unwrap_or(usize::MAX));
        match io::stdout().write(&bytes[..part]) {
            Ok(0) | Err(_) => break,
            Ok(taken) => written += u32::try_from(taken).unwrap_or(u32::MAX),
        }
    }
    written
}

/// Reads all of the standard input.
#[export]
pub fn read_input() -> Result<Vec<u8>, io::Error> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The arguments, one a line.
#[export]
#[must_use]
pub fn arguments() -> String {
    env::args().collect::<Vec<_>>().join("\n")
}

/// A variable of the environment.
#[export]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// All variables.
#[export]
#[must_use]
pub fn variables() -> BTreeMap<String, String> {
    env::vars().collect()
}

/// Reads a file.
#[export]
pub fn read_file(path: &str) -> Result<Vec<u8>, io::Error> {
    fs::read(path)
}

/// Writes a file.
#[export]
pub fn write_file(path: &str, content: &str) -> Result<(), io::Error> {
    fs::write(path, content)
}

/// Lists a folder, sorted.
#[export]
pub fn list_folder(path: &str) -> Result<Vec<String>, io::Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The wall clock, in nanoseconds since 1970.
#[export]
#[must_use]
pub fn wall_clock() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The finest step of the monotonic clock that shows in a thousand readings, in nanoseconds.
#[export]
#[must_use]
pub fn clock_step() -> u64 {
    let mut finest = Duration::MAX;
    let mut last = Instant::now();
    for _ in 0..1000 {
        let now = Instant::now();
        if now > last {
            finest = finest.min(now - last);
            last = now;
        }
    }
    u64::try_from(finest.as_nanos()).unwrap_or(u64::MAX)
}

/// Sleeps.
#[export]
pub fn sleep_for(milliseconds: u32) {
    std::thread::sleep(Duration::from_millis(u64::from(milliseconds)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_numbers_add_up() {
        let sum = mixed_numbers(-1, 2, 3, 1 << 40, -2.9, true);
        assert_eq!(sum, (-1 + 2 + 3 + (1_i64 << 40) + 1 - 2) as f64);
    }

    #[test]
    fn bytes_count_up_and_around() {
        let bytes = count_up(300);
        assert_eq!((bytes.len(), bytes[255], bytes[256]), (300, 255, 0));
    }

    #[test]
    fn halves_are_told_apart() {
        assert_eq!(second_half(&[1, 2, 3]), [2, 3]);
        assert_eq!(repeat("ab", 2, &[0; 5]), ("abab".to_owned(), 5));
    }

    #[test]
    fn divisions_that_fail_say_so() {
        assert_eq!(divide(7, 2), Ok(3));
        assert!(divide(1, 0).unwrap_err().contains("divided by 0"));
        assert!(divide(i64::MIN, -1).is_err());
    }
}
