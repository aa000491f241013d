//! The plan as a picture, in the language of Graphviz or of Mermaid: phases as clusters, an arrow from what is first to what
//! waits for it, dashed where the rule is not certain. Big plans are drawn by kind.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{class, plain};
use super::{Detail, View, amount};
use crate::run::{Confidence, Phase};

/// A bigger picture is read by nobody, and Mermaid refuses it (500 edges, its default `maxEdges`).
const NODES_MAX: usize = 150;
const EDGES_MAX: usize = 400;

/// In what language a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Graphviz's `dot`.
    Dot,
    /// Mermaid's `flowchart`.
    Mermaid,
}

struct Node {
    label: String,
    phase: Phase,
}

#[derive(Default)]
struct Arrow {
    rules: BTreeSet<String>,
    confidence: Option<Confidence>,
}

struct Graph {
    nodes: Vec<Node>,
    /// By the node that is first and the node that waits.
    arrows: BTreeMap<(usize, usize), Arrow>,
    note: Option<String>,
}

impl View<'_> {
    /// The picture. That all waits for phase 0 is not drawn.
    pub fn graph(&self, language: Language, detail: Detail) -> String {
        let mut graph = self.drawn(false);
        let too_big = graph.nodes.len() > NODES_MAX || graph.arrows.len() > EDGES_MAX;
        if detail == Detail::Folded && too_big {
            let note = format!(
                "{} steps, drawn by kind: --all draws each",
                amount::count(graph.nodes.len())
            );
            graph = self.drawn(true);
            graph.note = Some(note);
        }
        match language {
            Language::Dot => dot(&graph),
            Language::Mermaid => mermaid(&graph),
        }
    }

    fn drawn(&self, by_kind: bool) -> Graph {
        let steps = &self.planned.plan.steps;
        let mut graph = Graph {
            nodes: Vec::new(),
            arrows: BTreeMap::new(),
            note: None,
        };
        let mut groups: BTreeMap<(Phase, &str), (usize, usize)> = BTreeMap::new();
        let mut node_of = Vec::with_capacity(steps.len());
        for step in steps {
            let label = plain(&step.id).to_owned();
            let phase = step.phase;
            if by_kind {
                let next = graph.nodes.len();
                let (node, count) = groups.entry((phase, class(step))).or_insert((next, 0));
                *count += 1;
                node_of.push(*node);
                if *node < next {
                    continue;
                }
            } else {
                node_of.push(graph.nodes.len());
            }
            graph.nodes.push(Node { label, phase });
        }
        for ((_, class), (node, count)) in groups {
            if count > 1 {
                graph.nodes[node].label = format!("{class} ({})", amount::count(count));
            }
        }
        for place in 0..steps.len() {
            for (on, edge) in self.index.needs(place) {
                let (first, then) = (node_of[on], node_of[place]);
                if first == then || edge.rule == "GUARD_BEFORE_ALL" {
                    continue;
                }
                let arrow = graph.arrows.entry((first, then)).or_default();
                arrow.rules.insert(edge.rule.to_string());
                arrow.confidence = arrow.confidence.max(Some(edge.confidence));
            }
        }
        graph
    }
}

impl Graph {
    fn by_phase(&self) -> BTreeMap<Phase, Vec<(usize, &Node)>> {
        let mut phases: BTreeMap<Phase, Vec<(usize, &Node)>> = BTreeMap::new();
        for (place, node) in self.nodes.iter().enumerate() {
            phases.entry(node.phase).or_default().push((place, node));
        }
        phases
    }
}

impl Arrow {
    fn label(&self) -> String {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        rules.join(", ")
    }

    /// Not certain by any rule.
    fn is_dashed(&self) -> bool {
        match self.confidence {
            Some(Confidence::Medium) => true,
            Some(Confidence::High | Confidence::Certain) | None => false,
        }
    }
}

/// Inside double quotes of Graphviz: a quote and a backslash mean something, a line end would be one.
fn dot_text(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Inside double quotes of Mermaid: its own entities for what it or HTML would read.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("#quot;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '#' | '&' | '`' | '\\' | '|' => escaped.push_str(&format!("#{};", u32::from(letter))),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
    if let Some(note) = &graph.note {
        text.push_str(&format!("  label=\"{}\";\n", dot_text(note)));
    }
    for (number, (phase, nodes)) in graph.by_phase().into_iter().enumerate() {
        text.push_str(&format!(
            "  subgraph cluster_{number} {{\n    label=\"{}\";\n",
            dot_text(phase.label())
        ));
        for (place, node) in nodes {
            let label = dot_text(&node.label);
            text.push_str(&format!("    n{place} [label=\"{label}\"];\n"));
        }
        text.push_str("  }\n");
    }
    for ((first, then), arrow) in &graph.arrows {
        let style = if arrow.is_dashed() {
            ", style=dashed"
        } else {
            ""
        };
        let label = dot_text(&arrow.label());
        text.push_str(&format!(
            "  n{first} -> n{then} [label=\"{label}\"{style}];\n"
        ));
    }
    text + "}\n"
}

fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    if let Some(note) = &graph.note {
        text.push_str(&format!("  note[\"{}\"]\n", mermaid_text(note)));
    }
    for (number, (phase, nodes)) in graph.by_phase().into_iter().enumerate() {
        let label = mermaid_text(phase.label());
        text.push_str(&format!("  subgraph p{number}[\"{label}\"]\n"));
        for (place, node) in nodes {
            let label = mermaid_text(&node.label);
            text.push_str(&format!("    n{place}[\"{label}\"]\n"));
        }
        text.push_str("  end\n");
    }
    for ((first, then), arrow) in &graph.arrows {
        let line = if arrow.is_dashed() { "-.->" } else { "-->" };
        let label = mermaid_text(&arrow.label());
        text.push_str(&format!("  n{first} {line}|\"{label}\"| n{then}\n"));
    }
    text
}
