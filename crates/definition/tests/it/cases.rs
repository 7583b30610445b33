//! Definitions that are wrong in one way each: edits of one that is right.

/// What the JSON Schema of the language says to a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Schema {
    /// It refuses as well: the definition is not made as the language has it.
    Refuses,
    /// It accepts: only loading finds what is wrong, or what is wrong is only worth a warning.
    Accepts,
    /// The text is no YAML, so the schema is not asked.
    NotAsked,
}

/// A definition without a problem.
pub(crate) const BASE: &str = "\
name: acme
label: Acme
category: identity
connection:
  fields:
    tenant: {label: Tenant, pattern: '^[a-z0-9-]+$'}
    region: {label: Region, enum: [eu, us], default: eu}
  credentials:
    token: {label: API token}
  auth: {bearer: {token: '{{ credentials.token }}'}}
  verify: {call: users.list, with: {limit: 1}}
base_url: https://{{ connection.tenant }}.{{ connection.region }}.acme.example/api
headers: {user-agent: Quartermaster}
pagination:
  cursor: {send: after, read: /next}
  size: {send: size, default: 20, max: 100}
rate_limits:
  sources: [{headers: {remaining: x-left, reset: {header: x-reset, kind: epoch_seconds}}}]
errors:
  message: [/message]
  failed_when: ['status == 200 && body.ok == false']
  explain:
    - {when: status == 404, code: not_found, hint: 'Nobody has the id {{ id }}.', next: users.list}
lifecycle:
  resource: users
  find_by_email: email
  email: /email
  suspend: suspend
  active: ACTIVE
  suspended: SUSPENDED
resources:
  users:
    id: {pattern: '^[0-9]+$', find: {call: users.list, with: {email: '{value}'}}}
    state: {at: /state, values: [ACTIVE, SUSPENDED]}
    record: {type: object, properties: {id: {type: string}}}
    methods:
      list:
        get: /users
        items: /users
        description: Lists people.
        arguments:
          email: {description: Exact address., send: query}
          state: {description: State., enum: [ACTIVE, SUSPENDED], send: {query: filter, values: {ACTIVE: a, SUSPENDED: s}}}
        local_filters:
          name: {at: /name, compare: contains, description: Part of the name.}
      get: {get: '/users/{{ id }}', description: Reads one person.}
      create:
        post: /users
        description: Adds a person.
        arguments:
          email: {description: Address., required: true, send: body}
      suspend: {post: '/users/{{ id }}/suspend', from: [ACTIVE], to: SUSPENDED, undo: reactivate, description: Suspends.}
      reactivate: {post: '/users/{{ id }}/reactivate', from: [SUSPENDED], to: ACTIVE, undo: suspend, description: Undoes it.}
";

/// One wrong definition.
pub(crate) struct Case {
    /// What is wrong.
    pub(crate) title: &'static str,
    /// Texts of [`BASE`], each standing there once, and what stands there instead.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    /// What the JSON Schema says.
    pub(crate) schema: Schema,
}

impl Case {
    /// The text of the definition.
    pub(crate) fn text(&self) -> String {
        let mut text = BASE.to_owned();
        for (from, to) in self.edits {
            assert_eq!(text.matches(from).count(), 1, "{}: `{from}` must stand in the base once", self.title);
            text = text.replace(from, to);
        }
        text
    }
}

const fn case(title: &'static str, edits: &'static [(&'static str, &'static str)], schema: Schema) -> Case {
    Case { title, edits, schema }
}

use Schema::{Accepts, NotAsked, Refuses};

