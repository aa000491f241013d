//! What a plan settles once for all: options that change nothing any more when a recovery goes on. Called by `recover`.

use super::{ExistingOption, Given, Options};

/// Those of them that were given.
pub(crate) fn settled(options: &Options, given: &Given) -> Vec<&'static str> {
    let mappings = &given.mappings;
    let settled = [
        ("--connections", options.connections.is_given()),
        ("--patch", !mappings.patches.is_empty()),
        ("--map-storage-class", !given.storage_classes.is_empty()),
        ("--map-registry", !mappings.registries.is_empty()),
        ("--map-host", !mappings.hosts.is_empty()),
        (
            "--existing",
            !matches!(options.existing, ExistingOption::Fail),
        ),
        ("--preserve-node-ports", options.preserve_node_ports),
    ];
    let settled = settled.into_iter().filter(|(_, is_given)| *is_given);
    let named = settled.map(|(option, _)| option);
    named.collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn of(words: &[&str]) -> Vec<&'static str> {
        let always = ["recover", "--point", "shop/1", "--mover-image", "x"];
        let command = Command::try_parse_from(always.iter().chain(words)).expect("options");
        let options = command.options;
        settled(&options, &options.given().expect("names"))
    }

    #[test]
    fn options_that_a_recovery_that_goes_on_does_not_heed_are_named() {
        assert!(of(&[]).is_empty());
        let heeded = ["--only", "pvc/a", "--until", "storage", "--skip-gate", "g"];
        assert!(of(&heeded).is_empty());
        assert!(of(&["--map-namespace", "shop=drill"]).is_empty());
        let evidence = of(&["--source-dead", "fire"]);
        assert!(evidence.is_empty(), "each command needs some");
        for words in [
            &["--connections", "flows.json"][..],
            &["--map-storage-class", "a=b"],
            &["--map-registry", "a=b"],
            &["--map-host", "a=b"],
            &["--existing", "replace"],
            &["--preserve-node-ports"],
        ] {
            assert_eq!(of(words), words[..1], "{words:?}");
        }
    }
}
