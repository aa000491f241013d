//! Which edges of a cycle are left out: the weakest, so that the rest can be ordered. A cycle of certain edges alone is a problem.
//!
//! Only steps that stand in a cycle are looked at closely. Called by `plan` before `order`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::RULES;
use crate::driver::Problem;
use crate::lookup::Lookup;
use crate::run::{Confidence, Edge, Step};

/// An edge that was left out because it closed a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The step that does not wait any more.
    pub step: String,
    /// What it would have waited for.
    pub edge: Edge,
    /// The step that `against` belongs to: what the step would have waited for.
    pub waits: String,
    /// The edge that it conflicts with: the first of those that lead back.
    pub against: Edge,
    /// The steps of the cycle, each waiting for the next.
    pub cycle: Vec<String>,
}

/// Takes the weakest edges of all cycles out of the steps.
pub(super) fn break_cycles(
    steps: &mut BTreeMap<String, Step>,
) -> Result<Vec<Broken>, Vec<Problem>> {
    let ids: Vec<String> = steps.keys().cloned().collect();
    let places: Lookup<&str, usize> = ids.iter().map(String::as_str).zip(0..).collect();
    let needs: Vec<Vec<usize>> = steps
        .values()
        .map(|step| {
            let on = step.needs.iter();
            on.filter_map(|edge| places.get(edge.on.as_str()).copied())
                .collect()
        })
        .collect();
    let mut broken = Vec::new();
    let mut problems = Vec::new();
    for knot in knots(&needs) {
        match Knot::of(&knot, &ids, &places, steps).untie() {
            Ok(some) => broken.extend(some),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut all = Vec::new();
    for one in broken {
        let Some(step) = steps.get_mut(&one.step) else {
            continue;
        };
        // Several rules may have drawn it: none may stay.
        let gone: Vec<Edge> = step
            .needs
            .iter()
            .filter(|edge| edge.on == one.edge.on)
            .cloned()
            .collect();
        for edge in gone {
            step.needs.remove(&edge);
            all.push(Broken {
                edge,
                ..one.clone()
            });
        }
    }
    all.sort_by(|a, b| (&a.step, &a.edge).cmp(&(&b.step, &b.edge)));
    Ok(all)
}

/// Warnings of one pair of rules that are told in full.
const TOLD_MAX: usize = 3;

/// What a person reads of edges that were left out.
pub(super) fn warnings(broken: &[Broken]) -> Vec<String> {
    let mut by_rules: BTreeMap<(&str, &str), Vec<&Broken>> = BTreeMap::new();
    for one in broken {
        let rules = (one.edge.rule.as_str(), one.against.rule.as_str());
        by_rules.entry(rules).or_default().push(one);
    }
    let mut told = Vec::new();
    for ((rule, against), all) in by_rules {
        for one in all.iter().take(TOLD_MAX) {
            told.push(format!(
                "{} does not wait for {} by {rule} ({}): that closes a cycle, for {} waits by {against} ({})",
                one.step, one.edge.on, one.edge.evidence, one.waits, one.against.evidence
            ));
        }
        if all.len() > TOLD_MAX {
            let more = all.len() - TOLD_MAX;
            told.push(format!(
                "{more} more edges by {rule} close cycles with {against} and are left out"
            ));
        }
    }
    told
}

/// Groups of nodes that all reach each other, by Tarjan's algorithm without recursion; those of one node are left out.
pub(super) fn knots(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let count = needs.len();
    let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let (mut on_stack, mut stack) = (vec![false; count], Vec::new());
    let mut found = Vec::new();
    let mut next = 0;
    for root in 0..count {
        if index[root] != UNSEEN {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                (index[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&to) = needs[node].get(edge) {
                work.push((node, edge + 1));
                if index[to] == UNSEEN {
                    work.push((to, 0));
                } else if on_stack[to] {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                let start = stack
                    .iter()
                    .rposition(|one| *one == node)
                    .unwrap_or_default();
                let mut knot = stack.split_off(start);
                for one in &knot {
                    on_stack[*one] = false;
                }
                if knot.len() > 1 {
                    knot.sort_unstable();
                    found.push(knot);
                }
            }
        }
    }
    found.sort_unstable();
    found
}

/// How strong an edge is: the surest first, then by the order of the rules.
fn strength(edge: &Edge) -> (Reverse<Confidence>, usize) {
    let rank = RULES
        .iter()
        .position(|rule| rule.name == edge.rule)
        .map_or(0, |place| place + 1);
    (Reverse(edge.confidence), rank)
}

/// Steps that all wait for each other, numbered anew.
struct Knot<'s> {
    ids: Vec<&'s str>,
    /// The strongest edge of each pair: who waits, for whom.
    pairs: BTreeMap<(usize, usize), &'s Edge>,
    /// Each node's place in an order that respects the edges put in so far.
    place: Vec<usize>,
    /// Edges put in: for whom a node waits, and who waits for it.
    needs: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

impl<'s> Knot<'s> {
    fn of(
        knot: &[usize],
        ids: &'s [String],
        places: &Lookup<&str, usize>,
        steps: &'s BTreeMap<String, Step>,
    ) -> Self {
        let mut pairs: BTreeMap<(usize, usize), &Edge> = BTreeMap::new();
        for (from, global) in knot.iter().enumerate() {
            let step = steps.get(&ids[*global]);
            for edge in step.into_iter().flat_map(|step| &step.needs) {
                let to = places.get(edge.on.as_str());
                let Some(to) = to.and_then(|to| knot.binary_search(to).ok()) else {
                    continue;
                };
                let kept = pairs.entry((from, to)).or_insert(edge);
                if strength(edge) < strength(kept) {
                    *kept = edge;
                }
            }
        }
        Self {
            ids: knot.iter().map(|global| ids[*global].as_str()).collect(),
            pairs,
            place: (0..knot.len()).collect(),
            needs: vec![Vec::new(); knot.len()],
            dependents: vec![Vec::new(); knot.len()],
        }
    }

    /// Puts the edges in, strongest first; one that closes a cycle stays out.
    fn untie(mut self) -> Result<Vec<Broken>, Problem> {
        let mut sorted: Vec<(usize, usize)> = self.pairs.keys().copied().collect();
        sorted.sort_by_key(|pair| (strength(self.pairs[pair]), *pair));
        let mut broken = Vec::new();
        for (from, to) in sorted {
            if self.put_in(from, to) {
                continue;
            }
            let edge = self.pairs[&(from, to)];
            let back = self.path(to, from);
            if edge.confidence == Confidence::Certain {
                return Err(self.problem(from, &back));
            }
            let name = |node: usize| self.ids[node].to_owned();
            let next = back.get(1).copied().unwrap_or(from);
            let against = self.pairs.get(&(to, next)).copied().unwrap_or(edge);
            broken.push(Broken {
                step: name(from),
                edge: edge.clone(),
                waits: name(to),
                against: against.clone(),
                cycle: std::iter::once(from).chain(back).map(name).collect(),
            });
        }
        Ok(broken)
    }

    /// Keeps the order right while edges come in (Pearce and Kelly, 2007): only nodes between the two are moved. False,
    /// and nothing is changed, when the edge closes a cycle.
    fn put_in(&mut self, from: usize, to: usize) -> bool {
        let (first, last) = (self.place[from], self.place[to]);
        if first < last {
            let after = self.reach(&self.dependents, from, |place| place <= last);
            if after.contains(&to) {
                return false;
            }
            let before = self.reach(&self.needs, to, |place| place >= first);
            let mut places: Vec<usize> = before
                .iter()
                .chain(&after)
                .map(|node| self.place[*node])
                .collect();
            places.sort_unstable();
            for (node, place) in before.into_iter().chain(after).zip(places) {
                self.place[node] = place;
            }
        }
        self.needs[from].push(to);
        self.dependents[to].push(from);
        true
    }

    /// Nodes reached from one, itself included, in the order of their places.
    fn reach(
        &self,
        edges: &[Vec<usize>],
        start: usize,
        within: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let mut seen = BTreeMap::from([(self.place[start], start)]);
        let mut work = vec![start];
        while let Some(node) = work.pop() {
            for next in &edges[node] {
                let place = self.place[*next];
                if within(place) && seen.insert(place, *next).is_none() {
                    work.push(*next);
                }
            }
        }
        seen.into_values().collect()
    }

    /// The shortest way from one to another along those it waits for, both included.
    fn path(&self, start: usize, end: usize) -> Vec<usize> {
        let mut came: BTreeMap<usize, usize> = BTreeMap::from([(start, start)]);
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            if node == end {
                break;
            }
            for next in &self.needs[node] {
                came.entry(*next).or_insert_with(|| {
                    queue.push_back(*next);
                    node
                });
            }
        }
        let mut path = vec![end];
        let mut at = end;
        while let Some(before) = came.get(&at).filter(|_| at != start) {
            path.push(*before);
            at = *before;
        }
        path.reverse();
        path
    }

    /// The cycle from its first step by id.
    fn problem(&self, from: usize, back: &[usize]) -> Problem {
        let mut cycle: Vec<usize> = std::iter::once(from).chain(back.iter().copied()).collect();
        cycle.pop();
        let first = cycle.iter().min().copied();
        let start = cycle.iter().position(|node| Some(*node) == first);
        cycle.rotate_left(start.unwrap_or_default());
        let next = cycle.iter().cycle().skip(1);
        let told: Vec<String> = cycle
            .iter()
            .zip(next)
            .map(|(node, next)| {
                let rule = self.pairs.get(&(*node, *next));
                let rule = rule.map_or("", |edge| &edge.rule);
                format!("`{}` waits by {rule}", self.ids[*node])
            })
            .collect();
        Problem::stuck(
            "plan-cycle",
            format!("steps wait for each other: {}", told.join(", for ")),
            "take one of these dependencies out of the application",
        )
    }
}