/// Wrong YAML.
pub(crate) const YAML: &[Case] = &[
    case("a bracket is never closed", &[("sources: [{headers", "sources: [{{headers")], NotAsked),
    case("a tab as indentation", &[("  fields:\n", "\tfields:\n")], NotAsked),
    case("a second document", &[("label: Acme\n", "label: Acme\n---\nlabel: Other\n")], NotAsked),
    case("a tag", &[("label: Acme", "label: !secret Acme")], NotAsked),
    case("a key that is a list", &[("label: Acme", "label: Acme\n? [a, b]\n: c")], NotAsked),
    case("a key that is nothing", &[("label: Acme", "label: Acme\n~: c")], NotAsked),
    case("a key twice", &[("label: Acme", "label: Acme\nlabel: Other")], NotAsked),
    case("an alias without an anchor", &[("label: Acme", "label: *acme")], NotAsked),
    case("an alias inside its anchor", &[("label: Acme", "label: &acme [*acme]")], NotAsked),
];

/// Wrong keys, types and values.
pub(crate) const STRUCTURE: &[Case] = &[
    case("an unknown key with a likely meaning", &[("base_url:", "base_ulr:")], Refuses),
    case("an unknown key without one", &[("label: Acme", "label: Acme\nxyzzy: 1")], Refuses),
    case("a merge key", &[("label: Acme", "label: Acme\n<<: {category: hr}")], NotAsked),
    case("a missing key", &[("category: identity\n", "")], Refuses),
    case("nothing where a text is wanted", &[("label: Acme", "label:")], Refuses),
    case("a number where a text is wanted", &[("label: Acme", "label: 1")], Refuses),
    case("an empty text", &[("label: Acme", "label: ' '")], Refuses),
    case(
        "a list where a mapping is wanted",
        &[("connection:\n  fields:\n", "connection:\n  fields: []\n  ffields:\n")],
        Refuses,
    ),
    case("a text where a truth value is wanted", &[("required: true", "required: 'yes'")], Refuses),
    case("a number out of bounds", &[("default: 20", "default: 0")], Refuses),
    case("a fraction where a whole number is wanted", &[("default: 20", "default: 2.5")], Refuses),
    case("a default over the maximum", &[("default: 20", "default: 200")], Accepts),
    case("an unknown choice", &[("kind: epoch_seconds", "kind: epoch_second")], Refuses),
    case("an unknown problem code", &[("code: not_found", "code: not_fond")], Refuses),
    case(
        "two HTTP methods",
        &[("      get: {get: '/users/{{ id }}',", "      get: {get: '/users/{{ id }}', post: /users,")],
        Refuses,
    ),
    case("no HTTP method", &[("get: '/users/{{ id }}', ", "")], Refuses),
    case(
        "two page styles",
        &[("cursor: {send: after, read: /next}", "cursor: {send: after, read: /next}\n  link_header: {}")],
        Refuses,
    ),
    case("no page style", &[("  cursor: {send: after, read: /next}\n", "")], Refuses),
    case("a cursor read from nowhere", &[("send: after, read: /next", "send: after")], Refuses),
    case(
        "a perpetual cursor that never ends",
        &[("cursor: {send: after, read: /next}", "perpetual: {send: /after, read: /next}")],
        Accepts,
    ),
    case("a bad duration", &[("kind: epoch_seconds}", "kind: epoch_seconds}, window: 1 minute")], Refuses),
    case("two ways to say what a field can be", &[("enum: [eu, us]", "enum: [eu, us], pattern: '^eu$'")], Refuses),
    case("a default that is not among the values", &[("default: eu", "default: de")], Accepts),
    case("no resources", &[("resources:\n", "resources: {}\nresorces:\n")], Refuses),
    case(
        "a whole schema and parts of one",
        &[("email: {description: Address.,", "email: {schema: {type: string}, maxLength: 5, description: Address.,")],
        Accepts,
    ),
];

