//! Laws that every reader keeps, tried on all fixtures: whatever happens to a file, what is read from it is
//! what was in it.

use std::collections::BTreeMap;
use std::io::Write;

use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::{self, Reading};
use bench_stats::model::{Fingerprint, Revision};
use camino::{Utf8Path, Utf8PathBuf};

/// What one file holds: by benchmark and metric, values for one iteration in their order.
type Held = BTreeMap<(String, String), Vec<f64>>;

/// Reads contents as files.
struct Reader {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Reader {
    fn new() -> Self {
        let fingerprint = Fingerprint {
            cpu: "here".to_owned(),
            cores: 2,
            os: "linux".to_owned(),
            rustc: "1.95".to_owned(),
            profile: "bench".to_owned(),
        };
        let environment = Environment {
            now: "2030-01-01T00:00:00Z".parse().unwrap(),
            working_dir: Utf8PathBuf::from("/"),
            criterion_home: None,
            cargo_target_dir: None,
            target_dir: None,
            fingerprint,
            attributes: Default::default(),
            revision: Revision::default(),
            committed_at: None,
            remarks: Vec::new(),
        };
        Self { folder: tempfile::tempdir().unwrap(), environment }
    }

    /// What is read, and what was said about it; or why nothing is.
    fn read(&self, content: &[u8]) -> Result<(Held, Vec<String>), String> {
        let path = Utf8Path::from_path(self.folder.path()).unwrap().join("results");
        std::fs::write(&path, content).unwrap();
        self.held_by(&path)
    }

