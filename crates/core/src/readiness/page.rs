//! The page about gates, from the tables that gates are judged by. Called by `refloat reference`.

use super::known::FAMILIES;
use super::rule::{Rule, Sign};

const HEAD: &str = include_str!("page.md");

/// The page as Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for (family, rules) in FAMILIES {
        page.push_str(&format!(
            "\n### {family}\n\n| Kind | Ready when | Failed when |\n|---|---|---|\n"
        ));
        for rule in *rules {
            page.push_str(&row(rule));
        }
    }
    page
}

fn joined(signs: &[Sign]) -> String {
    let words: Vec<String> = signs.iter().map(ToString::to_string).collect();
    words.join("; ")
}

/// When a kind of this rule counts as ready, in words.
pub(super) fn ready_words(rule: &Rule) -> String {
    let mut ready = if rule.ready.is_empty() {
        "it exists".to_owned()
    } else {
        joined(rule.ready)
    };
    if !rule.addressed.is_empty() {
        let signs = joined(rule.addressed);
        ready.push_str(&format!("; {signs} if it had an address at the source"));
    }
    if let Some(fresh) = rule.fresh {
        ready.push_str(&format!("; {fresh}"));
    }
    if rule.once {
        ready.push_str("; one that is recovered: it exists");
    }
    for excuse in rule.excused {
        ready.push_str(&format!("; or {excuse}"));
    }
    if let Some(settled) = rule.settled {
        ready.push_str(&format!("; for {} s", settled.seconds));
    }
    if let Some(seconds) = rule.assumed_seconds {
        ready.push_str(&format!(
            "; assumed after {seconds} s if it was not ready at the source"
        ));
    }
    ready
}

fn row(rule: &Rule) -> String {
    let ready = ready_words(rule);
    let failed: Vec<String> = rule
        .failed
        .iter()
        .map(|one| match one.after_seconds {
            0 => format!("`{}`: {}", one.code, one.sign),
            seconds => format!("`{}`: {} for {seconds} s", one.code, one.sign),
        })
        .collect();
    format!(
        "| {} ({}) | {ready} | {} |\n",
        rule.kinds.join(", "),
        rule.group,
        failed.join("; ")
    )
}
