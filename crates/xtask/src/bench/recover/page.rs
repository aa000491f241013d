//! The page of the results.

use super::Arguments;
use super::measure::{LIMIT, Measured, Run};
use crate::bench::velero::VERSIONS;
use crate::bench::watched::Requests;
use crate::testbed::Etcd;

/// Refloat writes at least so much of what the bare loop does.
const OF_THE_LOOP: f64 = 0.8;

/// The page. A part that was not measured now stays as it is on the page before, if that is about as many objects.
pub(super) fn page(arguments: &Arguments, all: &[(Etcd, Measured)], before: &str) -> String {
    let head = format!(
        "# How fast objects come back\n\n\
         Written by `cargo xtask bench recover --secrets {} --write`; times of one etcd are of one run.\n\n\
         {} Secrets of half a kilobyte in one namespace; API server, etcd, vault, and the tool share two cores. The bare loop makes the same\n\
         calls as Refloat and nothing else: one POST each into an empty namespace, one GET each over objects that are there (Refloat reads them by\n\
         pages of their list where it needs fewer requests than one for each); the faster one of\n\
         16 and 64 calls in flight counts. Refloat's time is that of the whole command: reading\n\
         the point, looking at the target, planning, and a journal in the vault before each act. Unless `--preflight quick` says so, the API server also\n\
         tries up to 5,000 of the writes before the first one is done: calls that the loop does not make.\n",
        arguments.secrets, arguments.secrets
    );
    let kept = before.strip_prefix(&head).unwrap_or_default();
    let parts = [Etcd::Fast, Etcd::Durable].map(|etcd| {
        match all.iter().find(|(measured, _)| *measured == etcd) {
            Some((_, measured)) => part(arguments, etcd, measured),
            None => part_of(kept, etcd).to_owned(),
        }
    });
    head + &parts.concat()
}

fn title(etcd: Etcd) -> &'static str {
    match etcd {
        Etcd::Fast => "\n## Etcd without fsync",
        Etcd::Durable => "\n## Etcd with fsync, as in production",
    }
}

/// The part about this etcd in a text of them.
fn part_of(text: &str, etcd: Etcd) -> &str {
    let Some(from) = text.find(title(etcd)) else {
        return "";
    };
    let part = &text[from..];
    match part[1..].find("\n## ") {
        Some(next) => &part[..=next],
        None => part,
    }
}

fn part(arguments: &Arguments, etcd: Etcd, measured: &Measured) -> String {
    let mut text = format!("{} (Kubernetes {})\n", title(etcd), measured.kubernetes);
    text.push_str(&format!(
        "\nBoth bare loops and Refloat ran {} in turn: the middle time counts, the shortest and the longest stand beside it; memory is the most\n\
         of all times, requests are of the last. What is limited, Velero, `backup` and `plan` ran once.\n",
        times(arguments.rounds)
    ));
    for (title, runs) in [
        ("Into an empty namespace", &measured.empty),
        ("Over objects that are there", &measured.existing),
    ] {
        text.push_str(&table(title, f64::from(arguments.secrets), runs));
    }
    for run in [&measured.backup, &measured.plan].into_iter().flatten() {
        text.push_str(&format!(
            "\n`refloat {}`: {:.1} s, at most {} MiB.\n",
            run.what,
            run.seconds(),
            run.peak_kib.unwrap_or(0) / 1024
        ));
    }
    text.push_str(&limits(arguments));
    text
}

fn times(count: u32) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

/// What a limit of requests means, as far as there was one.
fn limits(arguments: &Arguments) -> String {
    let mut text = String::new();
    if !arguments.without_limits {
        text.push_str(&format!(
            "\nRefloat at most {LIMIT} requests/s: `--requests-per-second {LIMIT}`, which holds for all that it asks, reads among it.\n"
        ));
    }
    if !arguments.without_velero {
        text.push_str(&format!(
            "\n{VERSIONS}. Its default is `--client-qps {LIMIT} --client-burst {LIMIT}`, for each client that its server has, and a restore\n\
             writes through one of them: its run at its defaults is its run at {LIMIT} requests/s. Its limits are out of the way with\n\
             `--client-qps 10000 --client-burst 10000`. Its memory is that of its server while it restores.\n"
        ));
    }
    text
}

/// Time of the faster bare loop.
fn ceiling(runs: &[Run]) -> Option<f64> {
    let of_loop = runs.iter().filter(|run| run.what.starts_with("bare loop"));
    of_loop.map(Run::seconds).min_by(f64::total_cmp)
}

/// Requests per object: those about Secrets; and all others, with what most of them were about.
fn per_object(asked: &Requests, secrets: f64) -> (String, String) {
    const RESOURCE: &str = "secrets";
    let about = asked.about(RESOURCE);
    let others = format!("{:.2}", (asked.all() - about) / secrets);
    let most = asked
        .most()
        .into_iter()
        .map(|(resource, _)| resource)
        .find(|resource| *resource != RESOURCE);
    let others = match most {
        Some(most) => format!("{others}, {most}"),
        None => others,
    };
    (format!("{:.2}", about / secrets), others)
}

