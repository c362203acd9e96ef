//! Where the native code of a module lies, and which function of the module each part of it is.

use std::ops::Range;

/// The native code of one module.
#[derive(Debug, Default)]
pub(crate) struct Code {
    extent: Range<usize>,
    /// In the order of their addresses.
    functions: Box<[Function]>,
}

/// The code of one function, which ends where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    /// Counted from the beginning of the code.
    start: u32,
    /// The function's index in the module, where imported functions count too.
    index: u32,
}

impl Code {
    /// The code of a module that was compiled or loaded.
    pub(crate) fn of(module: &wasmer::Module) -> Self {
        let imported = module.info().num_imported_functions;
        let extents =
            module.sys_artifact().and_then(|artifact| artifact.finished_function_extents());
        let extents = extents.unwrap_or_default();
        Self::new(extents.iter().map(|(local, extent)| {
            let start = extent.ptr.addr();
            (start..start + extent.length, imported + local.as_u32() as usize)
        }))
    }

    fn new(placed: impl ExactSizeIterator<Item = (Range<usize>, usize)> + Clone) -> Self {
        let start = placed.clone().map(|(place, _)| place.start).min().unwrap_or_default();
        let end = placed.clone().map(|(place, _)| place.end).max().unwrap_or_default();
        let mut functions = Vec::with_capacity(placed.len());
        functions.extend(placed.filter_map(|(place, index)| {
            let start = u32::try_from(place.start - start).ok()?;
            Some(Function { start, index: u32::try_from(index).ok()? })
        }));
        functions.sort_unstable();
        Self { extent: start..end, functions: functions.into() }
    }

    /// Where all of it lies.
    pub(crate) fn extent(&self) -> Range<usize> {
        self.extent.clone()
    }

    /// Whether an instruction of the module is at that address.
    #[inline]
    pub(crate) fn contains(&self, address: usize) -> bool {
        self.extent.contains(&address)
    }

    /// The index of the function whose code is at that address.
    pub(crate) fn function_at(&self, address: usize) -> Option<u32> {
        self.placed_at(address).map(|function| function.index)
    }

    /// Where the code of the function begins that is at that address. Allocates nothing and takes no lock.
    pub(super) fn start_of_function_at(&self, address: usize) -> Option<usize> {
        self.placed_at(address).map(|function| self.extent.start + function.start as usize)
    }

    fn placed_at(&self, address: usize) -> Option<&Function> {
        if !self.contains(address) {
            return None;
        }
        let offset = address - self.extent.start;
        let after = self.functions.partition_point(|function| function.start as usize <= offset);
        self.functions.get(after.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_any_address_in_it() {
        let code = Code::new([(200..260, 4), (100..140, 3), (140..200, 9)].into_iter());
        let found = [99, 100, 139, 140, 199, 200, 259, 260].map(|at| code.function_at(at));
        assert_eq!(found, [None, Some(3), Some(3), Some(9), Some(9), Some(4), Some(4), None]);
        assert_eq!(code.start_of_function_at(150), Some(140));
    }

    #[test]
    fn a_module_without_functions_has_no_code() {
        assert_eq!(Code::new(std::iter::empty()).function_at(0), None);
    }
}
