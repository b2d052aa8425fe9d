//! What a kernel function takes and returns, so that a probe finds its arguments by type and name.
//!
//! That a function is listed does not mean that it can be hooked: its only symbol may have a suffix, or none be left.

use super::Btf;
use super::parse::{ENUM, ENUM64, FUNC, FUNC_PROTO, FWD, PTR, STRUCT, Type, UNION};

/// A function's prototype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// The number that the kernel knows it by.
    pub id: u32,
    /// As many as the function has: with fexit, the value returned is the argument after the last one.
    pub parameters: Vec<Parameter<'a>>,
    pub returns_void: bool,
    /// The build has several functions of that name and this is one of them: which would be hooked, nobody knows.
    pub is_ambiguous: bool,
}

/// One parameter; its name is empty where the kernel gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    pub name: &'a str,
    pub kind: ParameterKind<'a>,
}

/// As much of a parameter's type as tells its role; qualifiers and typedefs do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind<'a> {
    /// A pointer to the struct or union of that name.
    Pointer(&'a str),
    /// The enum of that name.
    Enum(&'a str),
    Other,
}

impl Btf {
    /// The function of that name: the module's own if it has one, else the kernel's.
    pub fn function(&self, name: &str) -> Option<Function<'_>> {
        let mut all = self.all_named(name, &[FUNC]);
        let function = all.next()?;
        let proto = function.target().filter(|ty| ty.kind() == FUNC_PROTO)?;
        Some(Function {
            id: function.id,
            parameters: proto
                .parameters()
                .map(|(name, id)| Parameter {
                    name,
                    kind: ParameterKind::of(proto, id),
                })
                .collect(),
            returns_void: proto.size == 0,
            is_ambiguous: all.next().is_some(),
        })
    }
}

impl Function<'_> {
    /// The position of the only parameter that points to a struct of that name.
    pub fn pointer_to(&self, name: &str) -> Option<u32> {
        self.only(|parameter| parameter.kind == ParameterKind::Pointer(name))
    }

    /// The position of the only parameter that is an enum of that name.
    pub fn enumeration(&self, name: &str) -> Option<u32> {
        self.only(|parameter| parameter.kind == ParameterKind::Enum(name))
    }

    /// The position of the parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<u32> {
        self.only(|parameter| parameter.name == name)
    }

    fn only(&self, is_wanted: impl Fn(&Parameter<'_>) -> bool) -> Option<u32> {
        let mut positions = (0..).zip(&self.parameters).filter(|(_, found)| is_wanted(found));
        let (position, _) = positions.next()?;
        positions.next().is_none().then_some(position)
    }
}

impl<'a> ParameterKind<'a> {
    fn of(proto: Type<'a>, id: u32) -> Self {
        let kind = || {
            let ty = proto.stripped(id)?;
            let text = |ty: Type<'a>| std::str::from_utf8(ty.name()?).ok().filter(|name| !name.is_empty());
            match ty.kind() {
                ENUM | ENUM64 => Some(Self::Enum(text(ty)?)),
                PTR => {
                    let pointee = ty.target()?;
                    let is_struct = matches!(pointee.kind(), STRUCT | UNION | FWD);
                    Some(Self::Pointer(text(pointee).filter(|_| is_struct)?))
                }
                _ => None,
            }
        };
        kind().unwrap_or(Self::Other)
    }
}
