//! Whose native code a guest may run as.

/// Which compilers may make the native code of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compilers {
    /// Any that this build has.
    Any,
    /// Those whose code can be given to guests that nobody trusts; see
    /// [`Compiler::holds_untrusted_guests`](crate::Compiler::holds_untrusted_guests).
    ForUntrusted,
}

impl Compilers {
    /// Whether code of that compiler may run.
    pub const fn allow(self, compiler: crate::Compiler) -> bool {
        matches!(self, Self::Any) || compiler.holds_untrusted_guests()
    }
}
