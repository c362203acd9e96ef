//! Primitives that the code of this folder is made of: atomics, locks, and means to wait.
//!
//! The models in `models/` compile the same files with others in their place, whose every order a program explores.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
pub(crate) use std::time::Instant;

pub(crate) use async_lock::Mutex as AsyncMutex;
pub(crate) use pollster::block_on;
pub(crate) use tokio::sync::Notify;
