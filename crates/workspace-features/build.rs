//! Is there so that Cargo looks at the features of build dependencies.

fn main() {}
