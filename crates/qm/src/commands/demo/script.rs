//! What a demo tells, from the integration's folder: the words, the people, the limits. The program has only the order.

use std::collections::BTreeMap;

use quartermaster_integrations::Integration;
use quartermaster_simulator::{RateHeaders, RateLimit};
use serde::Deserialize;

use crate::failure::Failure;

/// The files that a demo needs.
const STORY: &str = "demo.yaml";
const LIST: &str = "leavers.csv";

/// An integration with its story.
pub(super) struct Script {
    pub(super) integration: Integration,
    pub(super) list: &'static str,
    pub(super) list_name: &'static str,
    pub(super) story: Story,
    pub(super) rate_limit: RateLimit,
    pub(super) rate_headers: RateHeaders,
}

/// `demo.yaml`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Story {
    pub(super) simulator: String,
    pub(super) people: usize,
    pub(super) tenant: String,
    pub(super) connection: BTreeMap<String, String>,
    pub(super) credentials: BTreeMap<String, String>,
    pub(super) leaver: String,
    pub(super) hidden: String,
    rate_limit: String,
    rate_headers: String,
    pub(super) scenes: Scenes,
}

/// The scenes, in the order of the story.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenes {
    pub(super) opening: Scene,
    pub(super) connect: Scene,
    pub(super) tools: Scene,
    pub(super) offboard: Scene,
    pub(super) invented: Scene,
    pub(super) hidden: Scene,
    pub(super) audit: Scene,
    pub(super) closing: Scene,
}

/// A title and some words. `{name}` is filled in.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) say: String,
}

/// The demo of the named integration, or of the first that has one.
pub(super) fn find(name: Option<&str>) -> Result<Script, Failure> {
    let mut with_demo =
        quartermaster_integrations::all().into_iter().filter(|integration| file(integration, STORY).is_some());
    let found = match name {
        Some(name) => with_demo.find(|integration| integration.name == name),
        None => with_demo.next(),
    };
    let Some(integration) = found else {
        return Err(Failure::usage(format!("there is no demo of {}", name.unwrap_or("anything"))));
    };
    let broken = |why: String| Failure::failed(format!("the demo of {}: {why}", integration.name));
    let text = file(&integration, STORY).unwrap_or_default();
    let story: Story = serde_saphyr::from_str(text).map_err(|error| broken(error.to_string()))?;
    if !quartermaster_simulator::SIMULATORS.contains(&story.simulator.as_str()) {
        return Err(broken(format!("there is no simulator {}", story.simulator)));
    }
    let list = file(&integration, LIST).ok_or_else(|| broken(format!("{LIST} is missing")))?;
    Ok(Script {
        integration,
        list,
        list_name: LIST,
        rate_limit: story.rate_limit.parse().map_err(|error| broken(format!("{error}")))?,
        rate_headers: story.rate_headers.parse().map_err(|error| broken(format!("{error}")))?,
        story,
    })
}

fn file(integration: &Integration, name: &str) -> Option<&'static str> {
    integration.demo.iter().find(|(path, _)| *path == name).map(|(_, text)| *text)
}

/// A text with `{name}` filled in.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

impl Story {
    /// The limit as the story writes it.
    pub(super) fn limit_words(&self) -> String {
        match self.rate_limit.split_once('/') {
            Some((requests, window)) => format!("{requests} requests in {window}"),
            None => self.rate_limit.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_demo_that_ships_is_whole() {
        let script = find(None).unwrap();
        assert!(!script.list.is_empty());
        assert!(find(Some("no such vendor")).is_err());
        let list = quartermaster_roster::roster::read(script.list.as_bytes(), None).unwrap();
        assert!(list.bad_lines.iter().any(|bad| !bad.used), "the list has a bad line");
        assert!(list.entries.iter().any(|entry| !entry.also_on_lines.is_empty()), "and somebody twice");
        assert!(list.entries.iter().any(|entry| entry.email == script.story.leaver), "and the leaver");
    }

    #[test]
    fn texts_are_filled_in() {
        assert_eq!(fill("a {b} {c}", &[("b", "x"), ("c", "{b}")]), "a x {b}");
    }
}
