use serde_json::Value;

use super::*;
use crate::bundle::FileBundle;
use crate::policy::{Access, ManualClock};

fn presets() -> [SecurityPolicy; 5] {
    [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
        SecurityPolicy::permissive()
            .with_folder_grant(FolderGrant::new("host", "/guest", Access::ReadWrite).with_quota(7))
            .with_folder("other", "/other", Access::ReadOnly)
            .with_environment("NAME", "value")
            .with_argument("--verbose")
            .with_network_host("example.com", 1..=u16::MAX)
            .with_clock(Clock::Fixed { since_1970: Duration::new(1, 2) })
            .with_randomness(Randomness::Seeded(u64::MAX))
            .with_initialisation_limit(Duration::from_nanos(1))
            .with_fuel(u64::MAX),
    ]
}

fn written(policy: &SecurityPolicy) -> Value {
    serde_json::to_value(policy).unwrap()
}

fn read(document: Value) -> Result<SecurityPolicy, String> {
    serde_json::from_value(document).map_err(|error| error.to_string())
}

#[test]
fn policies_are_read_as_they_were_written() {
    for policy in presets() {
        assert_eq!(read(written(&policy)).unwrap(), policy);
        let packed = rmp_serde::to_vec_named(&policy).unwrap();
        assert_eq!(rmp_serde::from_slice::<SecurityPolicy>(&packed).unwrap(), policy);
    }
}

#[test]
fn no_field_may_be_missing_at_any_depth() {
    fn each_missing(document: &Value, check: &mut dyn FnMut(Value, &str)) {
        match document {
            Value::Object(fields) => {
                for name in fields.keys() {
                    let mut fewer = fields.clone();
                    fewer.remove(name);
                    check(Value::Object(fewer), name);
                    each_missing(&fields[name], &mut |value, inner| {
                        let mut changed = fields.clone();
                        changed.insert(name.clone(), value);
                        check(Value::Object(changed), inner);
                    });
                }
            }
            Value::Array(items) => {
                for at in 0..items.len() {
                    each_missing(&items[at], &mut |value, inner| {
                        let mut changed = items.clone();
                        changed[at] = value;
                        check(Value::Array(changed), inner);
                    });
                }
            }
            _ => {}
        }
    }
    let mut tried = 0;
    each_missing(&written(&presets()[4]), &mut |document, name| {
        tried += 1;
        let error = read(document).expect_err(name);
        // The name of a choice is missing as part of its value.
        assert!(error.contains(name) || error.contains("single key"), "{name}: {error}");
    });
    assert!(tried > 50, "{tried}");
}

#[test]
fn fields_and_versions_that_are_not_known_are_refused() {
    let mut document = written(&SecurityPolicy::strict());
    document["wall_clok"] = Value::Null;
    assert!(read(document.clone()).unwrap_err().contains("wall_clok"));
    document.as_object_mut().unwrap().remove("wall_clok");
    document["compile_limits"]["more"] = 1.into();
    assert!(read(document.clone()).unwrap_err().contains("more"));
    document["compile_limits"].as_object_mut().unwrap().remove("more");
    document["version"] = 2.into();
    assert!(read(document).unwrap_err().contains("version 2"));
}

#[test]
fn what_only_this_process_has_is_not_written() {
    let bundle = FileBundle::builder().file("a", "b").build().unwrap();
    for (policy, what) in [
        (SecurityPolicy::strict().with_bundle(&bundle, "/data"), "bundle"),
        (SecurityPolicy::strict().with_clock(Clock::Manual(ManualClock::default())), "clock"),
    ] {
        let error = serde_json::to_string(&policy).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

/// A document that was written before must be read by all later versions that say so.
#[test]
fn the_document_of_a_preset_is_what_it_was() {
    let text = include_str!("strict.json");
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        document,
        written(&SecurityPolicy::strict()),
        "raise `VERSION` if its fields changed"
    );
}
