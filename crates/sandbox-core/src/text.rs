//! Text of guests in errors: cut to what a log can bear, and without what a terminal would obey.

use std::any::Any;
use std::fmt::{self, Write as _};

/// Length of a name or message that is shown, in bytes.
const SHOWN_BYTES: usize = 4096;

/// The text, cut to so many bytes if it is longer.
pub(crate) fn cut(mut text: String, most_bytes: usize) -> String {
    let kept = text.floor_char_boundary(most_bytes);
    if kept < text.len() {
        let left = text.len() - kept;
        text.truncate(kept);
        // What is kept of a very long text is short, and so is its memory.
        text.shrink_to_fit();
        // Writing to a string cannot fail.
        let _ = write!(text, "... (and {left} bytes more)");
    }
    text
}

/// Shows a text of a guest: whatever could move the cursor, change colours or turn the direction of writing is escaped,
/// and what is very long is cut. Lines and tabs stay what they are, since messages have several lines.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown(text)
}

/// Text as [`shown`] displays it.
pub(crate) struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.floor_char_boundary(SHOWN_BYTES);
        let mut rest = &self.0[..kept];
        while let Some(at) = rest.find(is_obeyed) {
            let (plain, obeyed) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = obeyed.chars();
            if let Some(character) = characters.next() {
                write!(f, "{}", character.escape_default())?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)?;
        match self.0.len() - kept {
            0 => Ok(()),
            left => write!(f, "... (and {left} bytes more)"),
        }
    }
}

/// Whether a terminal may do something else with the character than show it.
fn is_obeyed(character: char) -> bool {
    // Marks and overrides of the direction of writing, and what separates lines for some programs only.
    let directs = matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && !matches!(character, '\n' | '\t')) || directs
}

/// Message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_and_plain_is_shown_as_it_is() {
        for text in ["", "add", "two\nlines\tand a tab", "schön — 漢字"] {
            assert_eq!(shown(text).to_string(), text);
            assert_eq!(cut(text.to_owned(), 100), text);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(shown("\x1b[2Jgone\r\u{202e}txt").to_string(), "\\u{1b}[2Jgone\\r\\u{202e}txt");
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let long = "ü".repeat(1_000_000);
        for text in [shown(&long).to_string(), cut(long.clone(), 101)] {
            assert!(text.len() < 5_000 && text.ends_with("bytes more)"), "{} bytes", text.len());
        }
        assert!(cut(long.clone(), 101).starts_with(&"ü".repeat(50)));
        assert_eq!(cut(long.clone(), 0), "... (and 2000000 bytes more)");
    }
}
