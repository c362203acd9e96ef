//! Items of input streams.

use std::error::Error;

use bytes::{Bytes, BytesMut};

/// An item of a stream that goes into a guest: bytes, or a `Result` of them.
///
/// A stream whose source can fail passes its items as they are, errors included: then a failure is not taken for the end.
pub trait StreamItem {
    /// The bytes, or why there are none.
    ///
    /// # Errors
    /// The error of the source.
    fn into_chunk(self) -> Result<Bytes, Box<dyn Error + Send + Sync>>;
}

macro_rules! bytes {
    ($($ty:ty),+ $(,)?) => {$(
        impl StreamItem for $ty {
            fn into_chunk(self) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
                Ok(self.into())
            }
        }
    )+};
}

bytes!(Bytes, BytesMut, Vec<u8>, Box<[u8]>, String, &'static [u8], &'static str);

impl<T: StreamItem, E: Into<Box<dyn Error + Send + Sync>>> StreamItem for Result<T, E> {
    fn into_chunk(self) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)?.into_chunk()
    }
}
