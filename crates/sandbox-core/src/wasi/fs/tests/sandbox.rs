//! What guests can and cannot do.
