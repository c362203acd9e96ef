//! The attributes behind `sandbox_guest::export` and `sandbox_guest::import`.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod expansion;
mod import;
mod names;
mod signature;

/// Documented where it is re-exported, as `sandbox_guest::export`.
#[proc_macro_attribute]
pub fn export(attribute: TokenStream, function: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as names::Attribute);
    let function = parse_macro_input!(function as syn::ItemFn);
    expansion::expand(&attribute, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Documented where it is re-exported, as `sandbox_guest::import`.
#[proc_macro_attribute]
pub fn import(attribute: TokenStream, block: TokenStream) -> TokenStream {
    let namespace = parse_macro_input!(attribute as import::Namespace);
    let block = parse_macro_input!(block as syn::ItemForeignMod);
    import::expand(&namespace, &block).unwrap_or_else(syn::Error::into_compile_error).into()
}
