//! Names of the host as guests see them.
//!
//! Preview 1 has text for names, and the host has bytes. A name that is UTF-8 is shown as it is. In any other, each byte
//! that is no part of a character is shown as one character of the private range from U+EF80 to U+EFFF, so that the guest
//! sees the file and can open, rename and remove it by the name that it was shown. A character of that range in a name of
//! the host is shown byte by byte too, so no two names look the same, and each is found again.

use std::borrow::Cow;

use super::{Errno, Result};

/// The character of byte 0x80, the first that can be no character by itself.
const FIRST: u32 = 0xef80;

/// The character that a byte is shown as, if it is one that has such.
fn shown(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte & 0x7f)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character shows.
fn hidden(character: char) -> Option<u8> {
    let offset = u32::from(character).checked_sub(FIRST)?;
    u8::try_from(offset).ok().filter(|offset| *offset <= 0x7f).map(|offset| offset | 0x80)
}

/// Shows a name or path of the host to a guest.
pub(super) fn to_guest(host: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(host)
        && !text.contains(|character| hidden(character).is_some())
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(host.len() * 3);
    for chunk in host.utf8_chunks() {
        for character in chunk.valid().chars() {
            if hidden(character).is_some() {
                text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(shown));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(shown));
    }
    Cow::Owned(text)
}

/// Finds the name or path of the host that is shown so.
///
/// # Errors
/// [`Errno::IlSeq`] if nothing is shown so: the bytes would be shown in another way.
pub(super) fn to_host(guest: &str) -> Result<Cow<'_, [u8]>> {
    if !guest.contains(|character| hidden(character).is_some()) {
        return Ok(Cow::Borrowed(guest.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(guest.len());
    for character in guest.chars() {
        match hidden(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if to_guest(&bytes) == guest { Ok(Cow::Owned(bytes)) } else { Err(Errno::IlSeq) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_shown_as_they_are() {
        for name in ["a", "grün", "日本", "\u{e000}\u{f8ff}\u{ef7f}\u{f000}", "a b\n"] {
            assert!(matches!(to_guest(name.as_bytes()), Cow::Borrowed(shown) if shown == name));
            assert!(
                matches!(to_host(name).unwrap(), Cow::Borrowed(host) if host == name.as_bytes())
            );
        }
    }

    #[test]
    fn the_range_is_that_of_the_bytes_that_are_no_characters() {
        assert_eq!(u32::from(shown(0x80)), FIRST);
        assert_eq!(u32::from(shown(0xff)), FIRST + 0x7f);
        assert_eq!(hidden('\u{ef7f}'), None);
        assert_eq!(hidden('\u{f000}'), None);
    }

    #[test]
    fn every_name_is_found_again_by_what_is_shown() {
        for name in [
            &b"\xff"[..],
            b"a\x80b",
            b"gr\xfcn",
            b"\xe6\x97",
            "\u{ef80}".as_bytes(),
            b"\xff\xef\xbe\x80\xfe",
            b"\xed\xa0\x80",
        ] {
            let shown = to_guest(name).into_owned();
            assert_eq!(&*to_host(&shown).unwrap(), name, "{shown:?}");
            assert!(!shown.contains(['/', '\0', '.']));
        }
    }

    #[test]
    fn no_two_names_lead_to_one_file() {
        // The two bytes of é, shown one by one, though together they are a character.
        assert_eq!(to_host("\u{efc3}\u{efa9}").unwrap_err(), Errno::IlSeq);
        assert!(to_host("\u{efc3}").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_found_again(name in proptest::collection::vec(0u8..=255, 0..40)) {
            let shown = to_guest(&name).into_owned();
            assert_eq!(&*to_host(&shown).unwrap(), &name[..]);
        }
    }
}