/// Wrong names, templates, expressions, pointers, patterns and schemas.
pub(crate) const PARTS: &[Case] = &[
    case("an integration's name with capitals", &[("name: acme\n", "name: Acme Inc\n")], Refuses),
    case("a resource in camel case", &[("  users:\n    id", "  userAccounts:\n    id")], Refuses),
    case(
        "an argument called like a root",
        &[(
            "          email: {description: Exact",
            "          connection: {description: Which., send: query}\n          email: {description: Exact",
        )],
        Accepts,
    ),
    case("a placeholder that is never closed", &[("'{{ credentials.token }}'", "'{{ credentials.token'")], Accepts),
    case("a filter", &[("'{{ credentials.token }}'", "'{{ credentials.token|upper }}'")], Accepts),
    case("a field that is not there", &[("{{ connection.region }}", "{{ connection.regoin }}")], Accepts),
    case("a whole root", &[("{{ connection.region }}", "{{ connection }}")], Accepts),
    case("a secret in a path", &[("get: /users\n", "get: /users/{{ credentials.token }}\n")], Accepts),
    case("a variable that is no argument", &[("/users/{{ id }}/suspend", "/users/{{ user_id }}/suspend")], Accepts),
    case("the base URL in a header", &[("user-agent: Quartermaster", "referer: '{{ base_url }}'")], Accepts),
    case("a condition that does not parse", &[("when: status == 404,", "when: status === 404,")], Accepts),
    case("a condition over a variable that is not there", &[("when: status == 404,", "when: stauts == 404,")], Accepts),
    case(
        "a condition with a function that is not there",
        &[("when: status == 404,", "when: lower(message) == 'x',")],
        Accepts,
    ),
    case("a pointer without a slash", &[("items: /users", "items: users")], Refuses),
    case("a pointer with a stray tilde", &[("email: /email", "email: /e~mail")], Refuses),
    case("a pattern that does not compile", &[("'^[a-z0-9-]+$'", "'^[a-z0-9-+$'")], Accepts),
    case("a pattern that matches anywhere", &[("'^[0-9]+$'", "'[0-9]+'")], Accepts),
    case("a record that is no schema", &[("record: {type: object,", "record: {type: objekt,")], Accepts),
    case("a record that refers to a file", &[("{id: {type: string}}", "{id: {$ref: 'file:///etc/passwd'}}")], Accepts),
    case("a record that refers to itself", &[("{id: {type: string}}", "{manager: {$ref: '#'}}")], Accepts),
    case("a record that refers to nothing", &[("{id: {type: string}}", "{id: {$ref: '#/$defs/id'}}")], Accepts),
    case("a header name with a line break", &[("user-agent: Quart", "\"user\\nagent\": Quart")], Refuses),
    case("a header value with a line break", &[("user-agent: Quartermaster", "user-agent: \"a\\r\\nb: c\"")], Accepts),
    case("a header of the HTTP client", &[("user-agent: Quart", "content-length: Quart")], Accepts),
    case("a header that is set by auth", &[("user-agent: Quart", "Authorization: Quart")], Accepts),
    case("a header twice", &[("user-agent: Quartermaster", "user-agent: a, User-Agent: b")], Accepts),
];

