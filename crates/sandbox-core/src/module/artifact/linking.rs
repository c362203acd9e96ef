//! Calls within a module, directed when it is written rather than each time it is loaded.
//!
//! Wasmer writes code with its calls open, each with a note of 32 bytes, and directs them wherever it puts the code.
//! But it puts functions one after the other, so how far one is from another never changes, and that is all that such a
//! call holds. What is left open is what depends on where in memory the code is, and where Wasmer itself is.

use wasmer_compiler::serialize::RkyvSerializableCompilation;
use wasmer_compiler::types::function::FunctionBody;
use wasmer_compiler::types::relocation::{Relocation, RelocationKind, RelocationTarget};
use wasmer_compiler::types::unwind::CompiledFunctionUnwindInfo;

/// Where functions begin in memory: at multiples of this from the first one.
const FUNCTION_ALIGNMENT: usize = 16;

/// Directs all calls within the module that can be directed now.
pub(super) fn link(compilation: &mut RkyvSerializableCompilation) {
    let Some(places) = places(compilation.function_bodies.values()) else { return };
    let relocations = compilation.function_relocations.values_mut();
    for (at, (body, relocations)) in
        compilation.function_bodies.values_mut().zip(relocations).enumerate()
    {
        relocations.retain(|relocation| {
            let displacement = displacement(relocation, at, &places);
            let call =
                displacement.and_then(|by| Some((by, call_site(&mut body.body, relocation)?)));
            let Some((by, site)) = call else { return true };
            *site = by.to_le_bytes();
            false
        });
    }
    leave_out_unused_trampolines(compilation);
}

/// Where each function will lie, counted from the first one; nothing if something lies between them.
fn places<'a>(bodies: impl Iterator<Item = &'a FunctionBody>) -> Option<Vec<usize>> {
    let mut next = 0usize;
    let places = bodies.map(|function| {
        let place = next;
        if let Some(CompiledFunctionUnwindInfo::WindowsX64(_)) = function.unwind_info {
            return None;
        }
        next =
            place.checked_add(function.body.len())?.checked_next_multiple_of(FUNCTION_ALIGNMENT)?;
        Some(place)
    });
    places.collect()
}

/// Displacement in a call that need not be directed again: how far its target is.
fn displacement(relocation: &Relocation, caller: usize, places: &[usize]) -> Option<i32> {
    let RelocationTarget::LocalFunc(callee) = relocation.reloc_target else { return None };
    if relocation.kind != RelocationKind::X86CallPCRel4 {
        return None;
    }
    let place = |function: usize| i64::try_from(*places.get(function)?).ok();
    let from = place(caller)?.checked_add(i64::from(relocation.offset))?;
    let to = place(callee.as_u32() as usize)?.checked_add(relocation.addend)?;
    i32::try_from(to.checked_sub(from)?).ok()
}

/// The four bytes in a function's code that hold the distance.
fn call_site<'a>(code: &'a mut [u8], relocation: &Relocation) -> Option<&'a mut [u8; 4]> {
    code.get_mut(relocation.offset as usize..)?.first_chunk_mut()
}

/// Wasmer prepares a way to each of its own functions, and directs all of them. That is left out where none is used.
fn leave_out_unused_trampolines(compilation: &mut RkyvSerializableCompilation) {
    let trampolines = compilation.libcall_trampolines;
    let is_direct = |relocation: &Relocation| relocation.kind == RelocationKind::Abs8;
    let goes_there = |relocation: &Relocation| match relocation.reloc_target {
        RelocationTarget::LibCall(_) => !is_direct(relocation),
        RelocationTarget::CustomSection(section) => section == trampolines,
        RelocationTarget::LocalFunc(_) | RelocationTarget::DynamicTrampoline(_) => false,
    };
    let of_functions = compilation.function_relocations.values().flatten();
    let of_sections = compilation.custom_section_relocations.values().flatten();
    if of_functions.chain(of_sections).any(goes_there) {
        return;
    }
    if let Some(relocations) = compilation.custom_section_relocations.get_mut(trampolines)
        && relocations.iter().all(|it| matches!(it.reloc_target, RelocationTarget::LibCall(_)))
    {
        relocations.clear();
    }
}

#[cfg(test)]
mod tests {
    use wasmer_types::LocalFunctionIndex;

    use super::*;

    fn body(length: usize) -> FunctionBody {
        FunctionBody { body: vec![0xE8; length], unwind_info: None }
    }

    fn call(callee: u32, offset: u32, kind: RelocationKind) -> Relocation {
        let reloc_target = RelocationTarget::LocalFunc(LocalFunctionIndex::from_u32(callee));
        Relocation { kind, reloc_target, offset, addend: -4 }
    }

    /// Three functions of which the second calls the others and itself.
    fn calling(kind: RelocationKind) -> RkyvSerializableCompilation {
        let calls = vec![call(0, 1, kind), call(1, 6, kind), call(2, 11, kind)];
        RkyvSerializableCompilation {
            function_bodies: [body(17), body(40), body(16)].into_iter().collect(),
            function_relocations: [vec![], calls, vec![]].into_iter().collect(),
            ..RkyvSerializableCompilation::default()
        }
    }

    #[test]
    fn calls_within_a_module_hold_how_far_their_target_is() {
        let mut compilation = calling(RelocationKind::X86CallPCRel4);
        link(&mut compilation);
        assert!(compilation.function_relocations.values().all(Vec::is_empty));
        // The functions lie at 0, 32 and 80. A call counts from its own end.
        let caller = &compilation.function_bodies.values().nth(1).unwrap().body;
        let distance = |at: usize| i32::from_le_bytes(*caller[at..].first_chunk().unwrap());
        assert_eq!([distance(1), distance(6), distance(11)], [-37, -10, 33]);
        assert_eq!(caller[15..], [0xE8; 25]);
    }

    #[test]
    fn what_is_not_known_here_is_left_to_wasmer() {
        let mut other_kind = calling(RelocationKind::Arm64Call);
        link(&mut other_kind);
        let mut beyond_the_code = calling(RelocationKind::X86CallPCRel4);
        beyond_the_code.function_relocations.values_mut().flatten().for_each(|it| it.offset = 38);
        link(&mut beyond_the_code);
        let mut beyond_the_module = calling(RelocationKind::X86CallPCRel4);
        for relocation in beyond_the_module.function_relocations.values_mut().flatten() {
            relocation.reloc_target = call(3, 0, RelocationKind::Abs8).reloc_target;
        }
        link(&mut beyond_the_module);
        let mut spaced_out = calling(RelocationKind::X86CallPCRel4);
        spaced_out.function_bodies.values_mut().for_each(|function| {
            function.unwind_info = Some(CompiledFunctionUnwindInfo::WindowsX64(vec![1]));
        });
        link(&mut spaced_out);
        for left in [other_kind, beyond_the_code, beyond_the_module, spaced_out] {
            assert_eq!(left.function_relocations.values().flatten().count(), 3);
            assert!(left.function_bodies.values().all(|it| it.body.iter().all(|it| *it == 0xE8)));
        }
    }
}
