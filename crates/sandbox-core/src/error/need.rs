//! Services of the operating system that guests need.

use std::fmt;

/// Something that the operating system has to give, or no guest can run as its policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemNeed {
    /// Memory for native code, which is written and then made executable.
    ExecutableMemory,
    /// Memory for the stack of a guest, with a guard at its end.
    Stack,
    /// Memory for an instance: address space for its linear memory, and what it holds.
    Memory,
    /// Signals that reach the thread of a guest, to stop it.
    Interrupts,
    /// A thread: to watch guests, to run them, or to compile them.
    Thread,
    /// Further open files, of which each granted folder takes one.
    OpenFiles,
}

impl SystemNeed {
    /// Advice to the process, or to who runs it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ExecutableMemory => {
                "run the process without MemoryDenyWriteExecute (PR_SET_MDWE), and let its seccomp filter and security \
                 module allow mprotect with PROT_EXEC"
            }
            Self::Stack => {
                "let the process have more address space (RLIMIT_AS) or mappings (vm.max_map_count), or less run at \
                 once; and let its seccomp filter allow mmap and mprotect"
            }
            Self::Memory => {
                "let the process have more address space (RLIMIT_AS; each instance reserves that of 8 GiB or more for its \
                 linear memory), mappings (vm.max_map_count) or memory, or fewer instances live at once \
                 (SecurityPolicy::max_instances); and let its seccomp filter allow mmap and mprotect"
            }
            Self::Interrupts => {
                "let the process's seccomp filter allow rt_sigaction, rt_sigprocmask, and rt_tgsigqueueinfo or tgkill \
                 to its own threads, and have nobody take SIGURG over without calling the handler that was there"
            }
            Self::Thread => {
                "let the process have more threads (RLIMIT_NPROC, the cgroup's pids.max), and its seccomp filter allow \
                 clone3 or clone"
            }
            Self::OpenFiles => {
                "let the process have more open files (RLIMIT_NOFILE), or fewer sandboxes with granted folders"
            }
        }
    }
}

impl fmt::Display for SystemNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExecutableMemory => "executable memory",
            Self::Stack => "memory for the stack of a guest",
            Self::Memory => "memory for an instance",
            Self::Interrupts => "means to stop a guest",
            Self::Thread => "thread",
            Self::OpenFiles => "further open file",
        })
    }
}
