//! `#[sandbox_guest::export]` and `#[sandbox_guest::import]` on items of any shape.

use crate::{expansion, import, names};

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (attribute, item) = text.split_once('\n').unwrap_or(("", text));
    // What the compiler itself refuses never reaches an attribute; deep nesting ends its parser, not ours.
    if text.chars().filter(|one| "([{<&*-!".contains(*one)).count() > 200 {
        return;
    }
    if let (Ok(attribute), Ok(function)) =
        (syn::parse_str::<names::Attribute>(attribute), syn::parse_str::<syn::ItemFn>(item))
    {
        check(expansion::expand(&attribute, &function));
    }
    if let (Ok(namespace), Ok(block)) = (
        syn::parse_str::<import::Namespace>(attribute),
        syn::parse_str::<syn::ItemForeignMod>(item),
    ) {
        check(import::expand(&namespace, &block));
    }
}

/// Asserts that an attribute answers code that parses, or says what is wrong.
fn check(answer: syn::Result<proc_macro2::TokenStream>) {
    match answer {
        Ok(code) => {
            let parsed = syn::parse2::<syn::File>(code.clone());
            assert!(parsed.is_ok(), "code that does not parse: {code}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let items = [
        "\nfn add(a: i32, b: i64) -> f64 { 0.0 }",
        "\nfn text(name: &str) -> String { String::new() }",
        "\nfn bytes(data: Vec<u8>) -> Vec<u8> { data }",
        "\nfn slice(data: &[u8]) -> &[u8] { data }",
        "\nfn values(a: Vec<u32>, b: &[Order], c: Option<&str>) -> Result<Order, String> { loop {} }",
        "\nfn chunk(chunk: sandbox_guest::Chunk<'_>) -> Vec<u8> { Vec::new() }",
        "name = \"other\"\npub(crate) fn unit() {}",
        "\nfn nothing() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }",
        "\nasync fn waits() {}",
        "\nunsafe extern \"C\" fn raw(a: *const u8) {}",
        "\nfn generic<T: Into<u8>, const N: usize>(a: [T; N]) where T: Copy {}",
        "\nfn tuple((a, b): (u8, u8), _: ()) -> (u8, u8) { (a, b) }",
        "\nfn takes(self: &Self, mut a: impl Fn(u8) -> u8, ...) {}",
        "\nconst fn never(a: u128) -> ! { loop {} }",
        "module = \"shop\"\nextern \"C\" { fn price_of(name: &str) -> f64; fn order(order: &Order) -> Result<u8, String>; }",
        "\nunsafe extern \"C\" { safe fn now() -> i64; pub fn put(data: &[u8], at: u32) -> Vec<u8>; }",
        "module = \"\"\nextern { fn nothing(); static NUMBER: i32; type Opaque; }",
    ];
    items.iter().map(|item| item.as_bytes().to_vec()).collect()
}