    /// What a file or folder holds.
    fn held_by(&self, path: &Utf8Path) -> Result<(Held, Vec<String>), String> {
        let reading = Reading::everything();
        let batch = ingest::read(&[path.to_owned()], &reading, &self.environment, &mut || {});
        let batch = batch.map_err(|error| error.to_string())?;
        let mut held = Held::new();
        for run in &batch.runs {
            // Where a commit is no hexadecimal number any more, it is not looked up.
            for draft in run.measurements.iter() {
                let draft = draft.map_err(|error| error.to_string())?;
                let name = draft.series.benchmark.to_string();
                let metric = format!("{} {}", draft.series.metric, draft.series.unit);
                let values = draft.samples.per_iteration();
                assert!(draft.samples.per_iteration().all(f64::is_finite), "{name}");
                held.entry((name, metric)).or_default().extend(values);
            }
        }
        Ok((held, batch.remarks.iter().map(ToString::to_string).collect()))
    }
}

/// Whether all of `part` stands in `whole`, in this order.
fn is_part(part: &[f64], whole: &[f64]) -> bool {
    let mut rest = whole.iter();
    // Totals are divided by iterations, which may round.
    let same = |one: f64, other: f64| (one - other).abs() <= one.abs() * 1e-12;
    part.iter().all(|&value| rest.any(|&other| same(value, other)))
}

/// The benchmarks of which something is claimed that the file did not hold.
fn wrong(read: &Held, truth: &Held) -> Vec<String> {
    let mut names: Vec<String> = read
        .iter()
        .filter(|(series, values)| truth.get(series).is_some_and(|known| !is_part(values, known)))
        .map(|((name, _), _)| name.clone())
        .collect();
    names.dedup();
    names
}

/// Whether this is the median or mean that a file states beside its values. Fixtures were shortened after
/// their tools had computed it.
fn is_stated(part: &[f64], whole: &[f64]) -> bool {
    let bounds = whole
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    matches!(part, [value] if (bounds.0 * 0.9..=bounds.1 * 1.1).contains(value))
}

fn count(held: &Held) -> usize {
    held.values().map(Vec::len).sum()
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Has every place tried instead of some hundred, which takes minutes.
const EVERYTHING: &str = "BENCH_ANALYZER_TEST_EVERY_BYTE";

fn tries_everything() -> bool {
    std::env::var_os(EVERYTHING).is_some()
}

/// Places in a content, at most so many.
fn places(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let most = if tries_everything() { length } else { most };
    // No common divisor with the length of a record, so that all parts of records are met.
    (0..length).step_by((length / most).max(1) | 1)
}

fn check_prefixes(name: &str) {
    let (reader, whole) = (Reader::new(), fixture(name));
    let (truth, _) = reader.read(&whole).unwrap();
    let mut most = 0;
    for length in places(whole.len(), 300).chain([whole.len() - 1]) {
        match reader.read(&whole[..length]) {
            Ok((held, _)) => {
                assert_eq!(wrong(&held, &truth), [""; 0], "{name} cut at {length}");
                most = most.max(count(&held));
            }
            Err(said) => assert!(!said.is_empty(), "{name} cut at {length}"),
        }
    }
    // Without its last byte, at most the last value is lost.
    assert!(most * 2 >= count(&truth), "{name}: {most} of {} values", count(&truth));
}

fn check_flips(name: &str) {
    let (reader, whole) = (Reader::new(), fixture(name));
    let (truth, _) = reader.read(&whole).unwrap();
    let all = [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80];
    for (number, place) in places(whole.len(), 400).enumerate() {
        let some = [[1, 0x10, 0x40, 0x80][number % 4]];
        for bit in if tries_everything() { &all[..] } else { &some[..] } {
            let mut content = whole.clone();
            content[place] ^= bit;
            let Ok((held, _)) = reader.read(&content) else { continue };
            // A digit that became another cannot be told; it harms its own benchmark only.
            let wrong = wrong(&held, &truth);
            assert!(wrong.len() <= 1, "{name} with byte {place} flipped: {wrong:?}");
        }
    }
}

fn check_encodings(name: &str) {
    let (reader, whole) = (Reader::new(), fixture(name));
    let (truth, said) = reader.read(&whole).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let with_mark = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect()
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&whole).unwrap();
    let packed = packed.finish().unwrap();
    let others = [
        format!("\u{feff}{text}").into_bytes(),
        with_mark(u16::to_le_bytes),
        with_mark(u16::to_be_bytes),
        packed.clone(),
    ];
    for content in others {
        assert_eq!(reader.read(&content), Ok((truth.clone(), said.clone())), "{name}");
    }
    // What is packed and cut off, or damaged, gives no other values.
    for length in places(packed.len(), 40) {
        if let Ok((held, _)) = reader.read(&packed[..length]) {
            assert_eq!(wrong(&held, &truth), [""; 0], "{name} packed and cut at {length}");
        }
        let mut damaged = packed.clone();
        damaged[length] ^= 0x20;
        if let Ok((held, _)) = reader.read(&damaged) {
            assert_eq!(wrong(&held, &truth), [""; 0], "{name} packed and damaged at {length}");
        }
    }
}

/// Every place of a document where a value stands.
fn pointers(value: &serde_json::Value, here: &str, all: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let place = format!("{here}/{}", escaped(key));
                all.push(place.clone());
                pointers(value, &place, all);
            }
        }
        serde_json::Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate().take(3) {
                let place = format!("{here}/{index}");
                all.push(place.clone());
                pointers(value, &place, all);
            }
        }
        _ => {}
    }
}

fn check_fields(name: &str) {
    let (reader, whole) = (Reader::new(), fixture(name));
    let (truth, _) = reader.read(&whole).unwrap();
    let text = String::from_utf8(whole).unwrap().replace("NaN", "null");
    let text = text.replace("-Infinity", "null").replace("Infinity", "null");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    pointers(&document, "", &mut all);
    let step = if tries_everything() { 1 } else { (all.len() / 250).max(1) };
    for place in all.iter().step_by(step) {
        for replacement in
            [Some(serde_json::Value::Null), Some("what".into()), Some(nested()), None]
        {
            let mut changed = document.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            match (&replacement, changed.pointer_mut(parent).unwrap()) {
                (None, serde_json::Value::Object(fields)) => {
                    fields.remove(&key.replace("~1", "/").replace("~0", "~"));
                }
                (None, _) => continue,
                (Some(value), _) => *changed.pointer_mut(place).unwrap() = value.clone(),
            }
            if let Ok((held, _)) = reader.read(changed.to_string().as_bytes()) {
                let wrong: Vec<&String> = held
                    .iter()
                    .filter(|(series, values)| {
                        truth.get(series).is_some_and(|known| {
                            !is_part(values, known) && !is_stated(values, known)
                        })
                    })
                    .map(|((name, _), _)| name)
                    .collect();
                assert!(wrong.is_empty(), "{name} {place} became {replacement:?}: {wrong:?}");
                // A field within an element costs at most the benchmark it belongs to.
                if place.matches('/').count() > 2 {
                    let lost: std::collections::BTreeSet<&String> = truth
                        .iter()
                        .filter(|(series, values)| {
                            held.get(*series).is_none_or(|kept| kept.len() * 2 < values.len())
                        })
                        .map(|((name, _), _)| name)
                        .collect();
                    // What is one element there is several benchmarks here.
                    let allowed = match name {
                        "asv.json" | "mitata.json" => 3,
                        "vitest.json" => 2,
                        _ => 1,
                    };
                    assert!(lost.len() <= allowed, "{name} {place}: {lost:?}");
                }
            }
        }
    }
}