fn table(title: &str, secrets: f64, runs: &[Run]) -> String {
    let mut text = format!(
        "\n### {title}\n| | time | objects/s | of the bare loop | requests about Secrets per object | others, most about | highest memory |\n|---|---|---|---|---|---|---|\n"
    );
    let ceiling = ceiling(runs);
    for run in runs {
        let of_loop = ceiling.map_or_else(String::new, |ceiling| {
            format!("{:.0} %", 100.0 * ceiling / run.seconds())
        });
        let (about_secrets, others) = run
            .requests
            .as_ref()
            .map_or_else(Default::default, |asked| per_object(asked, secrets));
        let memory = run
            .peak_kib
            .map_or_else(String::new, |kib| format!("{} MiB", kib / 1024));
        let range = run.range().map_or_else(String::new, |(shortest, longest)| {
            format!(" ({shortest:.1} to {longest:.1})")
        });
        text.push_str(&format!(
            "| {} | {:.1} s{range} | {:.0} | {of_loop} | {about_secrets} | {others} | {memory} |\n",
            run.what,
            run.seconds(),
            secrets / run.seconds()
        ));
    }
    for (what, share) in shares(runs) {
        text.push_str(&format!("\n{what} {}.\n", verdict(share)));
    }
    text
}

/// Which part of the bare loop's speed each run of Refloat's reached that nothing held back.
fn shares(runs: &[Run]) -> Vec<(&str, f64)> {
    let ours = runs.iter().filter(|run| run.what.starts_with("refloat"));
    let free = ours.filter(|run| !run.what.contains("requests/s"));
    let ceiling = ceiling(runs);
    free.filter_map(|run| Some((run.what.as_str(), ceiling? / run.seconds())))
        .collect()
}

fn verdict(share: f64) -> String {
    let word = if share >= OF_THE_LOOP {
        "within"
    } else {
        "misses"
    };
    format!(
        "at {:.1} % of the bare loop: {word} the limit of {:.0} %",
        100.0 * share,
        100.0 * OF_THE_LOOP
    )
}

/// What is slower than it is to be. It does not fail the bench: not every row has got there yet.
pub(super) fn missed(etcd: Etcd, measured: &Measured) -> Vec<String> {
    let etcd = title(etcd).trim_start_matches(['\n', '#', ' ']);
    [&measured.empty, &measured.existing]
        .into_iter()
        .flat_map(|runs| shares(runs))
        .filter(|(_, share)| *share < OF_THE_LOOP)
        .map(|(what, share)| format!("{etcd}: {what} {}", verdict(share)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(secrets: u32) -> Arguments {
        Arguments {
            secrets,
            rounds: 1,
            fsync: crate::bench::recover::Fsync::Both,
            without_limits: false,
            without_velero: false,
            write: false,
        }
    }

    fn measured(kubernetes: &str) -> Measured {
        Measured {
            kubernetes: kubernetes.to_owned(),
            ..Measured::default()
        }
    }

    #[test]
    fn requests_are_told_apart_by_what_they_are_about() {
        let metrics = |secrets: u32, namespaces: u32| {
            Requests::read(&format!(
                "apiserver_request_total{{resource=\"secrets\",verb=\"POST\"}} {secrets}\n\
                 apiserver_request_total{{resource=\"secrets\",verb=\"WATCH\"}} 1000\n\
                 apiserver_request_total{{resource=\"namespaces\",verb=\"GET\"}} {namespaces}\n\
                 apiserver_request_total{{resource=\"leases\",verb=\"PUT\"}} 1\n"
            ))
        };
        let asked = metrics(32, 25).since(&metrics(12, 10));
        let (secrets, others) = per_object(&asked, 10.0);
        assert_eq!(secrets, "2.00");
        assert_eq!(others, "1.50, namespaces");
        let (_, none) = per_object(&metrics(12, 10).since(&metrics(12, 10)), 10.0);
        assert_eq!(none, "0.00");
    }

    #[test]
    fn what_is_too_slow_is_told_and_what_takes_memory_is_ours() {
        let run = |what: &str, seconds: f64, peak_kib: Option<u64>| Run {
            what: what.to_owned(),
            times: vec![seconds],
            peak_kib,
            requests: None,
        };
        let measured = Measured {
            plan: Some(run("plan", 1.0, Some(1))),
            empty: vec![
                run("bare loop, 16 in flight", 9.0, None),
                run("bare loop, 64 in flight", 8.0, None),
                run("refloat", 10.0, Some(2)),
                run("refloat, `--preflight quick`", 10.1, Some(3)),
                run("refloat, at most 100 requests/s", 99.0, Some(4)),
                run("Velero", 99.0, Some(999_999)),
            ],
            ..Measured::default()
        };
        assert_eq!(
            missed(Etcd::Fast, &measured),
            [
                "Etcd without fsync: refloat, `--preflight quick` at 79.2 % of the bare loop: misses the limit of 80 %"
            ]
        );
        let peaks: Vec<u64> = measured.ours().map(|(_, kib)| kib).collect();
        assert_eq!(peaks, [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_not_measured_now_stays_if_it_is_about_as_many_objects() {
        let asked = arguments(7);
        let both = [
            (Etcd::Fast, measured("v1")),
            (Etcd::Durable, measured("v2")),
        ];
        let whole = page(&asked, &both, "");
        let [fast, durable] = &both;
        let one = page(&asked, std::slice::from_ref(fast), "anything else");
        assert!(!one.contains("with fsync, as"), "{one}");
        assert_eq!(page(&asked, std::slice::from_ref(durable), &one), whole);
        let newer = [(Etcd::Fast, measured("v3"))];
        let after = page(&asked, &newer, &whole);
        assert_eq!(after, whole.replace("(Kubernetes v1)", "(Kubernetes v3)"));
        let more = page(&arguments(8), &newer, &whole);
        assert!(!more.contains("with fsync, as"), "{more}");
    }
}