/// Wrong methods and arguments.
pub(crate) const METHODS: &[Case] = &[
    case(
        "an argument that goes nowhere",
        &[("email: {description: Exact address., send: query}", "email: {description: Exact address.}")],
        Accepts,
    ),
    case("an argument in a template and sent besides", &[("get: /users\n", "get: '/users/{{ email }}'\n")], Accepts),
    case(
        "an argument of a template that is not needed",
        &[
            ("get: /users\n", "get: '/users/{{ email }}'\n"),
            ("Exact address., send: query", "Exact address., required: false"),
        ],
        Accepts,
    ),
    case(
        "two arguments for one query parameter",
        &[("Exact address., send: query", "Exact address., send: {query: filter}")],
        Accepts,
    ),
    case(
        "an argument in the place of the cursor",
        &[("Exact address., send: query", "Exact address., send: {query: after}")],
        Accepts,
    ),
    case(
        "one body pointer inside another",
        &[(
            "required: true, send: body}",
            "required: true, send: body}\n          domain: {description: Domain., send: {body: /email/domain}}",
        )],
        Accepts,
    ),
    case(
        "an argument that is the whole body",
        &[("required: true, send: body", "required: true, send: {body: ''}")],
        Accepts,
    ),
    case(
        "an argument called like an option of lists",
        &[(
            "          email: {description: Exact",
            "          limit: {description: Most., send: query}\n          email: {description: Exact",
        )],
        Accepts,
    ),
    case("a filter called like an argument", &[("          name: {at: /name", "          email: {at: /name")], Accepts),
    case("a mapped value that is not there", &[("{ACTIVE: a, SUSPENDED: s}", "{ACTIVE: a, GONE: s}")], Accepts),
    case("mapped values without an enum", &[("enum: [ACTIVE, SUSPENDED], send", "send")], Accepts),
    case(
        "a mapped value that a header cannot carry",
        &[("{query: filter, values: {ACTIVE: a,", "{header: x-filter, values: {ACTIVE: ä,")],
        Accepts,
    ),
    case("a mapped null in a query", &[("values: {ACTIVE: a,", "values: {ACTIVE: null,")], Accepts),
    case("a template in a mapped value", &[("values: {ACTIVE: a,", "values: {ACTIVE: '{{ id }}',")], Accepts),
    case(
        "mapped values in the body of a GET request",
        &[("{query: filter, values:", "{body: /filter, values:")],
        Accepts,
    ),
    case(
        "a mapped null in a form",
        &[
            ("description: Adds a person.", "description: Adds a person.\n        body: form"),
            (
                "required: true, send: body}",
                "required: true, send: body}\n          role: {description: Role., enum: [a], send: {body: /role, values: {a: null}}}",
            ),
        ],
        Accepts,
    ),
    case("values without a place", &[("{query: filter, values:", "{values:")], Refuses),
    case("a body in a GET request", &[("Exact address., send: query", "Exact address., send: body")], Accepts),
    case(
        "no body, and an argument in it",
        &[("description: Adds a person.", "description: Adds a person.\n        body: none")],
        Accepts,
    ),
    case(
        "a template in a fixed body",
        &[(
            "description: Adds a person.",
            "description: Adds a person.\n        body: {by: '{{ connection.tenant }}'}",
        )],
        Accepts,
    ),
    case(
        "an argument below a fixed value",
        &[
            ("description: Adds a person.", "description: Adds a person.\n        body: {a: 1, l: [0]}"),
            (
                "required: true, send: body}",
                "required: true, send: {body: /a/b}}\n          last: {description: Last., send: {body: /l/2}}",
            ),
        ],
        Accepts,
    ),
    case(
        "a fixed body in a GET request",
        &[("        items: /users\n", "        items: /users\n        body: {all: true}\n")],
        Accepts,
    ),
    case(
        "levels in a form",
        &[
            ("description: Adds a person.", "description: Adds a person.\n        body: form"),
            ("required: true, send: body", "required: true, send: {body: /a/b}"),
        ],
        Accepts,
    ),
    case("a list with a result", &[("        items: /users\n", "        result: /users\n")], Accepts),
    case(
        "items outside of a list",
        &[("description: Adds a person.", "description: Adds a person.\n        items: /users")],
        Accepts,
    ),
    case("a get without an id", &[("/users/{{ id }}', description: Reads", "/users/me', description: Reads")], Accepts),
    case(
        "a search with a result and a change of state",
        &[(
            "      create:\n",
            "      search: {post: /s, items: /users, to: SUSPENDED, description: Finds.}\n      create:\n",
        )],
        Accepts,
    ),
    case(
        "a search for what belongs to one record",
        &[(
            "      create:\n",
            "      search: {post: '/users/{{ id }}/s', items: /users, description: Finds.}\n      create:\n",
        )],
        Accepts,
    ),
    case(
        "a search that writes",
        &[(
            "      create:\n",
            "      search: {post: /s, items: /users, effect: write, description: Finds.}\n      create:\n",
        )],
        Accepts,
    ),
    case("a list that deletes", &[("get: /users\n", "delete: /users\n")], Accepts),
    case(
        "pages outside of lists and verbs",
        &[("description: Reads one person.}", "description: Reads one person., pagination: none}")],
        Accepts,
    ),
    case(
        "a filter of a verb without items",
        &[(
            "      create:\n",
            "      search: {post: /s, local_filters: {name: {at: /name, compare: equals, description: Name.}}, description: Finds.}\n      create:\n",
        )],
        Accepts,
    ),
    case(
        "a search whose argument is an option of lists",
        &[(
            "      create:\n",
            "      search: {post: /s, items: /users, arguments: {fields: {description: Fields., send: body}}, description: Finds.}\n      create:\n",
        )],
        Accepts,
    ),
    case("a list with an id", &[("get: /users\n", "get: '/users/{{ id }}'\n")], Accepts),
    case(
        "a list that writes",
        &[("description: Lists people.", "description: Lists people.\n        effect: write")],
        Accepts,
    ),
    case("a path without a slash", &[("get: /users\n", "get: users\n")], Accepts),
    case("a path with a query", &[("get: /users\n", "get: /users?active=true\n")], Accepts),
    case("a path that climbs", &[("get: /users\n", "get: /users/../admin\n")], Accepts),
    case("a path that climbs in disguise", &[("get: /users\n", "get: /users/%2e%2E/admin\n")], Accepts),
    case("a method without a description", &[(", description: Reads one person.", "")], Accepts),
    case(
        "an argument and a filter without a description",
        &[("description: Exact address., ", ""), (", description: Part of the name.", "")],
        Accepts,
    ),
    case(
        "a list of which one page can be read",
        &[("pagination:\n  cursor: {send: after, read: /next}\n  size: {send: size, default: 20, max: 100}\n", "")],
        Accepts,
    ),
    case(
        "two methods with one tool name",
        &[(
            "  users:\n    id",
            "  people:\n    singular: user\n    methods:\n      get: {get: '/people/{{ id }}', description: Reads.}\n  users:\n    id",
        )],
        Accepts,
    ),
];

