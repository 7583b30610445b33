//! Methods.

mod argument;
mod body;
mod path;

pub(super) use path::check_literals as check_path_literals;

use std::sync::OnceLock;

use super::placement::{Allowed, fixed};
use super::variables::Roots;
use super::{Context, pagination};
use crate::diagnostics::Rule;
use crate::language::HTTP_METHODS;
use crate::plan::{Argument, Comparison, Effect, LocalFilter, Method, MethodKind, Pagination, Resource, Transition};
use crate::report::{Report, did_you_mean};
use crate::tools::{OutputShape, id_argument, input_schema, list_arguments, local_filter_argument, output_schema};
use crate::tree::{Key, Node};

/// One method under construction.
struct Builder<'a, 'n> {
    key: &'a Key,
    node: &'a Node,
    resource: &'a Resource,
    resource_node: &'a Node,
    context: &'a Context<'n>,
    kind: MethodKind,
    /// Whether it gives many records, in pages.
    many: bool,
}

pub(super) fn build(
    key: &Key,
    node: &Node,
    resource: &Resource,
    resource_node: &Node,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Method {
    let kind = match key.text.as_str() {
        "list" => MethodKind::List,
        "get" => MethodKind::Get,
        "create" => MethodKind::Create,
        "update" => MethodKind::Update,
        "delete" => MethodKind::Delete,
        _ => MethodKind::Custom,
    };
    let paged = node.get("pagination").is_some_and(|pagination| pagination.text().is_none());
    let many = kind == MethodKind::List || (kind == MethodKind::Custom && (node.get("items").is_some() || paged));
    let builder = Builder { key, node, resource, resource_node, context, kind, many };
    builder.check_keys(report);
    builder.build(report)
}

impl Builder<'_, '_> {
    /// Notes keys that this kind of method does not have.
    fn check_keys(&self, report: &mut Report<'_>) {
        let (wrong, why): (&[&str], _) = match self.kind {
            MethodKind::List => (&["result", "from", "to", "undo"], "a list has `items` and changes nothing"),
            MethodKind::Custom if self.many => (
                &["result", "from", "to", "undo"],
                "`items` or `pagination` make it a method that gives many records, which has `items` and changes nothing",
            ),
            MethodKind::Custom => {
                (&["local_filters", "pagination"], "it needs `items`, which says where in the answer the records stand")
            }
            _ => (
                &["items", "local_filters", "pagination"],
                "only the method `list` and verbs of the resource's own have it",
            ),
        };
        for (key, value) in self.node.entries() {
            if wrong.contains(&key.text.as_str()) {
                let message = format!("`{}` cannot stand in the method `{}`", key.text, self.key.text);
                report.error_at_key(key, value, Rule::Misplaced, message, Some(why.to_owned()));
            }
        }
        if self.node.get("description").is_none() {
            let message = format!("the method `{}` has no description", self.key.text);
            report.warning_at_key(
                self.key,
                self.node,
                Rule::NoDescription,
                message,
                "say what it does and when to use it: a model chooses by it",
            );
        }
        if self.many && self.node.get("pagination").or(self.context.root.get("pagination")).is_none() {
            let help = "declare `pagination`, or `pagination: none` when one answer has everything";
            report.warning_at_key(
                self.key,
                self.node,
                Rule::NoPagination,
                "only the first page of its records can be read",
                help,
            );
        }
    }

    fn build(&self, report: &mut Report<'_>) -> Method {
        let (http_method, path_node) = self.request();
        let mut names: Vec<String> = vec!["id".to_owned()];
        names.extend(self.arguments_node().iter().map(|(key, _)| key.text.clone()));
        let path = path_node.and_then(|node| path::build(node, &names, self.context, report));
        let allowed = Allowed { roots: Roots::CONNECTION, arguments: &names };
        let mut fixed_under = |key, headers| {
            self.node.get(key).map_or_else(Vec::new, |node| fixed(node, headers, self.context, &allowed, report))
        };
        let (query, headers) = (fixed_under("query", false), fixed_under("headers", true));
        let in_templates: Vec<String> = path
            .iter()
            .chain(query.iter().map(|(_, template)| template))
            .chain(headers.iter().map(|(_, template)| template))
            .flat_map(|template| template.paths().into_iter().map(|(path, _)| path[0].clone()))
            .collect();
        let takes_id = in_templates.iter().any(|name| name == "id")
            || self.arguments_node().iter().any(|(key, _)| key.text == "id");
        self.check_id(takes_id, report);
        let pagination = self.pagination(report);
        let filters = self.local_filters();
        let arguments = self.arguments(takes_id, &in_templates, report);
        body::check_places(self.node, &arguments, &query, &pagination, report);
        let fixed_body = body::fixed(self.node, &arguments, &pagination, report);
        let effect = self.effect(http_method, report);
        let transition = self.transition(effect, report);
        let read_before =
            (transition.is_some() && self.resource_node.at(&["methods", "get"]).is_some()).then(|| "get".to_owned());
        Method {
            resource: self.resource.name.clone(),
            name: self.key.text.clone(),
            kind: self.kind,
            gives_many: self.many,
            tool_name: String::new(),
            tool_alias: String::new(),
            title: self.text("title").unwrap_or_else(|| {
                format!(
                    "{} {}: {}",
                    self.context.label,
                    self.resource.name.replace('_', " "),
                    self.key.text.replace('_', " ")
                )
            }),
            description: self.text("description"),
            tags: self.texts("tags"),
            effect,
            idempotent: self
                .node
                .get("idempotent")
                .and_then(Node::boolean)
                .unwrap_or(effect == Effect::Read || !matches!(http_method, "post" | "patch")),
            http_method: http_method.to_ascii_uppercase(),
            path: path.unwrap_or_else(path::none),
            query,
            headers,
            body: body::rule(self.node, http_method, &arguments, &pagination, report),
            fixed_body,
            input_schema: input_schema(&arguments),
            output_schema: self.output(!filters.is_empty(), transition.is_some()),
            arguments,
            takes_id,
            result: self.text(if self.many { "items" } else { "result" }).unwrap_or_default(),
            pagination,
            local_filters: filters,
            transition,
            read_before,
            validator: OnceLock::new(),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.node.get(key).and_then(Node::text).map(str::to_owned)
    }

    fn texts(&self, key: &str) -> Vec<String> {
        self.node.get(key).map_or(&[][..], Node::items).iter().filter_map(Node::text).map(str::to_owned).collect()
    }

    fn arguments_node(&self) -> &[(Key, Node)] {
        self.node.get("arguments").map_or(&[][..], Node::entries)
    }

    /// The HTTP method in lower case, and the path.
    fn request(&self) -> (&'static str, Option<&Node>) {
        let found = HTTP_METHODS.iter().find_map(|&method| Some((method, self.node.get(method)?)));
        found.map_or(("get", None), |(method, node)| (method, Some(node)))
    }

    fn check_id(&self, takes_id: bool, report: &mut Report<'_>) {
        let (needs, wrong) = match self.kind {
            MethodKind::Get | MethodKind::Update | MethodKind::Delete => {
                (!takes_id, "works on one record, and uses no `{{ id }}`")
            }
            MethodKind::List | MethodKind::Create => (takes_id, "works on no single record, and uses `{{ id }}`"),
            // Its records would count as read under the wrong resource when the id is that of what they belong to.
            MethodKind::Custom if self.many => (takes_id, "gives many records, and uses `{{ id }}`"),
            MethodKind::Custom => (false, ""),
        };
        if needs {
            let help = "put `{{ id }}` into the path of `get`, `update`, `delete` and of verbs that act on one record; name a parent's id otherwise, such as `group_id`";
            report.error_at_key(
                self.key,
                self.node,
                Rule::Misplaced,
                format!("the method `{}` {wrong}", self.key.text),
                Some(help.to_owned()),
            );
        }
    }

    fn pagination(&self, report: &mut Report<'_>) -> Pagination {
        if !self.many {
            return pagination::none();
        }
        match self.node.get("pagination").or(self.context.root.get("pagination")) {
            Some(node) => pagination::build(node, report),
            None => pagination::none(),
        }
    }

    fn local_filters(&self) -> Vec<LocalFilter> {
        let entries = self.node.get("local_filters").map_or(&[][..], Node::entries);
        let filter = |(key, node): &(Key, Node)| {
            let compare = match node.get("compare")?.text()? {
                "equals" => Comparison::Equals,
                "starts_with" => Comparison::StartsWith,
                "ends_with" => Comparison::EndsWith,
                "contains" => Comparison::Contains,
                _ => return None,
            };
            let fold_case = node.get("fold_case").and_then(Node::boolean).unwrap_or(false);
            Some(LocalFilter { argument: key.text.clone(), at: node.get("at")?.text()?.to_owned(), compare, fold_case })
        };
        entries.iter().filter_map(filter).collect()
    }

    /// Every argument: the id, the declared ones, and with many records the gateway's options and the local filters.
    fn arguments(&self, takes_id: bool, in_templates: &[String], report: &mut Report<'_>) -> Vec<Argument> {
        let mut arguments = Vec::new();
        let declares_id = self.arguments_node().iter().any(|(key, _)| key.text == "id");
        if takes_id && !declares_id {
            arguments.push(id_argument(&self.resource.id));
        }
        for (key, node) in self.arguments_node() {
            arguments.push(argument::build(key, node, in_templates, &self.resource.id, report));
        }
        if !self.many {
            return arguments;
        }
        let mut further = Vec::new();
        for (key, node) in self.node.get("local_filters").map_or(&[][..], Node::entries) {
            let description = node.get("description").and_then(Node::text);
            if description.is_none() {
                let message = format!("the filter `{}` has no description", key.text);
                report.warning_at_key(
                    key,
                    node,
                    Rule::NoDescription,
                    message,
                    "say what it finds: a model chooses by it",
                );
            }
            further.push((key, node, local_filter_argument(&key.text, description)));
        }
        let options = list_arguments();
        let names = self
            .arguments_node()
            .iter()
            .map(|(key, node)| (key, node))
            .chain(further.iter().map(|(key, node, _)| (*key, *node)));
        let mut seen: Vec<&str> = options.iter().map(|option| option.name.as_str()).collect();
        for (key, node) in names {
            if seen.contains(&key.text.as_str()) {
                let message = format!("`{}` is the name of another argument of this method", key.text);
                let help = "`limit`, `next_cursor` and `fields` are the gateway's own; call yours something else and say `send`";
                report.error_at_key(key, node, Rule::DuplicatePlace, message, Some(help.to_owned()));
            }
            seen.push(&key.text);
        }
        arguments.extend(further.into_iter().map(|(_, _, argument)| argument));
        arguments.extend(options);
        arguments
    }

    fn effect(&self, http_method: &str, report: &mut Report<'_>) -> Effect {
        let effect = match self.node.get("effect").and_then(Node::text) {
            Some("read") => Effect::Read,
            Some("write") => Effect::Write,
            Some("destructive") => Effect::Destructive,
            _ => match http_method {
                "get" | "head" => Effect::Read,
                "delete" => Effect::Destructive,
                _ if self.many || self.kind == MethodKind::Get => Effect::Read,
                _ => Effect::Write,
            },
        };
        if effect != Effect::Read {
            // A walk over pages sends the request again and again.
            let message = match self.kind {
                MethodKind::List | MethodKind::Get => {
                    Some(format!("the method `{}` reads; give a change another name", self.key.text))
                }
                _ => {
                    self.many.then(|| format!("`{}` gives many records, page by page, so it only reads", self.key.text))
                }
            };
            if let Some(message) = message {
                let node = self.node.get("effect").or(self.node.get(http_method)).unwrap_or(self.node);
                report.error(node, Rule::WrongValue, message);
            }
        }
        effect
    }

    fn transition(&self, effect: Effect, report: &mut Report<'_>) -> Option<Transition> {
        let Some(to) = self.node.get("to") else {
            for key in ["from", "undo"] {
                if let Some(node) = self.node.get(key) {
                    report.error(node, Rule::MissingKey, format!("`{key}` needs `to`, the state after the call"));
                }
            }
            return None;
        };
        let Some(state) = &self.resource.state else {
            let help = "declare `state: {at: …, values: […]}` in the resource";
            report.error_with_help(to, Rule::UnknownState, "a change of state needs the resource's `state` rule", help);
            return None;
        };
        if effect == Effect::Read {
            report.error(to, Rule::WrongValue, "a method that changes the state cannot have the effect `read`");
        }
        let from = self.node.get("from").map_or(&[][..], Node::items);
        for node in from.iter().chain([to]) {
            if let Some(text) = node.text()
                && !state.values.iter().any(|value| value == text)
            {
                let help = did_you_mean(text, state.values.iter().map(String::as_str));
                report.error_within(
                    node,
                    0..text.len(),
                    Rule::UnknownState,
                    format!("the resource has no state `{text}`"),
                    help,
                );
            }
        }
        Some(Transition {
            at: state.at.clone(),
            from: from.iter().filter_map(Node::text).map(str::to_owned).collect(),
            to: to.text()?.to_owned(),
            undo: self.text("undo"),
        })
    }

    fn output(&self, has_local_filters: bool, has_transition: bool) -> serde_json::Value {
        let shape =
            if self.many { OutputShape::List { has_local_filters } } else { OutputShape::Single { has_transition } };
        output_schema(shape, self.resource.record.as_ref())
    }
}
