//! Results of the calls of a batch.

use std::iter::FusedIterator;

use wasmer_types::RawValue;

use crate::error::{Result, SandboxError};
use crate::marshal::arguments::signature_mismatch;
use crate::marshal::convert::FromGuest;
use crate::marshal::export::Export;
use crate::marshal::numbers::Signature;

/// The results of a batch's calls, in the order of their arguments.
///
/// Nearly all calls of a batch return a value, and a value can be much smaller than an error. So values and errors are
/// kept apart, and come together as the results are read.
///
/// ```
/// use sandbox_core::WasmSandbox;
///
/// # #[tokio::main]
/// # async fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "divide") (param i32 i32) (result i32)
/// #     local.get 0 local.get 1 i32.div_s))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;
/// let quotients = sandbox.call_batch::<i32>("divide", [(6i32, 2i32), (1, 0)]).await?;
/// for quotient in quotients {
///     match quotient {
///         Ok(quotient) => println!("{quotient}"),
///         Err(error) => println!("no quotient: {error}"),
///     }
/// }
/// let quotients = sandbox.call_batch::<i32>("divide", [(6i32, 2i32), (8, 2)]).await?;
/// assert_eq!(quotients.into_values()?, [3, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "each call of a batch may have failed"]
pub struct BatchResults<R> {
    values: Vec<R>,
    /// In order, each with the number of its call.
    errors: Vec<(usize, SandboxError)>,
}

impl<R> BatchResults<R> {
    pub(super) fn with_room_for(calls: usize) -> Self {
        Self { values: Vec::with_capacity(calls), errors: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, result: Result<R>) {
        match result {
            Ok(value) => self.values.push(value),
            Err(error) => self.errors.push((self.len(), error)),
        }
    }

    /// Adds the results of so many calls from the values that they left.
    pub(super) fn read(
        &mut self,
        export: &Export,
        signature: &Signature,
        mut values: &[RawValue],
        calls: usize,
    ) where
        R: FromGuest,
    {
        let mut left = calls;
        loop {
            let before = self.values.len();
            let Err(mismatch) = signature.read_results(values, left, &mut self.values) else {
                return;
            };
            let done = self.values.len() - before + 1;
            self.push(Err(signature_mismatch(export, mismatch.into_words())));
            left -= done;
            values = &values[done * signature.width()..];
        }
    }

    /// Number of calls that were made.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len() + self.errors.len()
    }

    /// Whether the batch had no calls.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The errors, each with the number of its call, counted from zero.
    pub fn errors(&self) -> &[(usize, SandboxError)] {
        &self.errors
    }

    /// The values of all calls.
    ///
    /// # Errors
    /// The error of the first call that returned one.
    pub fn into_values(self) -> Result<Vec<R>> {
        match self.errors.into_iter().next() {
            None => Ok(self.values),
            Some((_, error)) => Err(error),
        }
    }
}

impl<R> IntoIterator for BatchResults<R> {
    type Item = Result<R>;
    type IntoIter = BatchIter<R>;

    fn into_iter(self) -> BatchIter<R> {
        let mut errors = self.errors.into_iter();
        BatchIter { values: self.values.into_iter(), next_error: errors.next(), errors, at: 0 }
    }
}

/// The results of a batch's calls, one after the other.
#[derive(Debug)]
#[must_use = "results are decoded as they are asked for"]
pub struct BatchIter<R> {
    values: std::vec::IntoIter<R>,
    next_error: Option<(usize, SandboxError)>,
    errors: std::vec::IntoIter<(usize, SandboxError)>,
    /// The number of the next call.
    at: usize,
}

impl<R> Iterator for BatchIter<R> {
    type Item = Result<R>;

    #[inline]
    fn next(&mut self) -> Option<Result<R>> {
        let at = self.at;
        if let Some((_, error)) = self.next_error.take_if(|(failed, _)| *failed == at) {
            self.next_error = self.errors.next();
            self.at += 1;
            return Some(Err(error));
        }
        let value = self.values.next()?;
        self.at += 1;
        Some(Ok(value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.values.len() + self.errors.len() + usize::from(self.next_error.is_some());
        (left, Some(left))
    }
}

impl<R> ExactSizeIterator for BatchIter<R> {}
impl<R> FusedIterator for BatchIter<R> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(of: &str) -> BatchResults<char> {
        let mut results = BatchResults::with_room_for(0);
        for letter in of.chars() {
            results.push(if letter == '!' { Err(SandboxError::PoolClosed) } else { Ok(letter) });
        }
        results
    }

    #[test]
    fn results_come_in_the_order_of_the_calls() {
        for calls in ["", "a", "!", "!!", "ab!c", "!a!!b!", "abc!"] {
            let results = results(calls);
            assert_eq!((results.len(), results.is_empty()), (calls.len(), calls.is_empty()));
            let mut read = results.into_iter();
            for (done, letter) in calls.chars().enumerate() {
                assert_eq!(read.len(), calls.len() - done);
                assert_eq!(read.next().unwrap().unwrap_or('!'), letter);
            }
            assert!(read.next().is_none() && read.next().is_none());
        }
    }

    #[test]
    fn errors_have_the_numbers_of_their_calls() {
        let results = results("a!b!");
        let numbers: Vec<usize> = results.errors().iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3]);
        assert!(matches!(results.into_values(), Err(SandboxError::PoolClosed)));
    }
}
