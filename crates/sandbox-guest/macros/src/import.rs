//! Functions of the host, as functions of the guest.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, ForeignItem, ForeignItemFn, GenericParam, Ident,
    ItemForeignMod, Lit, LitStr, Meta, Pat, Result, ReturnType, Token, Type,
};

use crate::expansion::{formats_record, lift_for_import, record};
use crate::signature::{Output, Ownership, is_chunk, is_number, is_unit};

/// The namespace of functions that are said to be of no other, as in C.
const DEFAULT_MODULE: &str = "env";

/// The most parameters that travel as one tuple: serde knows no larger ones.
const MOST_PARAMETERS: usize = 16;

/// Namespace in the brackets, which hold nothing or `module = "..."`.
pub(crate) struct Namespace(String);

impl Parse for Namespace {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self(DEFAULT_MODULE.to_owned()));
        }
        let message = "expected nothing or `module = \"...\"`";
        let key: Ident = input.parse().map_err(|error| Error::new(error.span(), message))?;
        if key != "module" {
            return Err(Error::new(key.span(), message));
        }
        input.parse::<Token![=]>()?;
        let module: LitStr = input.parse()?;
        if !input.is_empty() {
            return Err(input.error(message));
        }
        check(&module.value(), module.span())?;
        Ok(Self(module.value()))
    }
}

/// Returns a safe function for each that is declared.
pub(crate) fn expand(namespace: &Namespace, block: &ItemForeignMod) -> Result<TokenStream> {
    if let Some(attribute) = block.attrs.first() {
        let message = "attributes belong to the functions in the block";
        return Err(Error::new(attribute.span(), message));
    }
    let functions = block.items.iter().map(|item| match item {
        ForeignItem::Fn(function) => imported(namespace, function),
        other => Err(Error::new(other.span(), "a host has only functions to offer")),
    });
    functions.collect()
}

fn imported(namespace: &Namespace, function: &ForeignItemFn) -> Result<TokenStream> {
    refuse_what_no_host_offers(function)?;
    let (name, attributes) = name_and_attributes(function)?;
    let parameters = parameters(function)?;
    let result = match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, result) if is_unit(result) => None,
        ReturnType::Type(_, result) => Some((**result).clone()),
    };
    let import = Import { module: &namespace.0, name, parameters, result };
    let numbers = import.parameters.iter().map(|(_, ty)| ty).chain(&import.result).all(is_number);
    let body = if numbers { import.numbers() } else { import.exchanged()? };
    let (visibility, ident, inputs) = (&function.vis, &function.sig.ident, &function.sig.inputs);
    let (generics, output) = (&function.sig.generics, &function.sig.output);
    let missing = format!(
        "`{}.{}` is a function of the host, and only a guest in its sandbox has one",
        import.module, import.name
    );
    let lift = lift_for_import();
    let used = import.parameters.iter().map(|(ident, _)| ident);
    Ok(quote! {
        #(#attributes)*
        #lift
        #visibility fn #ident #generics (#inputs) #output {
            #[cfg(target_family = "wasm")]
            {
                #body
            }
            #[cfg(not(target_family = "wasm"))]
            {
                #(let _ = #used;)*
                ::core::panic!(#missing)
            }
        }
    })
}

/// A function of the host.
struct Import<'a> {
    module: &'a str,
    name: String,
    parameters: Vec<(Ident, Type)>,
    /// Type of the result; `None` if it returns nothing.
    result: Option<Type>,
}