/// Arrays in arrays, deeper than anybody writes them and than a stack may be used for.
fn nested() -> serde_json::Value {
    (0..100).fold(serde_json::Value::Null, |inner, _| serde_json::Value::Array(vec![inner]))
}

/// A number that became impossible, endless or negative harms its own benchmark only, and is never stored
/// as something else.
fn check_numbers(name: &str) {
    let (reader, whole) = (Reader::new(), fixture(name));
    let (truth, _) = reader.read(&whole).unwrap();
    let text = String::from_utf8(whole).unwrap();
    let digits = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let starts: Vec<usize> =
        (0..text.len()).filter(|&at| digits(at) && (at == 0 || !digits(at - 1))).collect();
    let endless = "9".repeat(5000);
    let others =
        ["1e999", "-1", "1e-400", "18446744073709551616", "9007199254740993", "0", &endless];
    for index in places(starts.len(), 60) {
        let start = starts[index];
        let end = (start..=text.len()).find(|&at| !digits(at)).unwrap();
        for other in others {
            let content = format!("{}{other}{}", &text[..start], &text[end..]);
            let Ok((held, _)) = reader.read(content.as_bytes()) else { continue };
            let wrong = wrong(&held, &truth);
            assert!(wrong.len() <= 1, "{name}: {other} at {start}: {wrong:?}");
        }
    }
}

/// What Criterion leaves in a folder: damage to one file costs at most its own benchmark.
fn check_folder(version: &str) {
    let reader = Reader::new();
    let root = Utf8Path::from_path(reader.folder.path()).unwrap().join("criterion");
    let from = format!("{}/tests/fixtures/{version}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    copy(Utf8Path::new(&from), &root, &mut files);
    files.sort();
    let (truth, _) = reader.held_by(&root).unwrap();
    assert!(truth.len() > 3, "{truth:?}");
    for path in &files {
        let whole = std::fs::read(path).unwrap();
        let check = |what: &str| {
            let (held, _) = reader.held_by(&root).unwrap();
            let lost = truth.keys().filter(|series| !held.contains_key(*series)).count();
            let wrong = wrong(&held, &truth);
            assert!(lost <= 1 && wrong.len() <= 1, "{path} {what}: {lost} lost, {wrong:?} wrong");
        };
        for length in places(whole.len(), 6) {
            std::fs::write(path, &whole[..length]).unwrap();
            check("was cut off");
            for bit in [1, 0x10, 0x80] {
                let mut content = whole.clone();
                content[length] ^= bit;
                std::fs::write(path, content).unwrap();
                check("has another byte");
            }
        }
        for content in ["", "null", "[]", "{}", &nested().to_string()] {
            std::fs::write(path, content).unwrap();
            check("holds something else");
        }
        std::fs::remove_file(path).unwrap();
        check("is missing");
        std::fs::write(path, &whole).unwrap();
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path, files: &mut Vec<Utf8PathBuf>) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(entry.path(), &target, files);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            files.push(target);
        }
    }
}

#[test]
fn folders_of_criterion_keep_the_laws() {
    for version in ["criterion-0.5", "criterion-0.6", "criterion-0.7", "criterion-0.8"] {
        check_folder(version);
    }
}

