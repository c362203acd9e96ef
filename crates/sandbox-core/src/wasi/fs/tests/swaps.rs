//! What the host does to a granted folder meanwhile.