impl Import<'_> {
    /// Calls it with numbers in registers.
    fn numbers(&self) -> TokenStream {
        let number = quote!(::sandbox_guest::__private::Number);
        let (names, types): (Vec<_>, Vec<_>) =
            self.parameters.iter().map(|(name, ty)| (name, ty)).unzip();
        let result = self.result.as_ref().map(|result| quote!(-> <#result as #number>::Register));
        let declared = self.declared(&quote!((#(#names: <#types as #number>::Register),*) #result));
        let call = quote!(unsafe { imported(#(<#types as #number>::into_register(#names)),*) });
        let call = match &self.result {
            Some(result) => quote!(<#result as #number>::from_register(#call)),
            None => call,
        };
        quote!(#declared #call)
    }

    /// Calls it with bytes, text or a value in memory.
    fn exchanged(&self) -> Result<TokenStream> {
        let (input_kind, input) = self.input();
        let output = Output::of(self.result.clone());
        let received = match &output {
            Output::Unit => quote!({
                let _ = output;
            }),
            Output::Bytes(Ownership::Owned) => quote!(output.into_bytes()),
            Output::Text(Ownership::Owned) => quote!(output.into_text()),
            Output::Value(result) if !matches!(**result, Type::Reference(_)) => {
                quote_spanned!(result.span()=> output.value())
            }
            _ => {
                let message = "what the host returns belongs to nobody else: return `Vec<u8>`, `String` or \
                               another type that owns what it holds";
                return Err(Error::new(self.result.span(), message));
            }
        };
        let has_values = input_kind == "value" || matches!(output, Output::Value(_));
        let formats = has_values.then(formats_record);
        let declaration = format!(
            "{{\"abi\":1,\"import\":\"{}\",\"module\":\"{}\",\"input\":\"{input_kind}\",\"output\":\"{}\"}}\n",
            self.name,
            self.module,
            output.kind(),
        );
        let declaration = record("DECLARATION", &declaration);
        let declared = self.declared(&quote! {
            (input: *const u8, input_len: usize, output: *mut u8, output_capacity: usize, format: usize) -> usize
        });
        Ok(quote! {
            #declared
            const _: () = {
                #declaration
                #formats
            };
            let call = |input: &[u8], output: &mut [u8], format: usize| unsafe {
                imported(input.as_ptr(), input.len(), output.as_mut_ptr(), output.len(), format)
            };
            let output = ::sandbox_guest::__private::HostCall::#input;
            #received
        })
    }

    /// Returns how the arguments travel, and the call with them.
    fn input(&self) -> (&'static str, TokenStream) {
        let names: Vec<&Ident> = self.parameters.iter().map(|(name, _)| name).collect();
        match self.parameters.as_slice() {
            [] => ("unit", quote!(with_bytes(&[], call))),
            [(name, ty)] if crate::signature::as_bytes(ty).is_some() => {
                ("bytes", quote!(with_bytes(::core::convert::AsRef::<[u8]>::as_ref(&#name), call)))
            }
            [(name, ty)] if crate::signature::as_text(ty).is_some() => {
                ("text", quote!(with_bytes(::core::convert::AsRef::<[u8]>::as_ref(&#name), call)))
            }
            [(name, _)] => ("value", quote!(with_value(&#name, call))),
            _ => ("value", quote!(with_value(&(#(&#names,)*), call))),
        }
    }

    /// The import itself.
    fn declared(&self, signature: &TokenStream) -> TokenStream {
        let (module, name) = (self.module, &self.name);
        quote! {
            #[link(wasm_import_module = #module)]
            unsafe extern "C" {
                #[link_name = #name]
                fn imported #signature;
            }
        }
    }
}

fn refuse_what_no_host_offers(function: &ForeignItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        let message = "a guest has nothing else to do while the host works: remove `async`; the host's \
                       function may well be async";
        return Err(Error::new(keyword.span(), message));
    }
    let is_lifetime = |generic: &&GenericParam| matches!(generic, GenericParam::Lifetime(_));
    if let Some(generic) = signature.generics.params.iter().find(|generic| !is_lifetime(generic)) {
        let message = "a function of the host has one signature: declare one for each type";
        return Err(Error::new(generic.span(), message));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new(
            variadic.span(),
            "a function of the host has a fixed number of parameters",
        ));
    }
    if signature.inputs.len() > MOST_PARAMETERS {
        let message = format!(
            "a function of the host has at most {MOST_PARAMETERS} parameters: pass a struct"
        );
        return Err(Error::new(signature.inputs.span(), message));
    }
    Ok(())
}

fn parameters(function: &ForeignItemFn) -> Result<Vec<(Ident, Type)>> {
    let parameter = |(at, parameter): (usize, &FnArg)| {
        let FnArg::Typed(typed) = parameter else {
            return Err(Error::new(parameter.span(), "a function of the host has no `self`"));
        };
        if matches!(&*typed.ty, Type::Reference(reference) if reference.mutability.is_some()) {
            let message =
                "the host gets a copy of what it is passed: take the value back as the result";
            return Err(Error::new(typed.ty.span(), message));
        }
        if is_chunk(&typed.ty) {
            let message = "a function of the host takes no streams: pass the bytes of each chunk";
            return Err(Error::new(typed.ty.span(), message));
        }
        match &*typed.pat {
            Pat::Ident(name) => Ok((name.ident.clone(), (*typed.ty).clone())),
            pattern => {
                let message =
                    format!("a parameter has a name, such as {}", format_ident!("argument_{at}"));
                Err(Error::new(pattern.span(), message))
            }
        }
    };
    function.sig.inputs.iter().enumerate().map(parameter).collect()
}

/// The name for the host, which `#[link_name = "..."]` can set, and the other attributes.
fn name_and_attributes(function: &ForeignItemFn) -> Result<(String, Vec<&Attribute>)> {
    let (names, others): (Vec<&Attribute>, Vec<&Attribute>) =
        function.attrs.iter().partition(|attribute| attribute.path().is_ident("link_name"));
    let Some(attribute) = names.first() else {
        return Ok((function.sig.ident.to_string().trim_start_matches("r#").to_owned(), others));
    };
    let message = "expected `#[link_name = \"...\"]`";
    let Meta::NameValue(value) = &attribute.meta else {
        return Err(Error::new(attribute.span(), message));
    };
    let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = &value.value else {
        return Err(Error::new(value.value.span(), message));
    };
    check(&name.value(), name.span())?;
    Ok((name.value(), others))
}

/// Names go into a record of JSON as they are.
fn check(name: &str, span: proc_macro2::Span) -> Result<()> {
    let plain = |character: char| character.is_ascii_graphic() && !['"', '\\'].contains(&character);
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    let name = Literal::string(name);
    Err(Error::new(
        span,
        format!("{name} cannot be a name: it has to be of visible ASCII characters but \" and \\"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(block: &str) -> std::result::Result<String, String> {
        let namespace = Namespace("env".to_owned());
        let block: ItemForeignMod = syn::parse_str(block).unwrap();
        let expanded = expand(&namespace, &block).map_err(|error| error.to_string())?;
        Ok(expanded.to_string().replace(' ', ""))
    }

    #[test]
    fn numbers_travel_in_registers_and_all_else_is_declared() {
        let code = expanded(r#"extern "C" { fn now(clock: u32) -> u64; }"#).unwrap();
        assert!(
            code.contains("wasm_import_module=\"env\"") && code.contains("link_name=\"now\""),
            "{code}"
        );
        assert!(!code.contains("abi"), "{code}");
        for (function, input, output) in [
            ("fn f(x: &str);", "text", "unit"),
            ("fn f(x: String) -> Vec<u8>;", "text", "bytes"),
            ("fn f(x: &[u8]) -> String;", "bytes", "text"),
            ("fn f(x: Vec<u8>) -> Option<u8>;", "bytes", "value"),
            ("fn f(x: &str, n: u32) -> u32;", "value", "value"),
            ("fn f(n: u32) -> Result<u32, String>;", "value", "value"),
            ("fn f() -> String;", "unit", "text"),
            ("fn f(order: &Order);", "value", "unit"),
        ] {
            let code = expanded(&format!("extern {{ {function} }}")).unwrap();
            let kinds = format!(r#"\"input\":\"{input}\",\"output\":\"{output}\""#);
            assert!(code.contains(&kinds), "{function}: {code}");
        }
    }

    #[test]
    fn a_function_can_have_another_name_for_the_host() {
        let code =
            expanded(r#"extern { #[link_name = "get-time"] #[doc = "x"] fn now() -> String; }"#)
                .unwrap();
        assert!(code.contains("link_name=\"get-time\"") && code.contains("fnnow()"), "{code}");
        assert!(code.contains(r#"\"import\":\"get-time\""#), "{code}");
    }

    #[test]
    fn what_no_host_offers_is_refused() {
        for (item, reason) in [
            ("static X: u32;", "only functions"),
            ("fn f<T>(x: T);", "one signature"),
            ("async fn f();", "async"),
            ("fn f(x: &mut [u8]);", "copy"),
            ("fn f(x: Option<&[u8]>);", "streams"),
            ("fn f() -> &str;", "owns"),
            ("fn f() -> &[u8];", "owns"),
            ("fn f(_: u32);", "name"),
            (r#"#[link_name = "a\"b"] fn f();"#, "cannot be a name"),
        ] {
            let error = expanded(&format!("extern {{ {item} }}")).unwrap_err();
            assert!(error.contains(reason), "{item}: {error}");
        }
    }

    #[test]
    fn only_a_module_can_be_given() {
        assert!(syn::parse_str::<Namespace>("").is_ok_and(|namespace| namespace.0 == "env"));
        assert!(syn::parse_str::<Namespace>("module = \"shop\"").is_ok());
        for wrong in
            ["name = \"x\"", "module", "module = x", "module = \"\"", "module = \"x\", more"]
        {
            assert!(syn::parse_str::<Namespace>(wrong).is_err(), "{wrong}");
        }
    }
}
