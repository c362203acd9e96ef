use super::*;
use crate::module::compiler::CodeSettings;
use crate::policy::Compiler;

const NATIVE: [u8; 300] = [0xAB; 300];

fn key() -> SigningKey {
    SigningKey::from_bytes([7; 32])
}

fn identity() -> Identity {
    let settings = CodeSettings::new(&SecurityPolicy::basic(), Compiler::Cranelift);
    Identity::new(b"wasm", &settings)
}

fn behaviour() -> Behaviour {
    Behaviour::of(b"")
}

fn names() -> Names {
    Names::of(&wat::parse_str("(module (func) (func) (func) (func $three))").unwrap())
}

fn sealed() -> Vec<u8> {
    seal(&NATIVE, &identity(), &behaviour(), &names(), (&key()).into(), Purpose::Cache)
}

fn unsealed(file: Vec<u8>) -> Result<Unsealed, ArtifactRejection> {
    unseal_expected(Bytes::from(file), &identity(), &key())
}

#[test]
fn what_was_sealed_comes_back_aligned() {
    let code = unsealed(sealed()).unwrap();
    assert_eq!(code.native().bytes()[..], NATIVE);
    assert_eq!(code.native().bytes().as_ptr().align_offset(16), 0);
}

#[test]
fn no_bit_of_a_file_can_change() {
    let file = sealed();
    for bit in 0..file.len() * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(unsealed(changed).is_err(), "bit {bit} of {}", file.len() * 8);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused_for_its_length() {
    let file = sealed();
    for length in 0..file.len() {
        let rejection = unsealed(file[..length].to_vec()).unwrap_err();
        let expected = if length < 64 {
            ArtifactRejection::Unrecognised
        } else {
            ArtifactRejection::WrongLength {
                declared_bytes: file.len() as u64,
                actual_bytes: length as u64,
            }
        };
        assert_eq!(rejection, expected, "{length}");
    }
}

#[test]
fn a_longer_file_is_refused() {
    let mut file = sealed();
    file.push(0);
    assert!(matches!(unsealed(file).unwrap_err(), ArtifactRejection::WrongLength { .. }));
}

#[test]
fn lengths_that_overflow_are_refused() {
    for at in [16, 24] {
        for length in [u64::MAX, u64::MAX - 63, u64::MAX - 128, 1 << 63] {
            let mut file = sealed();
            file[at..at + 8].copy_from_slice(&length.to_le_bytes());
            let rejection = unsealed(file).unwrap_err();
            assert!(matches!(rejection, ArtifactRejection::WrongLength { .. }), "{rejection:?}");
        }
    }
}

#[test]
fn moving_the_border_between_description_and_code_is_noticed() {
    // Both lengths change so that the total stays right.
    let mut file = sealed();
    let length = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let (description, native) = (length(16) + 64, length(24) - 64);
    file[16..24].copy_from_slice(&description.to_le_bytes());
    file[24..32].copy_from_slice(&native.to_le_bytes());
    assert_eq!(unsealed(file).unwrap_err(), ArtifactRejection::Altered);
}

#[test]
fn another_key_is_told_from_tampering() {
    let other = SigningKey::from_bytes([8; 32]);
    let file = seal(&NATIVE, &identity(), &behaviour(), &names(), (&other).into(), Purpose::Cache);
    assert_eq!(unsealed(file).unwrap_err(), ArtifactRejection::ForeignKey);
}

#[test]
fn claiming_to_be_sealed_with_our_key_is_not_enough() {
    let other = SigningKey::from_bytes([8; 32]);
    let mut file =
        seal(&NATIVE, &identity(), &behaviour(), &names(), (&other).into(), Purpose::Cache);
    file[8..16].copy_from_slice(&key().id());
    assert_eq!(unsealed(file).unwrap_err(), ArtifactRejection::Altered);
}

#[test]
fn a_shipped_module_is_no_cache_entry_and_the_other_way_round() {
    let shipped =
        seal(&NATIVE, &identity(), &behaviour(), &names(), (&key()).into(), Purpose::Shipping);
    assert_eq!(unsealed(shipped.clone()).unwrap_err(), ArtifactRejection::Altered);
    let policy = SecurityPolicy::basic();
    assert!(unseal_shipped(Bytes::from(shipped), &policy, &(&key()).into()).is_ok());
    let rejection = unseal_shipped(Bytes::from(sealed()), &policy, &(&key()).into()).unwrap_err();
    assert_eq!(rejection, ArtifactRejection::Altered);
}

#[test]
fn other_files_are_not_recognised() {
    for file in [&b""[..], b"\0asm\x01\0\0\0", &[0; 4096], &[0x7f; 64]] {
        assert_eq!(unsealed(file.to_vec()).unwrap_err(), ArtifactRejection::Unrecognised);
    }
    let mut newer = sealed();
    newer[7] += 2;
    assert_eq!(unsealed(newer).unwrap_err(), ArtifactRejection::Unrecognised);
}

#[test]
fn what_is_known_of_the_code_comes_back_with_it() {
    let text = r#"(module (func (export "one\0a\22two") (result i32) (i32.const 1)))"#;
    let behaviour = Behaviour::of(&wat::parse_str(text).unwrap());
    assert!(behaviour.is_pure("one\n\"two"));
    let file = seal(&NATIVE, &identity(), &behaviour, &names(), (&key()).into(), Purpose::Cache);
    assert_eq!(*unsealed(file).unwrap().behaviour(), behaviour);
}

#[test]
fn the_names_of_functions_come_back_too() {
    let code = unsealed(sealed()).unwrap();
    assert_eq!(code.names().of_function(3).as_deref(), Some("three"));
    assert_eq!(code.names().of_function(2), None);
}
