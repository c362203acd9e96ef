use super::*;

fn signature(text: &str) -> std::result::Result<Signature, String> {
    let function = syn::parse_str(&format!("{text} {{}}")).expect("the tests are valid Rust");
    Signature::of(&function).map_err(|error| error.to_string())
}

/// Input and output as the declaration names them, and whether there is an error to return.
fn kinds(text: &str) -> (&'static str, &'static str, bool) {
    match signature(text).unwrap() {
        Signature::Numbers { .. } => ("numbers", "numbers", false),
        Signature::Exchanged { input, output, fallible } => (input.kind(), output.kind(), fallible),
    }
}

#[test]
fn numbers_need_no_exchange() {
    for text in [
        "fn f()",
        "fn f() -> ()",
        "fn f(a: i32, b: i32) -> i64",
        "fn f(a: u8, b: bool, c: f32)",
        "fn f() -> u64",
    ] {
        assert_eq!(kinds(text), ("numbers", "numbers", false), "{text}");
    }
}

#[test]
fn bytes_and_text_are_known_by_their_names() {
    for (text, input, output) in [
        ("fn f(a: &[u8]) -> Vec<u8>", "bytes", "bytes"),
        ("fn f(a: Vec<u8>)", "bytes", "unit"),
        ("fn f<'a>(a: &'a str) -> &'a [u8]", "text", "bytes"),
        ("fn f(a: std::string::String) -> &'static str", "text", "text"),
        ("fn f() -> std::vec::Vec<u8>", "unit", "bytes"),
    ] {
        assert_eq!(kinds(text), (input, output, false), "{text}");
    }
}

#[test]
fn everything_else_is_a_value() {
    for text in [
        "fn f(a: Order) -> Report",
        "fn f(a: &Order) -> Option<u32>",
        "fn f(a: Vec<u16>) -> [u8; 4]",
        "fn f(a: &[u8], b: &str) -> (i32, i32)",
        "fn f(a: i32, b: usize) -> usize",
        "fn f(a: Id) -> Result",
    ] {
        assert_eq!(kinds(text), ("value", "value", false), "{text}");
    }
}

#[test]
fn a_result_returns_what_is_in_it() {
    for (text, input, output) in [
        ("fn f(a: i32) -> Result<i32, String>", "value", "value"),
        ("fn f(a: &str) -> std::io::Result<Vec<u8>>", "text", "bytes"),
        ("fn f(a: &[u8]) -> Result<(), Failure>", "bytes", "unit"),
        ("fn f() -> anyhow::Result<String>", "unit", "text"),
    ] {
        assert_eq!(kinds(text), (input, output, true), "{text}");
    }
}

#[test]
fn references_are_decoded_as_what_they_refer_to() {
    let Ok(Signature::Exchanged { input: Input::Value(arguments), .. }) =
        signature("fn f(a: &str, b: &[u64], c: &Order, d: u8) -> u8")
    else {
        panic!("several parameters are a value");
    };
    let references: Vec<_> = arguments.iter().map(|argument| argument.reference).collect();
    let expected = [Some(Reference::Text), Some(Reference::Slice), Some(Reference::Value), None];
    assert_eq!(references, expected);
}

#[test]
fn errors_say_what_to_do() {
    for (text, advice) in [
        ("async fn f(a: String) -> String", "remove `async`"),
        ("fn f<T: Ord>(a: Vec<T>)", "one function per type"),
        ("fn f<const N: usize>(a: [u8; N])", "one function per type"),
        ("fn f(&self) -> i32", "a function that calls the method"),
        ("unsafe fn f(a: i32)", "from a safe one"),
        ("extern \"C\" fn f(a: i32)", "remove `extern`"),
        ("fn f(a: &mut Vec<u8>)", "take the value and return it"),
        ("fn f(a: impl Into<String>)", "name it"),
        ("fn f() -> impl Iterator<Item = u8>", "collecting"),
        ("fn f() -> !", "able to return"),
        (
            "fn f(a: A, b: A, c: A, d: A, e: A, f: A, g: A, h: A, i: A, j: A, k: A, l: A, m: A, \
             n: A, o: A, p: A, q: A)",
            "take a struct",
        ),
    ] {
        let message = signature(text).err().unwrap();
        assert!(message.contains(advice), "{text}: {message}");
    }
}
