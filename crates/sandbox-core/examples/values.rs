//! Any value that serde knows travels as JSON, MessagePack or bincode, as the sandbox is told.
//!
//! `cargo run -p sandbox-core --example values`

use abi_probe::{Line, Order, Report};
use sandbox_core::{Json, MsgPack, Result, SandboxError, SerializationFormat, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    // The types come from a crate that host and guest share.
    let nails = Line { article: "nails".to_owned(), count: 1000, price: 0.01 };
    let order = Order { id: 7, lines: vec![nails], ..Order::default() };

    for &format in SerializationFormat::ALL {
        let builder = WasmSandbox::builder().source(guests::guest("abi_probe"));
        let sandbox = builder.serialization_format(format).build().await?;

        // In the guest: fn summarise(order: &Order) -> Report
        let report: Report = sandbox.call("summarise", &order).await?;
        assert_eq!(report, order.summary(), "{format}");

        // One call in another format, chosen by its arguments or by its result.
        let report: Report = sandbox.call("summarise", Json(&order)).await?;
        assert_eq!(report, order.summary(), "{format}");
        let MsgPack(report) = sandbox.call::<MsgPack<Report>>("summarise", &order).await?;
        assert_eq!(report, order.summary(), "{format}");

        // In the guest: fn divide(dividend: i64, divisor: i64) -> Result<i64, String>
        let failed = sandbox.call::<i64>("divide", (7i64, 0i64)).await;
        let Err(SandboxError::GuestError { message, .. }) = failed else { panic!("{failed:?}") };
        assert_eq!(message, "7 cannot be divided by 0");
    }
    Ok(())
}
