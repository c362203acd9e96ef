//! Functions on files that WASIX answers, within limits of ours.

use wasmer::{AsStoreRef, Imports, RuntimeError, TypedFunction};

use super::{Context, Errno, load, store};

type OpenArguments = (i32, i32, i32, i32, i32, i64, i64, i32, u32);

/// The functions of WASIX that are called from their replacements.
pub(super) struct Originals {
    pub(super) path_open: TypedFunction<OpenArguments, i32>,
    pub(super) fd_close: TypedFunction<u32, i32>,
    pub(super) fd_renumber: TypedFunction<(u32, u32), i32>,
    pub(super) fd_filestat: TypedFunction<(i32, u32), i32>,
    pub(super) path_filestat: TypedFunction<(i32, i32, i32, i32, u32), i32>,
    pub(super) fd_fdstat: TypedFunction<(u32, u32), i32>,
}

impl Originals {
    pub(super) fn find(
        store: &impl AsStoreRef,
        imports: &Imports,
        namespace: &str,
    ) -> Option<Self> {
        let function = |name: &str| match imports.get_export(namespace, name)? {
            wasmer::Extern::Function(function) => Some(function),
            _ => None,
        };
        Some(Self {
            path_open: function("path_open")?.typed(store).ok()?,
            fd_close: function("fd_close")?.typed(store).ok()?,
            fd_renumber: function("fd_renumber")?.typed(store).ok()?,
            fd_filestat: function("fd_filestat_get")?.typed(store).ok()?,
            path_filestat: function("path_filestat_get")?.typed(store).ok()?,
            fd_fdstat: function("fd_fdstat_get")?.typed(store).ok()?,
        })
    }
}

/// Opens a file, unless there are too many. Numbers are given out from the lowest that is free, so the
/// number says how many there are.
///
/// WASIX never closes what leads to a preopened folder itself, such as `.` in it. So a number above the
/// limit, where one at the limit was closed before, says that a guest opens those without end; it gets
/// nothing more.
pub(super) fn open(
    mut context: Context<'_>,
    path_open: &TypedFunction<OpenArguments, i32>,
    fd_close: &TypedFunction<u32, i32>,
    arguments: OpenArguments,
) -> Result<i32, RuntimeError> {
    let out = arguments.8;
    if let Err(fault) = load::<4>(&context, out, 0) {
        return Ok(fault as i32);
    }
    if context.data().exhausted {
        return Ok(Errno::Mfile as i32);
    }
    let (a, b, c, d, e, f, g, h, i) = arguments;
    let errno = path_open.call(&mut context, a, b, c, d, e, f, g, h, i)?;
    if errno != Errno::Success as i32 {
        return Ok(errno);
    }
    match load(&context, out, 0).map(u32::from_le_bytes) {
        Ok(fd) if fd >= context.data().open_file_limit => {
            context.data_mut().exhausted = fd > context.data().open_file_limit;
            fd_close.call(&mut context, fd)?;
            Ok(Errno::Mfile as i32)
        }
        Ok(_) => Ok(Errno::Success as i32),
        Err(fault) => Ok(fault as i32),
    }
}

pub(super) fn renumber(
    mut context: Context<'_>,
    fd_renumber: &TypedFunction<(u32, u32), i32>,
    from: u32,
    to: u32,
) -> Result<i32, RuntimeError> {
    if to >= context.data().open_file_limit {
        return Ok(Errno::Badf as i32);
    }
    fd_renumber.call(&mut context, from, to)
}

/// Makes the times in the description of a file as coarse as the guest's clock, which a file that was just
/// written would otherwise show.
pub(super) fn blur_times(
    context: &Context<'_>,
    errno: i32,
    out: u32,
    times: u64,
) -> Result<i32, RuntimeError> {
    if errno != Errno::Success as i32 {
        return Ok(errno);
    }
    let blurred = (0..3).try_for_each(|index| {
        let at = times + 8 * index;
        let time = u64::from_le_bytes(load(context, out, at)?);
        store(context, out, at, &context.data().clock.file_time(time).to_le_bytes())
    });
    Ok(Errno::of(blurred))
}

/// There are no hard links: WASIX would keep any number of names for a folder, of any length.
#[expect(clippy::too_many_arguments, reason = "WASI has that many")]
pub(super) fn link(
    _context: Context<'_>,
    _old_fd: i32,
    _old_flags: i32,
    _old_path: i32,
    _old_path_len: i32,
    _new_fd: i32,
    _new_path: i32,
    _new_path_len: i32,
) -> i32 {
    Errno::Perm as i32
}

/// There are no symbolic links that the guest made: one in a granted folder would lead those programs of
/// the host astray that follow it.
pub(super) fn symlink(
    _context: Context<'_>,
    _old_path: i32,
    _old_path_len: i32,
    _fd: i32,
    _new_path: i32,
    _new_path_len: i32,
) -> i32 {
    Errno::Perm as i32
}
