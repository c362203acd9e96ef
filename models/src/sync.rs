//! Taking turns.

pub(crate) mod primitives;

#[path = "../../crates/sandbox-core/src/sync/permits.rs"]
pub(crate) mod permits;
#[path = "../../crates/sandbox-core/src/sync/queue.rs"]
pub(crate) mod queue;
#[path = "../../crates/sandbox-core/src/sync/shards.rs"]
pub(crate) mod shards;
#[path = "../../crates/sandbox-core/src/sync/stop_word.rs"]
pub(crate) mod stop_word;
#[path = "../../crates/sandbox-core/src/sync/watched.rs"]
pub(crate) mod watched;
