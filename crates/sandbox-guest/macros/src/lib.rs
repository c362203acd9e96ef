//! The attribute behind `sandbox_guest::export`.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod expansion;
mod names;
mod signature;

/// Documented where it is re-exported, as `sandbox_guest::export`.
#[proc_macro_attribute]
pub fn export(attribute: TokenStream, function: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as names::Attribute);
    let function = parse_macro_input!(function as syn::ItemFn);
    expansion::expand(&attribute, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
