//! Recognising a few concrete types behind a generic parameter.
//!
//! `call` takes any `Serialize`. Serialising a megabyte of `Vec<u8>` element by element would cost ten
//! times the copy, so bytes and text are recognised and passed as they are.
#![expect(unsafe_code, reason = "views a generic value as the concrete type that it is")]

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

/// The bytes behind `value`, if it is one of the usual types for bytes.
#[inline]
pub(crate) fn as_bytes<T: ?Sized>(value: &T) -> Option<&[u8]> {
    macro_rules! first_of {
        ($($ty:ty),+ $(,)?) => {$(
            if let Some(bytes) = view::<T, $ty>(value) {
                return Some(bytes);
            }
        )+};
    }

    first_of! {
        Vec<u8>, &Vec<u8>, &[u8], &&[u8], Bytes, &Bytes, Box<[u8]>, &Box<[u8]>, Cow<'_, [u8]>, &Cow<'_, [u8]>,
        Arc<[u8]>, &Arc<[u8]>, Rc<[u8]>, &mut [u8], &mut Vec<u8>,
    }
    None
}

/// The text behind `value`, if it is one of the usual types for text.
#[inline]
pub(crate) fn as_text<T: ?Sized>(value: &T) -> Option<&str> {
    macro_rules! first_of {
        ($($ty:ty),+ $(,)?) => {$(
            if let Some(text) = view::<T, $ty>(value) {
                return Some(text);
            }
        )+};
    }

    first_of! {
        String, &String, &str, &&str, Box<str>, &Box<str>, Cow<'_, str>, &Cow<'_, str>, Arc<str>, &Arc<str>, Rc<str>,
        &mut str, &mut String,
    }
    None
}

/// The value as a `U`, if `T` and `U` are the same type but for lifetimes.
#[inline]
fn view<T: ?Sized, U>(value: &T) -> Option<&U> {
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
        assert_eq!(as_bytes(&&Bytes::from(vec.clone())), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&vec.clone().into_boxed_slice()), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&Cow::Borrowed(&vec[..])), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&Arc::<[u8]>::from(vec.clone())), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&&mut vec.clone()), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn text_is_recognised_in_each_of_its_types() {
        let text = "text".to_owned();
        assert_eq!(as_text(&text), Some("text"));
        assert_eq!(as_text(&&text), Some("text"));
        assert_eq!(as_text(&text.as_str()), Some("text"));
        assert_eq!(as_text(&&text.as_str()), Some("text"));
        assert_eq!(as_text(&text.clone().into_boxed_str()), Some("text"));
        assert_eq!(as_text(&Cow::Borrowed("text")), Some("text"));
        assert_eq!(as_text(&Arc::<str>::from("text")), Some("text"));
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
