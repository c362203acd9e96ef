//! Calls that take what they can get.

use std::hint::black_box;
use std::io::Write as _;

use sandbox_guest::export;

/// Allocates until there is no more, touching every page. Returns how many pages of 64 KiB it got,
/// and gives none back: the next call starts with a full memory.
#[export]
fn hoard() -> u32 {
    const PAGE: usize = 65_536;
    let mut pages = 0;
    loop {
        let mut page = Vec::new();
        if page.try_reserve_exact(PAGE).is_err() {
            return pages;
        }
        page.resize(PAGE, 1_u8);
        std::mem::forget(black_box(page));
        pages += 1;
    }
}

/// Allocates in the ordinary way until that aborts.
#[export]
fn allocate_until_abort() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Prints without end.
#[export]
fn print_forever() {
    let line = "all work and no play makes a guest a dull guest\n".repeat(20);
    loop {
        // Errors do not stop it either.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}

/// Complains without end.
#[export]
fn complain_forever() {
    let line = "why would you limit me?\n".repeat(40);
    loop {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Opens files until it may not, and keeps them open. Returns how many it got.
#[export]
fn open_files(path: &str) -> u32 {
    let mut open = 0;
    while open < 100_000 {
        match std::fs::File::open(path) {
            Ok(file) => std::mem::forget(file),
            Err(_) => return open,
        }
        open += 1;
    }
    open
}

/// Fails with a message of a megabyte.
#[export]
fn fail_at_length() -> Result<String, String> {
    Err("no ".repeat(350_000))
}

/// Panics with a message of a megabyte.
#[export]
fn panic_at_length(_unused: &str) {
    panic!("{}", "no ".repeat(350_000));
}
