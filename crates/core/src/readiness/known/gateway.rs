//! Gateway API. Conditions carry the generation that they were told about; until a controller comes they are `Unknown` by the
//! definition's own default. Where none had accepted it at the source, none may come here: then it is waited for a
//! while only.

use super::super::rule::{Failure, Rule, Sign};

const GROUP: &str = "gateway.networking.k8s.io";
const NEVER_SECONDS: Option<u32> = Some(60);

const fn parents(kinds: &'static [&'static str]) -> Rule {
    Rule {
        assumed_seconds: NEVER_SECONDS,
        ..Rule::of(
            GROUP,
            kinds,
            &[
                Sign::Filled("/status/parents"),
                Sign::Each(
                    "/status/parents",
                    &Sign::ConditionIn("/conditions", "Accepted", "True"),
                ),
                Sign::Each(
                    "/status/parents",
                    &Sign::ConditionIn("/conditions", "ResolvedRefs", "True"),
                ),
            ],
        )
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        assumed_seconds: NEVER_SECONDS,
        ..Rule::of(
            GROUP,
            &["GatewayClass"],
            &[Sign::Condition("Accepted", "True")],
        )
    },
    Rule {
        failed: &[Failure {
            sign: Sign::Because("Accepted", "False", "Invalid"),
            after_seconds: 60,
            code: "gateway-refused",
            hint: "mend what its condition says: an address or a parameter that this cluster has not",
        }],
        assumed_seconds: NEVER_SECONDS,
        // Traefik tells none.
        addressed: &[Sign::Filled("/status/addresses")],
        ..Rule::of(
            GROUP,
            &["Gateway"],
            &[
                Sign::Condition("Accepted", "True"),
                Sign::Condition("Programmed", "True"),
            ],
        )
    },
    parents(&["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"]),
    Rule::of(GROUP, &["ReferenceGrant"], &[]),
];