/// Wrong references between parts.
pub(crate) const LINKS: &[Case] = &[
    case("a verify that is not there", &[("verify: {call: users.list,", "verify: {call: users.lst,")], Accepts),
    case("a verify without a dot", &[("verify: {call: users.list,", "verify: {call: list,")], Refuses),
    case(
        "a verify that changes something",
        &[("verify: {call: users.list, with: {limit: 1}}", "verify: {call: users.create, with: {email: a@b.c}}")],
        Accepts,
    ),
    case("a verify with an argument that is not there", &[("with: {limit: 1}", "with: {limt: 1}")], Accepts),
    case("a verify with a value out of bounds", &[("with: {limit: 1}", "with: {limit: 0}")], Accepts),
    case("no verify", &[("  verify: {call: users.list, with: {limit: 1}}\n", "")], Accepts),
    case(
        "a find that needs an id",
        &[("find: {call: users.list, with: {email: '{value}'}}", "find: {call: users.get}")],
        Accepts,
    ),
    case("a find that finds nothing", &[("with: {email: '{value}'}", "with: {limit: 1}")], Accepts),
    case("a next call that is not there", &[("next: users.list", "next: people.list")], Accepts),
    case("a state that is not there", &[("from: [ACTIVE], to: SUSPENDED", "from: [ACTIV], to: SUSPENDED")], Accepts),
    case(
        "a transition without a state rule",
        &[("    state: {at: /state, values: [ACTIVE, SUSPENDED]}\n", "")],
        Accepts,
    ),
    case("a start without an end", &[("from: [ACTIVE], to: SUSPENDED, undo: reactivate", "from: [ACTIVE]")], Accepts),
    case("an undo that is not there", &[("undo: reactivate", "undo: reactivte")], Accepts),
    case("an undo of itself", &[("undo: reactivate", "undo: suspend")], Accepts),
    case("an undo that reads", &[("undo: reactivate", "undo: get")], Accepts),
    case(
        "an undo that does not lead back",
        &[("from: [SUSPENDED], to: ACTIVE, undo: suspend", "from: [ACTIVE], to: SUSPENDED")],
        Accepts,
    ),
    case("a transition that reads", &[("description: Suspends.", "effect: read, description: Suspends.")], Accepts),
    case("a lifecycle of a resource that is not there", &[("resource: users", "resource: user")], Accepts),
    case("a lifecycle with a filter that is not there", &[("find_by_email: email", "find_by_email: mail")], Accepts),
    case("a lifecycle with a method that is not there", &[("  suspend: suspend\n", "  suspend: disable\n")], Accepts),
    case(
        "a lifecycle with a method that does something else",
        &[("  suspend: suspend\n", "  suspend: reactivate\n")],
        Accepts,
    ),
    case("a lifecycle with a state that is not there", &[("  suspended: SUSPENDED\n", "  suspended: GONE\n")], Accepts),
    case(
        "a lifecycle without a get",
        &[("      get: {get: '/users/{{ id }}', description: Reads one person.}\n", "")],
        Accepts,
    ),
    case(
        "a field that nothing uses",
        &[("    token: {label: API token}", "    token: {label: API token}\n    other: {label: Other}")],
        Accepts,
    ),
];

