//! Profiles: where guests spend their time.
//!
//! [`Samples`] come from the handler of a signal as addresses. They are looked up in the module's code and become indices of
//! functions soon after ([`recorded`]), and names when somebody asks for a [`Profile`].

mod recorded;
mod speedscope;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmer_types::ExportIndex;

use crate::module::{Module, START_EXPORT, shown};
use crate::sys::samples::{Place, Sample, Sampler, Samples};
use crate::watchdog::CallControl;
use crate::watchdog::sampling::Sampled;

use recorded::{Frame, Recorded, Stack};

/// Largest number of calls that a profile holds, those of each stack in it: some 30 MiB, as a file too.
const MOST_FRAMES: usize = 4 << 20;

/// Names of frames that are no functions of a guest. Names of a guest's functions do not begin so.
const HOST: &str = "[host]";
const CUT: &str = "[outer calls]";

/// Number of characters of a module's hash in the name of its profile.
const HASH_CHARS: usize = 12;

/// Takes samples of where guests are while they run: a sampling profiler.
///
/// It is given to [builders](crate::WasmSandboxBuilder::profiler), and samples the guests of all their sandboxes, on whatever thread
/// they run. [`profile`](Self::profile) returns what it found so far, whatever became of the guests: those that trapped or were
/// stopped are in it like others. Clones take samples for the same profile.
///
/// - A call in progress is sampled once in each [interval](Self::with_interval) of real time, by the thread that also watches the
///   limits. A call that is shorter is met with a chance that is as large as its share of the interval.
/// - A sample is the innermost 128 functions that the guest is in. Where there are more, the outermost frame is `[outer calls]`.
/// - Time in functions of the host, WASI included, is a frame `[host]` within the function that called them. Where the caller is not
///   known it has none: that is so for what WebAssembly's runtime does for a guest (`memory.fill`, `memory.grow`), for the few functions of
///   WASI that only read something, and for functions of the host in which a guest is stopped.
/// - While a function of the host runs another guest, only that is sampled.
/// - Code of LLVM keeps no chain of frames, so its stacks may lack outer calls.
///
/// Sandboxes without a profiler pay nothing. The thread of a guest with one gets a signal in each interval, whatever it does there. System
/// calls of host functions are interrupted by it and go on by themselves (`SA_RESTART`), but for those that never do (`signal(7)`).
///
/// Compilation is not sampled, nor is anything else that is not the guest's.
#[derive(Clone)]
pub struct Profiler(Arc<Shared>);

impl Profiler {
    /// The shortest interval between two samples of a call.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_micros(100);

    /// The longest interval between two samples of a call.
    pub const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

    /// Makes a profiler that takes a sample of each call in every millisecond.
    pub fn new() -> Self {
        Self::with_interval(Duration::from_millis(1))
    }

    /// Makes a profiler that takes a sample of each call once in such an interval. What is not between the
    /// [shortest](Self::SHORTEST_INTERVAL) and the [longest](Self::LONGEST_INTERVAL) becomes the one or the other.
    pub fn with_interval(interval: Duration) -> Self {
        let interval = interval.clamp(Self::SHORTEST_INTERVAL, Self::LONGEST_INTERVAL);
        let state = State { modules: Vec::new(), recorded: Recorded::new(MOST_FRAMES) };
        let (samples, state) = (Arc::new(Samples::new()), Mutex::new(state));
        Self(Arc::new(Shared { interval, samples, state }))
    }

    /// Time between two samples of a call.
    pub fn interval(&self) -> Duration {
        self.0.interval
    }

    /// Returns what was sampled so far.
    pub fn profile(&self) -> Profile {
        self.0.profile()
    }

    /// Has the calls of an instance of that module sampled.
    pub(crate) fn sample(&self, module: &Module, control: &CallControl) {
        let sampler = self.0.sampler(module);
        control.sample_for(Arc::clone(&self.0) as Arc<dyn Sampled>, sampler);
    }
}

impl Default for Profiler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiler").field("interval", &self.0.interval).finish_non_exhaustive()
    }
}

