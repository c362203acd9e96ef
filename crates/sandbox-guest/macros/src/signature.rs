//! Signatures of functions: what travels, read from the names of the types.

use syn::{
    Error, FnArg, GenericArgument, GenericParam, ItemFn, PathArguments, Result, ReturnType, Type,
    spanned::Spanned as _,
};

/// A signature that can be exported.
pub(crate) enum Signature {
    /// Only numbers, or nothing at all.
    Numbers { parameters: Vec<Type>, result: Option<Box<Type>> },
    /// Everything else.
    Exchanged { input: Input, output: Output, fallible: bool },
}

/// Kind of the input, from which the arguments are made.
pub(crate) enum Input {
    Unit,
    Bytes(Ownership),
    Text(Ownership),
    /// The chunks of a stream, one a call, and then its end.
    Stream,
    /// One argument, or the tuple of several, encoded.
    Value(Vec<Argument>),
}

#[derive(Clone, Copy)]
pub(crate) enum Ownership {
    Borrowed,
    Owned,
}

/// An argument that is a decoded value.
pub(crate) struct Argument {
    pub(crate) parameter: Type,
    /// As what it is decoded, if the parameter's own type cannot be: a reference.
    pub(crate) reference: Option<Reference>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reference {
    /// `&str`, decoded as a `String`.
    Text,
    /// `&[T]`, decoded as a `Vec<T>`.
    Slice,
    /// `&T`, decoded as a `T`.
    Value,
}

/// Kind of the output, which the result becomes.
pub(crate) enum Output {
    Unit,
    Bytes(Ownership),
    Text(Ownership),
    Value(Box<Type>),
}

impl Signature {
    pub(crate) fn of(function: &ItemFn) -> Result<Self> {
        refuse_what_a_host_cannot_call(function)?;
        let parameters = parameters(function)?;
        let result = match &function.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, result) if is_unit(result) => None,
            ReturnType::Type(_, result) => Some((**result).clone()),
        };
        refuse_opaque_result(result.as_ref())?;
        if parameters.iter().chain(&result).all(is_number) {
            return Ok(Self::Numbers { parameters, result: result.map(Box::new) });
        }
        let (result, fallible) = match result {
            Some(result) => match success_of(&result) {
                Some(success) => ((!is_unit(&success)).then_some(success), true),
                None => (Some(result), false),
            },
            None => (None, false),
        };
        let (input, output) = (Input::of(parameters), Output::of(result));
        if matches!(input, Input::Stream) && !matches!(output, Output::Bytes(_)) {
            let message = "a function of a stream returns the bytes that go on: `Vec<u8>` or `&[u8]`, \
                           in a `Result` if it can fail";
            return Err(Error::new(function.sig.output.span(), message));
        }
        Ok(Self::Exchanged { input, output, fallible })
    }
}

impl Input {
    fn of(parameters: Vec<Type>) -> Self {
        match parameters.as_slice() {
            [] => return Self::Unit,
            [only] => {
                if let Some(ownership) = as_bytes(only) {
                    return Self::Bytes(ownership);
                }
                if let Some(ownership) = as_text(only) {
                    return Self::Text(ownership);
                }
                if is_chunk(only) {
                    return Self::Stream;
                }
            }
            _ => {}
        }
        let argument = |parameter| Argument { reference: Reference::of(&parameter), parameter };
        Self::Value(parameters.into_iter().map(argument).collect())
    }

    /// As the declaration names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Bytes(_) => "bytes",
            Self::Text(_) => "text",
            Self::Stream => "stream",
            Self::Value(_) => "value",
        }
    }

    /// Whether the function keeps the input buffer.
    pub(crate) fn is_handed_over(&self) -> bool {
        matches!(self, Self::Bytes(Ownership::Owned) | Self::Text(Ownership::Owned))
    }
}

impl Output {
    pub(crate) fn of(result: Option<Type>) -> Self {
        let Some(result) = result else { return Self::Unit };
        if let Some(ownership) = as_bytes(&result) {
            return Self::Bytes(ownership);
        }
        if let Some(ownership) = as_text(&result) {
            return Self::Text(ownership);
        }
        Self::Value(Box::new(result))
    }

    /// As the declaration names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Bytes(_) => "bytes",
            Self::Text(_) => "text",
            Self::Value(_) => "value",
        }
    }

    /// Whether the result comes in a buffer of its own.
    pub(crate) fn brings_a_buffer(&self) -> bool {
        matches!(self, Self::Bytes(Ownership::Owned) | Self::Text(Ownership::Owned))
    }
}

