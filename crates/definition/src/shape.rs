//! The shape of the language as data: one table that the checker, the JSON Schema and the suggestions share.

mod check;
mod leaf;
pub(crate) mod schema;

pub use check::{ENTRIES_MAX, check};
pub(crate) use leaf::PATTERN_SIZE_MAX;
pub use leaf::{duration_seconds, snake_case};

/// One key of a mapping.
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub shape: Shape,
    /// Whether it must stand.
    pub required: bool,
    /// What it is, for the JSON Schema and editors.
    pub about: &'static str,
}

/// A mapping with known keys.
pub struct Object {
    /// Its keys.
    pub fields: &'static [Field],
    /// Keys that exclude each other.
    pub groups: &'static [Group],
}

/// Keys of which only one may stand.
pub struct Group {
    /// The keys.
    pub names: &'static [&'static str],
    /// Whether one of them must stand.
    pub needed: bool,
}

/// What a value must be.
pub enum Shape {
    /// Any value.
    Any,
    /// A text that is not empty.
    Text,
    /// A text, a number or a truth value, or nothing.
    Scalar,
    /// A text with `{{ placeholders }}`.
    Template,
    /// The same, or a number or truth value.
    ScalarTemplate,
    /// A CEL expression over these variables.
    Expression(&'static [&'static str]),
    /// A JSON Pointer.
    Pointer,
    /// A regular expression.
    Pattern,
    /// The name of an HTTP header.
    Header,
    /// The integration's own name: lower-case letters, digits, dashes and underscores.
    IntegrationName,
    /// `resource.method`.
    MethodName,
    /// A truth value.
    Boolean,
    /// A whole number within bounds.
    Integer {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A number.
    Number,
    /// `900s`, `15m`, `1h`, or seconds as a number.
    Duration,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// One of the problem codes.
    Code,
    /// A JSON Schema.
    Schema,
    /// A list of such values.
    List {
        /// What each is.
        of: &'static Shape,
        /// The fewest that may stand.
        min: usize,
    },
    /// A mapping with names of one's own.
    Map {
        /// What the names must be.
        keys: Keys,
        /// What each value is.
        of: &'static Shape,
    },
    /// A mapping with known keys.
    Object(&'static Object),
    /// The first of these whose type fits.
    Either(&'static [Shape]),
}

/// What the keys of a mapping with names of one's own must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Names that go into tool names and arguments.
    SnakeCase,
    /// Header names.
    Header,
    /// Any text that is not empty.
    Any,
}

/// A key that must stand.
pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, required: true, about }
}

/// A key that may stand.
pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, required: false, about }
}

impl Shape {
    /// What is wanted, for messages.
    pub fn wanted(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Scalar | Self::ScalarTemplate => "a text, number or truth value".to_owned(),
            Self::Template => "a text, in which `{{ … }}` stands for a value".to_owned(),
            Self::Expression(_) => "a CEL condition as a text".to_owned(),
            Self::Pointer => "a JSON Pointer such as `/results`".to_owned(),
            Self::Pattern => "a regular expression as a text".to_owned(),
            Self::Header => "a header name".to_owned(),
            Self::MethodName => "a method such as `users.list`".to_owned(),
            Self::Text | Self::IntegrationName => "a text".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number => "a number".to_owned(),
            Self::Duration => "a duration such as `900s`, `15m` or `1h`".to_owned(),
            Self::Choice(names) => one_of(names),
            Self::Code => "a problem code such as `not_found`".to_owned(),
            Self::Schema | Self::Map { .. } | Self::Object(_) => "a mapping".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::Either(shapes) => shapes.iter().map(Self::wanted).collect::<Vec<_>>().join(", or "),
        }
    }
}

/// `a`, `b` or `c`.
pub fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// The known name that somebody most likely meant.
pub(crate) fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// How alike two names must be (Jaro-Winkler).
    const ALIKE_MIN: f64 = 0.82;
    let scored =
        known.into_iter().map(|name| (strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase()), name));
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (best.0 >= ALIKE_MIN).then_some(best.1)
}