/// Hosts that calls must not reach.
pub(crate) const HOSTS: &[Case] = &[
    case(
        "no scheme",
        &[("base_url: https://{{ connection.tenant }}.{{ connection.region }}.acme", "base_url: api.acme")],
        Accepts,
    ),
    case("another scheme", &[("base_url: https://", "base_url: ftp://")], Accepts),
    case("no TLS", &[("base_url: https://", "base_url: http://")], Accepts),
    case("a slash at the end", &[(".acme.example/api\n", ".acme.example/api/\n")], Accepts),
    case("a user in the host", &[("base_url: https://", "base_url: https://me@")], Accepts),
    case("a field that can be any text", &[(", pattern: '^[a-z0-9-]+$'}", "}")], Accepts),
    case("a pattern that lets a slash in", &[("'^[a-z0-9-]+$'", "'^[^.]+$'")], Accepts),
    case("a pattern of which one branch is open", &[("'^[a-z0-9-]+$'", "'^a|b$'")], Accepts),
    case("no fixed domain after a field", &[(".{{ connection.region }}.acme.example/api", ".example/api")], Accepts),
    case("a path on a host that is not named", &[("get: /users\n", "get: https://other.example/users\n")], Accepts),
    case(
        "a token endpoint on a host that is not named",
        &[(
            "{bearer: {token: '{{ credentials.token }}'}}",
            "{client_credentials: {token_url: 'https://auth.example/token', client_id: x, client_secret: '{{ credentials.token }}'}}",
        )],
        Accepts,
    ),
    case(
        "a token endpoint that grows out of the base URL's host",
        &[(
            "{bearer: {token: '{{ credentials.token }}'}}",
            "{client_credentials: {token_url: '{{ base_url }}.evil.example/token', client_id: x, client_secret: '{{ credentials.token }}'}}",
        )],
        Accepts,
    ),
    case(
        "client credentials that are not declared",
        &[(
            "{bearer: {token: '{{ credentials.token }}'}}",
            "{client_credentials: {token_url: '{{ base_url }}/token', client_id: '{{ credentials.token }}'}}",
        )],
        Accepts,
    ),
    case("a host with a scheme", &[("headers: {user", "hosts: ['https://other.example']\nheaders: {user")], Accepts),
];

/// Every group with the name of its snapshot.
pub(crate) const GROUPS: &[(&str, &[Case])] = &[
    ("yaml", YAML),
    ("structure", STRUCTURE),
    ("parts", PARTS),
    ("methods", METHODS),
    ("links", LINKS),
    ("hosts", HOSTS),
];