impl Reference {
    fn of(parameter: &Type) -> Option<Self> {
        let Type::Reference(reference) = parameter else { return None };
        Some(match &*reference.elem {
            target if is_named(target, "str") => Self::Text,
            Type::Slice(_) => Self::Slice,
            _ => Self::Value,
        })
    }
}

fn refuse_what_a_host_cannot_call(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        let message = "an exported function cannot be async: a guest runs one call at a time and has \
                       nothing to wait for; remove `async`";
        return Err(Error::new(keyword.span(), message));
    }
    let is_lifetime = |generic: &&GenericParam| matches!(generic, GenericParam::Lifetime(_));
    if let Some(generic) = signature.generics.params.iter().find(|generic| !is_lifetime(generic)) {
        let message = "an exported function cannot be generic, because the host cannot choose the \
                       type: export one function per type that calls this one";
        return Err(Error::new(generic.span(), message));
    }
    if let Some(keyword) = &signature.unsafety {
        let message = "an exported function cannot be unsafe, because the host promises nothing: check \
                       the arguments and call the unsafe function from a safe one";
        return Err(Error::new(keyword.span(), message));
    }
    if let Some(abi) = &signature.abi {
        let message = "the attribute chooses the calling convention: remove `extern`";
        return Err(Error::new(abi.span(), message));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new(
            variadic.span(),
            "an exported function has a fixed number of parameters",
        ));
    }
    Ok(())
}

fn parameters(function: &ItemFn) -> Result<Vec<Type>> {
    const MOST: usize = 16;
    let mut parameters = Vec::new();
    for parameter in &function.sig.inputs {
        let typed = match parameter {
            FnArg::Receiver(receiver) => {
                let message = "a method cannot be exported, because the host has no `self` to give: \
                               export a function that calls the method";
                return Err(Error::new(receiver.span(), message));
            }
            FnArg::Typed(typed) => typed,
        };
        match &*typed.ty {
            Type::Reference(reference) if reference.mutability.is_some() => {
                let message = "the host does not see what is written to a `&mut` parameter: take the \
                               value and return it";
                return Err(Error::new(typed.ty.span(), message));
            }
            Type::ImplTrait(opaque) => {
                let message = "the host needs to know the type of a parameter: name it instead of \
                               `impl Trait`";
                return Err(Error::new(opaque.span(), message));
            }
            parameter => parameters.push(parameter.clone()),
        }
    }
    if parameters.len() > MOST {
        let message = format!("an exported function has at most {MOST} parameters: take a struct");
        return Err(Error::new(function.sig.inputs.span(), message));
    }
    Ok(parameters)
}

fn refuse_opaque_result(result: Option<&Type>) -> Result<()> {
    match result {
        Some(Type::ImplTrait(opaque)) => {
            let message = "the host needs to know the type of the result: name it instead of `impl \
                           Trait`, for example by collecting an iterator into a Vec";
            Err(Error::new(opaque.span(), message))
        }
        Some(Type::Never(never)) => {
            Err(Error::new(never.span(), "an exported function must be able to return"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn is_number(ty: &Type) -> bool {
    const NUMBERS: [&str; 11] =
        ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "bool"];
    NUMBERS.iter().any(|number| is_named(ty, number))
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

pub(crate) fn as_bytes(ty: &Type) -> Option<Ownership> {
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(slice) if is_named(&slice.elem, "u8") => Some(Ownership::Borrowed),
            _ => None,
        },
        _ => {
            let element = first_argument(ty, "Vec")?;
            is_named(&element, "u8").then_some(Ownership::Owned)
        }
    }
}

/// Whether a type is `Option<&[u8]>`: a chunk of a stream, or its end.
pub(crate) fn is_chunk(ty: &Type) -> bool {
    first_argument(ty, "Option")
        .is_some_and(|chunk| matches!(as_bytes(&chunk), Some(Ownership::Borrowed)))
}

pub(crate) fn as_text(ty: &Type) -> Option<Ownership> {
    match ty {
        Type::Reference(reference) => {
            is_named(&reference.elem, "str").then_some(Ownership::Borrowed)
        }
        _ => is_last_named(ty, "String").then_some(Ownership::Owned),
    }
}

/// Returns the `T` of a `Result<T, ...>`, however the path to it is written.
fn success_of(ty: &Type) -> Option<Type> {
    first_argument(ty, "Result")
}

fn first_argument(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

/// Whether a type is exactly this word.
fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}

/// Whether a path, such as `std::string::String`, ends with this word.
fn is_last_named(ty: &Type, name: &str) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == name && last.arguments.is_none())
}

#[cfg(test)]
mod tests;
