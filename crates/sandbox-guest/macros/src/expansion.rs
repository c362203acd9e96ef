//! The code beside an exported function.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, ItemFn, Result, Type};

use crate::names::Attribute;
use crate::signature::{Argument, Input, Output, Ownership, Reference, Signature};

/// Returns the function and what makes it an export.
pub(crate) fn expand(attribute: &Attribute, function: &ItemFn) -> Result<TokenStream> {
    let name = attribute.export_name(&function.sig.ident)?;
    let export = match Signature::of(function)? {
        Signature::Numbers { parameters, result } => {
            numbers(&name, &function.sig.ident, &parameters, result.as_deref())
        }
        Signature::Exchanged { input, output, fallible } => {
            let shape = Shape { input, output, fallible };
            exchanged(&name, &function.sig.ident, &shape)
        }
    };
    Ok(quote! {
        #function

        #[allow(unsafe_code, reason = "the name of an export is unsafe; it was checked")]
        const _: () = {
            #export
        };
    })
}

/// Shape of what travels through the exchange area.
struct Shape {
    input: Input,
    output: Output,
    fallible: bool,
}

fn numbers(
    name: &str,
    function: &Ident,
    parameters: &[Type],
    result: Option<&Type>,
) -> TokenStream {
    let names: Vec<Ident> = (0..parameters.len()).map(|i| format_ident!("argument_{i}")).collect();
    let number = quote!(::sandbox_guest::__private::Number);
    let arguments = names
        .iter()
        .zip(parameters)
        .map(|(name, parameter)| quote!(<#parameter as #number>::from_register(#name)));
    let call = quote!(#function(#(#arguments),*));
    let (result_type, body) = match result {
        Some(result) => (
            quote!(-> <#result as #number>::Register),
            quote!(<#result as #number>::into_register(#call)),
        ),
        None => (quote!(), call),
    };
    quote! {
        #[cfg_attr(target_family = "wasm", unsafe(export_name = #name))]
        #[allow(dead_code, reason = "natively, nothing calls an export")]
        extern "C" fn __sandbox_export(
            #(#names: <#parameters as #number>::Register),*
        ) #result_type {
            #body
        }
    }
}

fn exchanged(name: &str, function: &Ident, shape: &Shape) -> TokenStream {
    let (decode, arguments) = shape.input.decoding();
    let release = if shape.output.brings_a_buffer() && !shape.input.is_handed_over() {
        quote!(output.release();)
    } else {
        quote!()
    };
    let call = quote!(#function(#(#arguments),*));
    let call = if shape.fallible {
        quote!(match #call {
            ::core::result::Result::Ok(result) => result,
            ::core::result::Result::Err(error) => {
                return ::core::result::Result::Err(
                    ::sandbox_guest::__private::Refusal::failed(error),
                );
            }
        })
    } else {
        call
    };
    let encode = shape.output.encoding(&call);
    let declaration = format!(
        "{{\"abi\":1,\"export\":\"{name}\",\"input\":\"{}\",\"output\":\"{}\"}}\n",
        shape.input.kind(),
        shape.output.kind(),
    );
    let declaration = record("DECLARATION", &declaration);
    let formats = shape.has_values().then(formats_record);
    quote! {
        #[cfg_attr(target_family = "wasm", unsafe(export_name = #name))]
        #[allow(dead_code, reason = "natively, nothing calls an export")]
        extern "C" fn __sandbox_export(input_len: usize) -> i32 {
            ::sandbox_guest::__private::serve(input_len, |input, output| {
                let _ = &input;
                #decode
                #release
                #encode
            })
        }
        #declaration
        #formats
    }
}

impl Shape {
    fn has_values(&self) -> bool {
        matches!(self.input, Input::Value(_)) || matches!(self.output, Output::Value(_))
    }
}

impl Input {
    /// The statements that decode the input, and the arguments made from it.
    fn decoding(&self) -> (TokenStream, Vec<TokenStream>) {
        let one = |decode: TokenStream| (quote!(let argument = #decode;), vec![quote!(argument)]);
        match self {
            Self::Unit => (quote!(), Vec::new()),
            Self::Bytes(Ownership::Borrowed) => one(quote!(input.bytes())),
            Self::Bytes(Ownership::Owned) => one(quote!(input.take_bytes(output))),
            Self::Text(Ownership::Borrowed) => one(quote!(input.text()?)),
            Self::Text(Ownership::Owned) => one(quote!(input.take_text(output)?)),
            Self::Stream => one(quote!(input.chunk())),
            Self::Value(arguments) => decode_values(arguments),
        }
    }
}

/// Types are left to inference from the call, so that lifetimes need no names; the spans point
/// at the parameters, so that an error about one shows it.
fn decode_values(parameters: &[Argument]) -> (TokenStream, Vec<TokenStream>) {
    let names: Vec<Ident> = (0..parameters.len()).map(|i| format_ident!("argument_{i}")).collect();
    let types = parameters.iter().map(|Argument { reference, parameter }| {
        let span = parameter.span();
        match reference {
            Some(Reference::Text) => quote_spanned!(span=> ::std::string::String),
            Some(Reference::Slice) => quote_spanned!(span=> ::std::vec::Vec<_>),
            Some(Reference::Value) | None => quote_spanned!(span=> _),
        }
    });
    let arguments = parameters.iter().zip(&names).map(|(Argument { reference, .. }, name)| {
        if reference.is_some() { quote!(&#name) } else { quote!(#name) }
    });
    let decode = match parameters {
        [only] => {
            let span = only.parameter.span();
            let (types, value) = (types.collect::<Vec<_>>(), quote_spanned!(span=> input.value()?));
            quote!(#(let #names: #types = #value;)*)
        }
        _ => quote!(let (#(#names,)*): (#(#types,)*) = input.value()?;),
    };
    (decode, arguments.collect())
}

impl Output {
    /// The expression that leaves the result of a call.
    fn encoding(&self, call: &TokenStream) -> TokenStream {
        let done = quote!(::core::result::Result::Ok(()));
        match self {
            Self::Unit => quote!({ #call; #done }),
            Self::Bytes(_) => quote!({ output.bytes(#call); #done }),
            Self::Text(_) => quote!({ output.text(#call); #done }),
            Self::Value(result) => {
                let encode = quote_spanned!(result.span()=> output.value(result));
                quote!({ let result = #call; #encode })
            }
        }
    }
}

/// A line in the custom section that the host reads.
pub(crate) fn record(constant: &str, text: &str) -> TokenStream {
    let constant = Ident::new(constant, proc_macro2::Span::call_site());
    let (len, bytes) = (text.len(), Literal::byte_string(text.as_bytes()));
    quote! {
        #[cfg(target_family = "wasm")]
        #[unsafe(link_section = "sandbox-guest")]
        #[used]
        static #constant: [u8; #len] = *#bytes;
    }
}

pub(crate) fn formats_record() -> TokenStream {
    quote! {
        #[cfg(target_family = "wasm")]
        #[unsafe(link_section = "sandbox-guest")]
        #[used]
        static FORMATS: [u8; ::sandbox_guest::__private::FORMATS_RECORD.len()] =
            ::sandbox_guest::__private::record(::sandbox_guest::__private::FORMATS_RECORD);
    }
}

/// Lifts the lint, so that an imported function can be called in code that denies unsafe code.
pub(crate) fn lift_for_import() -> TokenStream {
    quote! {
        #[allow(unsafe_code, reason = "every import is unsafe; the host checks all that it is given")]
    }
}