/// The good lines around a line without end are kept, in little time.
#[test]
fn a_line_of_a_tenth_of_a_gigabyte_costs_no_other() {
    let reader = Reader::new();
    let long = "x".repeat(100 << 20);
    let (held, said) = reader
        .read(
            format!(
                "test a ... bench: 12 ns/iter (+/- 3)\n{long}\ntest b ... bench: 15 ns/iter (+/- 3)\n"
            )
            .as_bytes(),
        )
        .unwrap();
    assert_eq!(held.len(), 2, "{held:?}");
    assert!(said.iter().any(|one| one.contains("line 2: it is longer than 64 MiB")), "{said:?}");
    let (held, _) = reader
        .read(
            format!(
                r#"{{"results":[{{"command":"a","times":[0.1]}},{{"command":"{long}","times":["x"]}},{{"command":"b","times":[0.2]}}]}}"#
            )
            .as_bytes(),
        )
        .unwrap();
    assert_eq!(held.len(), 2, "{:?}", held.keys().map(|(name, _)| name.len()));
    let (held, _) =
        reader.read(format!("benchmark,value\na,1\n{long},x\nb,2\n").as_bytes()).unwrap();
    assert_eq!(held.len(), 2);
}

#[test]
fn documents_of_endless_depth_are_refused_or_left_out() {
    let reader = Reader::new();
    let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    for deep in [&deep, &objects] {
        assert!(reader.read(deep.as_bytes()).is_err());
        let (held, said) = reader
            .read(
                format!(
                    r#"{{"results":[{{"command":"a","times":[0.1]}},{{"command":"b","times":{deep}}}],"extra":{deep}}}"#
                )
                .as_bytes(),
            )
            .unwrap();
        assert_eq!(held.len(), 1, "{said:?}");
        assert!(said.iter().any(|one| one.contains("`results` number 2")), "{said:?}");
    }
}

macro_rules! laws {
    ($($test:ident: $file:literal $(, $fields:ident)?;)+) => {
        $(mod $test {
            #[test]
            fn any_prefix_gives_what_it_holds() {
                super::check_prefixes($file);
            }

            #[test]
            fn any_byte_may_be_another() {
                super::check_flips($file);
            }

            #[test]
            fn any_number_may_be_an_impossible_one() {
                super::check_numbers($file);
            }

            #[test]
            fn any_encoding_gives_the_same() {
                super::check_encodings($file);
            }

            $(#[test]
            fn any_field_may_be_missing_or_something_else() {
                super::$fields($file);
            })?
        })+
    };
}

laws! {
    asv: "asv.json", check_fields;
    bencher: "bencher.txt";
    bencher_metric: "bencher-metric.json", check_fields;
    benchmark_dotnet: "benchmark-dotnet.json", check_fields;
    benchmarkjs: "benchmarkjs.json", check_fields;
    benchmarkjs_text: "benchmarkjs.txt";
    cargo_criterion: "cargo-criterion.json";
    catch2: "catch2.xml";
    csv: "generic.csv";
    divan: "divan.txt";
    github: "github.json", check_fields;
    go: "go.txt";
    go_cpus: "go-cpus.txt";
    google: "google.json", check_fields;
    google_aggregates: "google-aggregates.json", check_fields;
    google_counters: "google-counters.json", check_fields;
    gungraun: "gungraun.txt";
    gungraun_dhat: "gungraun-dhat.txt";
    gungraun_summary: "gungraun-summary.json", check_fields;
    hyperfine: "hyperfine.json", check_fields;
    hyperfine_before: "hyperfine-1.15.json", check_fields;
    jmh: "jmh.json", check_fields;
    libtest: "libtest.txt";
    mitata: "mitata.json", check_fields;
    perf: "perf.txt";
    perf_json: "perf-json.txt";
    perf_separated: "perf-separated.txt";
    pyperf: "pyperf.json", check_fields;
    pytest: "pytest.json", check_fields;
    tinybench: "tinybench.json", check_fields;
    tinybench_table: "tinybench-table.json", check_fields;
    vitest: "vitest.json", check_fields;
}
