//! Jobs of suites that run by themselves, as the store keeps them: jobs, who runs them, what was told of them.
//!
//! [`continuous`](crate::continuous) makes them, [`store`](crate::store) keeps them and [`serve`](crate::serve) shows
//! them.

pub mod alert;
pub mod job;
pub mod letter;
pub mod lock;
pub mod machine;
