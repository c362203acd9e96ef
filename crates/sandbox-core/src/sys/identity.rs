//! Recognising a few concrete types behind a generic parameter.
//!
//! `call` takes any `Serialize`. Serialising a megabyte of `Vec<u8>` element by element would cost ten
//! times the copy, so bytes and text are recognised and passed as they are.
#![expect(unsafe_code, reason = "views a generic value as the concrete type that it is")]

use bytes::Bytes;

/// The bytes behind `value`, if it is one of the usual types for bytes.
pub(crate) fn as_bytes<T>(value: &T) -> Option<&[u8]> {
    if let Some(bytes) = view::<T, Vec<u8>>(value) {
        return Some(bytes);
    }
    if let Some(bytes) = view::<T, &Vec<u8>>(value) {
        return Some(bytes);
    }
    if let Some(bytes) = view::<T, &[u8]>(value) {
        return Some(bytes);
    }
    if let Some(bytes) = view::<T, Bytes>(value) {
        return Some(bytes);
    }
    if let Some(bytes) = view::<T, &Bytes>(value) {
        return Some(bytes);
    }
    None
}

/// The text behind `value`, if it is one of the usual types for text.
pub(crate) fn as_text<T>(value: &T) -> Option<&str> {
    if let Some(text) = view::<T, String>(value) {
        return Some(text);
    }
    if let Some(text) = view::<T, &String>(value) {
        return Some(text);
    }
    if let Some(text) = view::<T, &str>(value) {
        return Some(text);
    }
    if let Some(text) = view::<T, &&str>(value) {
        return Some(text);
    }
    None
}

/// The value as a `U`, if `T` and `U` are the same type but for lifetimes.
///
fn view<T, U>(value: &T) -> Option<&U> {
    if typeid::of::<T>() != typeid::of::<U>() {
        return None;
    }
    // SAFETY: the type identifiers are equal, so both types are the same up to lifetimes and have the
    // same layout and validity. The callers above turn what they get into a reference
    // that lives as long as the borrow of `value`, and `T` outlives that borrow.
    Some(unsafe { &*std::ptr::from_ref(value).cast::<U>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_recognised_in_each_of_their_types() {
        let vec = vec![1u8, 2, 3];
        assert_eq!(as_bytes(&vec), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&&vec), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&&vec[..]), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&Bytes::from(vec.clone())), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&&Bytes::from(vec)), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn text_is_recognised_in_each_of_its_types() {
        let text = "text".to_owned();
        assert_eq!(as_text(&text), Some("text"));
        assert_eq!(as_text(&&text), Some("text"));
        assert_eq!(as_text(&text.as_str()), Some("text"));
        assert_eq!(as_text(&&text.as_str()), Some("text"));
        assert_eq!(as_text(&'t'), None);
        assert_eq!(as_text(&Some("text")), None);
    }

    #[test]
    fn other_types_are_not_taken_for_bytes() {
        assert_eq!(as_bytes(&vec![1i8]), None);
        assert_eq!(as_bytes(&"text"), None);
        assert_eq!(as_bytes(&(1i32, 2i32)), None);
        assert_eq!(as_bytes(&[1u8, 2]), None);
    }
}