/// Whether both take samples for the same profile.
impl PartialEq for Profiler {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Profiler {}

/// A profiler, as its clones and the guests that it samples share it.
struct Shared {
    interval: Duration,
    samples: Arc<Samples>,
    state: Mutex<State>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("interval", &self.interval).finish_non_exhaustive()
    }
}

struct State {
    modules: Vec<SampledModule>,
    recorded: Recorded,
}

/// A module whose instances are sampled: code of one compiler.
struct SampledModule {
    module: Module,
    /// Number of samples that found its guests in the host.
    in_host: Arc<AtomicU64>,
}

impl Sampled for Shared {
    fn interval(&self) -> Duration {
        self.interval
    }

    fn count_asked(&self, samples: u64) {
        self.samples.count_asked(samples);
    }

    fn is_full(&self) -> bool {
        self.samples.are_many()
    }

    fn make_room(&self) {
        let mut state = self.lock();
        self.collect(&mut state);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sampler(&self, module: &Module) -> Sampler {
        let modules = &mut self.lock().modules;
        let known =
            modules.iter().position(|known| Arc::ptr_eq(known.module.code(), module.code()));
        let at = known.unwrap_or_else(|| {
            modules.push(SampledModule { module: module.clone(), in_host: Arc::default() });
            modules.len() - 1
        });
        let in_host = Arc::clone(&modules[at].in_host);
        Sampler::new(Arc::clone(&self.samples), u32::try_from(at).unwrap_or(u32::MAX), in_host)
    }

    fn collect(&self, state: &mut State) {
        let State { modules, recorded } = state;
        for sample in self.samples.collect() {
            let number = sample.source as usize;
            if let Some(module) = modules.get(number) {
                recorded.add(stack(number, &module.module, &sample), u64::from(sample.weight));
            }
        }
    }

    fn profile(&self) -> Profile {
        let mut state = self.lock();
        self.collect(&mut state);
        let asked = self.samples.asked();
        let mut profile = Profile {
            interval: self.interval,
            is_in_order: state.recorded.is_in_order(),
            samples: 0,
            in_host: 0,
            lost: 0,
            names: Vec::new(),
            modules: Vec::new(),
            runs: Vec::new(),
        };
        let mut hashes: Vec<&str> = Vec::new();
        for hash in state.modules.iter().map(|module| module.module.wasm_hash()) {
            if !hashes.contains(&hash) {
                hashes.push(hash);
                profile.add(hash, &state);
            }
        }
        profile.lost = asked.saturating_sub(profile.samples);
        profile
    }
}

/// The stack of a sample, by the code that the sample was taken of.
fn stack(number: usize, module: &Module, sample: &Sample) -> Stack {
    let code = module.code();
    let cut = sample.is_cut.then_some(Frame::Cut);
    let outermost_first = sample.addresses.iter().rev();
    let functions = outermost_first.filter_map(|at| code.function_at(*at)).map(Frame::Function);
    let host = (sample.place == Place::Host).then_some(Frame::Host);
    let frames = cut.into_iter().chain(functions).chain(host).collect();
    Stack { module: number, frames }
}

/// Findings of a [`Profiler`]: how often guests were met in which functions.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    interval: Duration,
    is_in_order: bool,
    samples: u64,
    in_host: u64,
    lost: u64,
    /// Names of all frames.
    names: Vec<String>,
    modules: Vec<ModuleProfile>,
    /// Stacks of frames by their numbers, the outermost first, and how often each was met in a row.
    runs: Vec<(Vec<u32>, u64)>,
}

/// The part of a profile that is about one module.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModuleProfile {
    name: String,
    /// Where its runs are.
    runs: Range<usize>,
}

impl Profile {
    /// Time between two samples of a call.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Number of samples in the profile.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Number of samples that found a guest in a function of the host, or in what WebAssembly's runtime did for it.
    pub fn in_host(&self) -> u64 {
        self.in_host
    }

    /// Number of samples that were due and are not in the profile: the machine was too busy, the call ended before the signal arrived, or
    /// there was no room for more stacks.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The stacks of calls, the outermost first, and how often each was met in a row. Those of a module follow each other, in the order
    /// in which they were sampled as far as that is kept: at most some four million calls are.
    ///
    /// Functions have the names that their module gives them, with what is not printable escaped and cut to 256 characters. Those
    /// without are called as they are exported, or `func[7]` after their index.
    pub fn stacks(&self) -> impl Iterator<Item = (Vec<&str>, u64)> {
        self.runs.iter().map(|(stack, weight)| {
            let names = stack.iter().map(|frame| self.names[*frame as usize].as_str());
            (names.collect(), *weight)
        })
    }

