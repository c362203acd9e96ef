//! Each target on its seeds, and on random changes of them: what runs without libFuzzer, with any toolchain.
//!
//! `FUZZ_CHANGES` says how many changes of a seed are tried.
#![expect(missing_docs, reason = "tests")]

// Counters of branches end in it.
use libfuzzer_sys as _;
use sandbox_fuzz::{TARGETS, target};

/// A generator that everybody knows (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (most.max(1) as u64)).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'];
        if self.below(2) == 0 {
            TELLING[self.below(TELLING.len())]
        } else {
            self.below(256).to_le_bytes()[0]
        }
    }

    /// Changes a few bytes, or moves, repeats or cuts parts.
    fn change(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), self.byte()),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => {
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(64)).min(other.len())];
                    bytes.splice(at.min(bytes.len())..at.min(bytes.len()), part.iter().copied());
                }
                _ if !bytes.is_empty() => bytes[at] = self.byte(),
                _ => {}
            }
        }
        bytes
    }
}

fn try_target(name: &str) {
    let target = target(name).expect("it is listed");
    let changes =
        std::env::var("FUZZ_CHANGES").ok().and_then(|changes| changes.parse().ok()).unwrap_or(20);
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for (number, seed) in seeds.iter().enumerate() {
        (target.run)(seed);
        let other = &seeds[random.below(seeds.len())];
        for change in 0..changes {
            let changed = random.change(seed, other);
            let kept =
                std::env::temp_dir().join(format!("sandbox-fuzz-{name}-{}", std::process::id()));
            let outcome = std::panic::catch_unwind(|| (target.run)(&changed));
            if outcome.is_err() {
                let _ = std::fs::write(&kept, &changed);
                panic!(
                    "{name} fails for change {change} of seed {number}, which is kept as {}",
                    kept.display()
                );
            }
        }
    }
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        const TRIED: &[&str] = &[$(stringify!($name)),+];
        $(#[test]
        fn $name() {
            try_target(stringify!($name));
        })+
    };
}

targets! {
    artifacts,
    configurations,
    criterion,
    exchange,
    exports,
    importers,
    modules,
    oracle,
    paths,
    requests,
    resets,
    streams,
}

#[test]
fn every_target_is_tried_and_has_its_file() {
    assert_eq!(TARGETS.map(|target| target.name), TRIED);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    for target in &TARGETS {
        assert!(folder.join(target.name).with_extension("rs").is_file(), "{}", target.name);
    }
}
