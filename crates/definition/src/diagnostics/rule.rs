//! The closed list of what can be wrong with a definition.

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Which rule of the language was broken. The names are stable; the reference explains each.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule { $($(#[doc = $doc])+ $variant,)+ }

        impl Rule {
            /// Every rule, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, `unknown-key`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, in a sentence or two: its line in the reference.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

rules! {
    /// The text is not YAML, or uses a part of YAML that definitions do without: tags, several documents, keys that are not texts.
    Syntax = "syntax",
    /// The text is too long, nests too deep, or has too many values once its aliases are followed.
    Limit = "limit",
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// The language has no such key here.
    UnknownKey = "unknown-key",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// Keys that exclude each other stand together, or none of several of which one is needed.
    ConflictingKeys = "conflicting-keys",
    /// A value is of another type than the language wants here.
    WrongType = "wrong-type",
    /// A value is of the right type and still not one that can stand here.
    WrongValue = "wrong-value",
    /// A name is not snake_case, or is taken by the gateway itself.
    BadName = "bad-name",
    /// A template does not parse.
    BadTemplate = "bad-template",
    /// A template uses a value that is not there.
    UnknownVariable = "unknown-variable",
    /// A CEL expression does not compile.
    BadExpression = "bad-expression",
    /// A JSON Pointer is not empty and does not begin with a slash, or has a stray tilde.
    BadPointer = "bad-pointer",
    /// A regular expression does not compile.
    BadPattern = "bad-pattern",
    /// A JSON Schema is not one, refers to something outside itself, or refers to itself in a circle.
    BadSchema = "bad-schema",
    /// A header name or value that HTTP does not allow, or that the gateway sets itself.
    BadHeader = "bad-header",
    /// A URL or path that cannot be built safely.
    BadUrl = "bad-url",
    /// A URL can reach a host that the definition does not name.
    UnknownHost = "unknown-host",
    /// There is no such resource or method.
    UnknownMethod = "unknown-method",
    /// A fixed call gives an argument that the method does not take.
    UnknownArgument = "unknown-argument",
    /// A fixed call leaves out an argument that the method needs, an id for instance.
    MissingArgument = "missing-argument",
    /// An argument that neither a template nor `send` puts anywhere.
    UnusedArgument = "unused-argument",
    /// Two values of one method want the same place: two arguments of one name, one body pointer inside another.
    DuplicatePlace = "duplicate-place",
    /// A key that this kind of method does not have.
    Misplaced = "misplaced",
    /// A state that the resource's `state` rule does not know, or a transition where there is no such rule.
    UnknownState = "unknown-state",
    /// Two methods would have the same tool name.
    DuplicateTool = "duplicate-tool",
    /// Warning: a method or argument without a description, which a model needs to choose well.
    NoDescription = "no-description",
    /// Warning: a list or a verb with many records of which only the first page can ever be read.
    NoPagination = "no-pagination",
    /// Warning: a connection field, credential or host that nothing uses.
    Unused = "unused",
    /// Warning: a pattern that matches anywhere in a text.
    LoosePattern = "loose-pattern",
    /// Warning: an undo that does not lead back.
    OneWay = "one-way",
    /// Warning: a connection that nothing verifies.
    NoVerify = "no-verify",
    /// Warning: a base URL without TLS.
    PlainHttp = "plain-http",
}
