//! What arrived at the simulator, and the real ids behind a trajectory's placeholders.

use quartermaster_simulator::{Control, State};
use serde::Serialize;

use crate::trajectory::Trajectory;

/// Writes that the vendor accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// To people whom the goal names, with the verb that it asks for.
    pub right: usize,
    /// To anybody else, or with another verb: who and what, `suspend j.doe@company.com`.
    pub wrong: Vec<String>,
}

/// Every write that the vendor accepted, judged by the goal. Faults after the work was done count like answers.
pub(crate) fn writes(control: &Control, trajectory: &Trajectory) -> Writes {
    let people = control.people();
    let mut writes = Writes::default();
    for seen in control.seen() {
        let Some((id, verb)) = written(&seen.method, &seen.path_and_query) else { continue };
        // 0: a fault ate the answer; whether the work was done before it shows in the person's state alone.
        if !(200..300).contains(&seen.status) {
            continue;
        }
        let who = people.iter().find(|person| person.id == id).map_or(id.as_str(), |person| person.email.as_str());
        if verb == "suspend" && trajectory.targets.iter().any(|target| target == who) {
            writes.right += 1;
        } else {
            writes.wrong.push(format!("{verb} {who}"));
        }
    }
    writes
}

/// People outside the goal whose state is another one than at the beginning: the second look at the same thing.
pub(crate) fn harmed(before: &[(String, State)], control: &Control, trajectory: &Trajectory) -> Vec<String> {
    let people = control.people();
    let state = |email: &str| people.iter().find(|person| person.email == email).map(|person| person.state);
    before
        .iter()
        .filter(|(email, was)| !trajectory.targets.contains(email) && state(email) != Some(*was))
        .map(|(email, _)| email.clone())
        .collect()
}

/// Everybody with their state.
pub(crate) fn states(control: &Control) -> Vec<(String, State)> {
    control.people().into_iter().map(|person| (person.email, person.state)).collect()
}

/// Whether everybody who has to be suspended is.
pub(crate) fn work_is_done(control: &Control, trajectory: &Trajectory) -> bool {
    trajectory.suspended.iter().all(|email| control.find(email).is_some_and(|person| person.state == State::Suspended))
}

/// The id and verb of a write's path.
fn written(method: &str, path_and_query: &str) -> Option<(String, &'static str)> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next()?;
    let (id, verb) = last.rsplit_once(':')?;
    let verb = match verb {
        "suspend" => "suspend",
        "reactivate" => "reactivate",
        _ => return None,
    };
    (method == "POST").then(|| (id.to_owned(), verb))
}

/// Arguments with real ids: `@id:EMAIL`, and `@id:EMAIL!CHANGE` for an id that is changed.
pub(crate) fn with_ids(arguments: &str, control: &Control) -> String {
    let mut text = String::with_capacity(arguments.len());
    let mut rest = arguments;
    while let Some(at) = rest.find("@id:") {
        text.push_str(&rest[..at]);
        let name = &rest[at + 4..];
        let end = name.find(|character: char| "\"',}] ;".contains(character)).unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        let (email, change) = name.split_once('!').unwrap_or((name, "as-is"));
        let id = control.find(email).map_or_else(|| email.to_owned(), |person| person.id);
        text.push_str(&changed(&id, change));
        rest = after.strip_prefix(';').unwrap_or(after);
    }
    text.push_str(rest);
    text
}

/// An id with one thing about it changed.
fn changed(id: &str, change: &str) -> String {
    let mut characters: Vec<char> = id.chars().collect();
    let (what, place) = change.split_once(':').unwrap_or((change, "0"));
    let place: usize = place.parse().unwrap_or(0);
    match what {
        "replace" => characters[place] = if characters[place] == 'A' { 'B' } else { 'A' },
        "swap" => {
            let other =
                (place + 1..characters.len()).find(|other| characters[*other] != characters[place]).unwrap_or(place);
            characters.swap(place, other);
        }
        "drop" => drop(characters.remove(place)),
        "double" => characters.insert(place, characters[place]),
        "lower" => return id.to_lowercase(),
        "space-before" => characters.insert(0, ' '),
        "space-after" => characters.push(' '),
        // As they stand in a JSON text.
        "line-after" => return format!("{id}\\n"),
        // A Cyrillic letter that looks like a Latin one, in the place of the first that has such a twin.
        "look-alike" => {
            let twins = [
                ('A', 'А'),
                ('B', 'В'),
                ('C', 'С'),
                ('E', 'Е'),
                ('H', 'Н'),
                ('K', 'К'),
                ('M', 'М'),
                ('O', 'О'),
                ('P', 'Р'),
                ('T', 'Т'),
                ('X', 'Х'),
            ];
            let found = characters
                .iter()
                .enumerate()
                .find_map(|(at, found)| twins.iter().find(|(latin, _)| latin == found).map(|(_, twin)| (at, *twin)));
            match found {
                Some((at, twin)) => characters[at] = twin,
                None => characters.push('А'),
            }
        }
        "zero-width" => characters.insert(13.min(id.len()), '\u{200b}'),
        _ => {}
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_about_an_id_is_changed() {
        let id = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        assert_eq!(changed(id, "as-is"), id);
        assert_eq!(changed(id, "replace:0"), "BBCDEFGHIJKLMNOPQRSTUVWXYZ");
        assert_eq!(changed(id, "replace:25"), "ABCDEFGHIJKLMNOPQRSTUVWXYA");
        assert_eq!(changed(id, "swap:3"), "ABCEDFGHIJKLMNOPQRSTUVWXYZ");
        for change in ["drop:0", "double:25", "lower", "space-after", "line-after", "look-alike", "zero-width"] {
            assert_ne!(changed(id, change), id, "{change}");
        }
    }

    #[test]
    fn a_write_is_known_by_its_path() {
        assert_eq!(written("POST", "/v1beta1/accounts/A/users/ID:suspend"), Some(("ID".to_owned(), "suspend")));
        assert_eq!(
            written("POST", "/v1beta1/accounts/A/users/ID:reactivate?x=1"),
            Some(("ID".to_owned(), "reactivate"))
        );
        assert_eq!(written("GET", "/v1beta1/accounts/A/users/ID:suspend"), None);
        assert_eq!(written("POST", "/v1beta1/users/oauth2/token"), None);
    }
}
