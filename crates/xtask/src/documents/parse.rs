//! Finding examples in a document, and comparing what they print.

use anyhow::{Result, bail};

/// One command of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Example {
    /// Line in the document.
    pub(super) line: usize,
    /// The command, continuation lines included.
    pub(super) command: String,
    /// What it prints, standard error included.
    pub(super) expected: String,
    /// The exit code.
    pub(super) exit: i32,
    /// Sets the stage; its output does not matter.
    pub(super) hidden: bool,
}

/// Every command of the `console` blocks of a document.
pub(super) fn examples(path: &str, text: &str) -> Result<Vec<Example>> {
    let mut found: Vec<Example> = Vec::new();
    let (mut inside, mut hidden, mut skip_next) = (false, false, false);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_end();
        if !inside {
            match trimmed {
                "```console" | "<!-- console" => {
                    (inside, hidden) = (!skip_next, trimmed.starts_with('<'));
                    skip_next = false;
                }
                _ if trimmed.starts_with("<!-- not run: ") => skip_next = true,
                _ => {}
            }
            continue;
        }
        if trimmed == if hidden { "-->" } else { "```" } {
            inside = false;
            continue;
        }
        read_line(&mut found, trimmed, number + 1, hidden, path)?;
    }
    Ok(found)
}

fn read_line(found: &mut Vec<Example>, line: &str, number: usize, hidden: bool, path: &str) -> Result<()> {
    if let Some(command) = line.strip_prefix("$ ") {
        found.push(Example { line: number, command: command.to_owned(), expected: String::new(), exit: 0, hidden });
        return Ok(());
    }
    let Some(example) = found.last_mut() else {
        bail!("{path}:{number}: a console block begins with a line `$ command`");
    };
    if let Some(more) = line.strip_prefix("> ") {
        example.command.push('\n');
        example.command.push_str(more);
    } else if let Some(code) = line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
        example.exit = code.parse()?;
    } else {
        example.expected.push_str(line);
        example.expected.push('\n');
    }
    Ok(())
}

/// Whether a text is as expected: `…` stands for any text within a line, a line of `…` alone for any lines.
pub(super) fn matches(expected: &str, got: &str) -> bool {
    let expected: Vec<&str> = expected.trim_end().lines().map(str::trim_end).collect();
    let got: Vec<&str> = got.trim_end().lines().map(str::trim_end).collect();
    lines_match(&expected, &got)
}

fn lines_match(expected: &[&str], got: &[&str]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((&"…", rest)) => (0..=got.len()).any(|skipped| lines_match(rest, &got[skipped..])),
        Some((first, rest)) => {
            got.split_first().is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others))
        }
    }
}

fn line_matches(expected: &str, got: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| got.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(previous) = last.replace(part) {
            let Some(place) = rest.find(previous) else { return false };
            rest = &rest[place + previous.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_apart() {
        let text = "# T\n```console\n$ echo a\\\n> b\nab\n[exit 0]\n```\n<!-- not run: no net -->\n```console\n$ rm -rf x\n```\n<!-- console\n$ x=1\n-->\n";
        let found = examples("t.md", text).expect("a document");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].command.as_str(), found[0].expected.as_str(), found[0].line), ("echo a\\\nb", "ab\n", 3));
        assert!(found[1].hidden);
        assert!(examples("t.md", "```console\nno dollar\n```\n").is_err());
    }

    #[test]
    fn an_ellipsis_stands_for_any_text() {
        for (expected, got, same) in [
            ("a", "a\n", true),
            ("a", "b", false),
            ("id=…", "id=17", true),
            ("…ms and …", "17 ms and 2 s", true),
            ("a…c", "abd", false),
            ("a\n…\nz", "a\nb\nc\nz", true),
            ("a\n…\nz", "a\nz", true),
            ("a\n…\nz", "a\nb", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(expected, got), same, "{expected:?} {got:?}");
        }
    }
}
