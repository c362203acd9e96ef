//! One call: its arguments into the guest, the guest run, its result out again.

pub(crate) mod arguments;
pub(crate) mod background;
pub(crate) mod cancellation;
pub(crate) mod dispatch;
pub(crate) mod handle;
pub(crate) mod numbers;
pub(crate) mod permits;
pub(crate) mod queue;
pub(crate) mod results;
pub(crate) mod seat;
pub(crate) mod stripes;
pub(crate) mod waiting;
pub(crate) mod workers;
