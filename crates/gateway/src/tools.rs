//! The tools of an account, rendered once per plan, format and filter, then served as bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use quartermaster_definition::tools::{ToolFilter, ToolFormat, render_methods};
use quartermaster_store_model::Narrowing;
use quartermaster_types::{AccountId, Code, Problem, TokenId};

use crate::limits::RENDERED_TOOLS_CACHED_MAX_BYTES;
use crate::plans::PlanEntry;
use crate::{Actor, Gateway, rights};

/// Which tools, in which shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ToolQuery {
    /// `read`, `write`, `custom` or exact method names; empty for all.
    pub methods: Vec<String>,
    /// Any of these tags; empty for all.
    pub tags: Vec<String>,
    /// Words to rank by.
    pub search: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Wire shape; `None` for ours.
    pub format: Option<String>,
}

/// Tools, serialised.
#[derive(Clone, Debug)]
pub struct RenderedTools {
    /// JSON.
    pub body: Bytes,
    /// Strong entity tag, with quotes.
    pub etag: String,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// Hash of the effective definition.
    version: [u8; 32],
    query: ToolQuery,
    /// The token, when it is narrowed to tools or methods.
    narrowed: Option<TokenId>,
}

/// Rendered lists, bounded by their bytes.
pub(crate) struct Rendered(Cache<Key, Arc<RenderedTools>>);

/// What an entry takes besides its body.
const ENTRY_BYTES: usize = 512;

impl Rendered {
    pub(crate) fn new() -> Self {
        let weigh = |_: &Key, tools: &Arc<RenderedTools>| (tools.body.len() + ENTRY_BYTES) as u32;
        Self(Cache::builder().max_capacity(RENDERED_TOOLS_CACHED_MAX_BYTES).weigher(weigh).build())
    }
}

impl Gateway {
    /// Tools of an account. A token that is narrowed sees only those that it may call.
    ///
    /// 400 for an unknown format. The `ETag` changes with the definition, the overrides, the query and the narrowing.
    pub async fn tools(
        &self,
        actor: &Arc<Actor>,
        account: AccountId,
        query: &ToolQuery,
    ) -> Result<RenderedTools, Problem> {
        let entry = self.account(actor, account).await?;
        let narrowed = actor.narrowing.tools.is_some() || actor.narrowing.methods.is_some();
        let key =
            Key { version: entry.plan.version, query: query.clone(), narrowed: narrowed.then_some(actor.token_id) };
        if let Some(rendered) = self.inner.rendered.0.get(&key) {
            return Ok(RenderedTools::clone(&rendered));
        }
        let rendered = Arc::new(render(&entry.plan, query, &actor.narrowing)?);
        self.inner.rendered.0.insert(key, Arc::clone(&rendered));
        Ok(RenderedTools::clone(&rendered))
    }
}

fn render(entry: &PlanEntry, query: &ToolQuery, narrowing: &Narrowing) -> Result<RenderedTools, Problem> {
    let plan = &entry.plan;
    let filter = ToolFilter {
        methods: query.methods.clone(),
        tags: query.tags.clone(),
        search: query.search.clone(),
        limit: query.limit,
    };
    let body = query
        .format
        .as_deref()
        .map_or(Ok(ToolFormat::Default), ToolFormat::parse)
        .and_then(|format| {
            let methods = filter.select_from(plan, |method| rights::allows_method(narrowing, method))?;
            render_methods(plan, format, &methods)
        })
        .map_err(|error| {
            Problem::caller(Code::InvalidArgument, "The tools cannot be listed like this.")
                .with_error(error.pointer, error.detail)
        })?;
    let digest = quartermaster_vault::sha256(&[&body]);
    let mut etag = String::with_capacity(34);
    etag.push('"');
    for byte in &digest[..16] {
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    Ok(RenderedTools { body: Bytes::from(body), etag })
}