    /// Writes the profile down in the [format](https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources) of
    /// [speedscope](https://www.speedscope.app), which shows it: JSON, with a profile for each module. Weights are numbers of samples.
    pub fn to_speedscope(&self) -> String {
        speedscope::written(self)
    }

    /// Adds what was recorded of all code of the module with that hash.
    fn add(&mut self, hash: &str, state: &State) {
        let begin = self.runs.len();
        let (before, host_before) = (self.samples, self.in_host);
        let mut frames = Frames::new(&mut self.names);
        let is_of = |number: usize| state.modules[number].module.wasm_hash() == hash;
        for (stack, weight) in state.recorded.runs().filter(|(stack, _)| is_of(stack.module)) {
            let module = &state.modules[stack.module].module;
            let numbers: Vec<u32> =
                stack.frames.iter().map(|frame| frames.number(*frame, module)).collect();
            self.samples += weight;
            if stack.frames.last() == Some(&Frame::Host) {
                self.in_host += weight;
            }
            match self.runs[begin..].last_mut().filter(|(last, _)| *last == numbers) {
                Some((_, last)) => *last += weight,
                None => self.runs.push((numbers, weight)),
            }
        }
        let mut of_module =
            state.modules.iter().filter(|module| module.module.wasm_hash() == hash).peekable();
        if let Some(SampledModule { module, .. }) = of_module.peek() {
            let host = frames.number(Frame::Host, module);
            let in_host: u64 = of_module.map(|of| of.in_host.load(Ordering::Relaxed)).sum();
            // The callers of the others are not known.
            let unknown = in_host.saturating_sub(self.in_host - host_before);
            if unknown > 0 {
                self.runs.push((vec![host], unknown));
                self.samples += unknown;
                self.in_host += unknown;
            }
        }
        let short = hash.get(..HASH_CHARS).unwrap_or(hash);
        let name = format!("module {short}: {} samples", self.samples - before);
        self.modules.push(ModuleProfile { name, runs: begin..self.runs.len() });
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("interval", &self.interval)
            .field("samples", &self.samples)
            .field("in_host", &self.in_host)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// The frames of one module, as they get their numbers and names.
struct Frames<'a> {
    names: &'a mut Vec<String>,
    numbers: HashMap<Frame, u32>,
    /// The names under which functions are exported, once one is asked for.
    exported: Option<HashMap<u32, &'a str>>,
}

impl<'a> Frames<'a> {
    fn new(names: &'a mut Vec<String>) -> Self {
        Self { names, numbers: HashMap::new(), exported: None }
    }

    fn number(&mut self, frame: Frame, module: &'a Module) -> u32 {
        if let Some(number) = self.numbers.get(&frame) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name = match frame {
            Frame::Host => HOST.to_owned(),
            Frame::Cut => CUT.to_owned(),
            Frame::Function(function) => self.name(function, module),
        };
        self.names.push(name);
        self.numbers.insert(frame, number);
        number
    }

    /// The name of a function: what the module calls it, else what it exports it as, else its index.
    fn name(&mut self, function: u32, module: &'a Module) -> String {
        let name = module.names().of_function(function).or_else(|| {
            let exported = self.exported.get_or_insert_with(|| exported(module));
            exported.get(&function).map(|name| shown(name))
        });
        match name {
            // Nobody takes it for one of ours.
            Some(name) if name.starts_with('[') => format!("func[{function}] {name}"),
            Some(name) if !name.is_empty() => name,
            _ => format!("func[{function}]"),
        }
    }
}

/// The names under which a module exports functions, the first of each.
fn exported(module: &Module) -> HashMap<u32, &str> {
    let mut names = HashMap::new();
    for (name, export) in &module.compiled().info().exports {
        if let ExportIndex::Function(function) = export
            && name != START_EXPORT
        {
            names.entry(function.as_u32()).or_insert(name.as_str());
        }
    }
    names
}
