//! What a no means: asked again after a pause, for good, or no answer to us.

use jiff::SignedDuration;
use serde_json::json;

use super::{Scene, decided, no, tcp};
use crate::driver::{Effect, Verdict};
use crate::probe::*;

#[test]
fn a_no_is_asked_again_after_a_pause_with_a_new_pod() {
    let mut scene = tcp();
    for _ in 0..20 {
        scene.hears(&no(Cause::Refused));
        let why = scene.waits();
        assert_eq!(why.code, "probe-refused");
        assert!(
            why.message.contains("TCP db:80") && why.message.contains("said so"),
            "{why:?}"
        );
        scene.now += SignedDuration::from_secs(4);
    }
    scene.hears(&ProbeAnswer::yes("connected", 3));
    assert!(matches!(decided(&scene), Verdict::Done(_)));
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_up_the_next_try() {
    let mut scene = tcp();
    scene.hears(&no(Cause::Refused));
    scene.now -= SignedDuration::from_hours(5);
    assert!(matches!(scene.acts().as_slice(), [Effect::Create { .. }]));
}

#[test]
fn every_cause_has_its_words_and_only_some_are_for_good() {
    let causes = [
        (Cause::NameUnknown, "probe-name-unknown", false),
        (Cause::NameOther, "probe-name-other", false),
        (Cause::NameUnasked, "probe-name-unasked", false),
        (Cause::Refused, "probe-refused", false),
        (Cause::TimedOut, "probe-timed-out", false),
        (Cause::Unreachable, "probe-unreachable", false),
        (Cause::Silent, "probe-silent", false),
        (Cause::Closed, "probe-closed", false),
        (Cause::Tls, "probe-tls", false),
        (Cause::OtherProtocol, "probe-other-protocol", false),
        (Cause::NotReady, "probe-not-ready", false),
        (Cause::OtherAnswer, "probe-other-answer", false),
        (Cause::BadQuestion, "probe-bad-question", false),
        (Cause::Unauthorized, "probe-unauthorized", true),
        (Cause::BadOrder, "probe-bad-order", true),
    ];
    let protocols = [
        (Ask::Tcp, Some(80)),
        (Ask::Dns { address: None }, None),
        (
            Ask::Http(Http {
                tls: Some(Tls::Verify),
                ..Http::default()
            }),
            None,
        ),
        (Ask::Grpc(Grpc::default()), Some(80)),
        (Ask::Postgresql(Sql::default()), None),
        (
            Ask::Mysql(Sql {
                expected: Some("1".to_owned()),
                ..Sql::default()
            }),
            None,
        ),
        (Ask::Redis, None),
    ];
    for (ask, port) in protocols {
        for (cause, code, for_good) in causes {
            let mut scene = Scene::new(Probe::new("db", port, ask.clone()));
            scene.probe.way = if port.is_some() { Way::Any } else { Way::Pod };
            for _ in 0..2 {
                scene.hears(&no(cause));
                let why = scene.waits();
                assert_eq!(why.code, code);
                assert!(!why.takes.is_empty() && why.failing.is_none(), "{why:?}");
                scene.now += SignedDuration::from_secs(4);
            }
            scene.hears(&no(cause));
            let stuck = matches!(decided(&scene), Verdict::Stuck(_));
            assert_eq!(stuck, for_good, "{cause:?}");
        }
    }
}

#[test]
fn a_name_that_nobody_outside_knows_yet_is_waited_for() {
    for ask in [Ask::Tcp, Ask::Dns { address: None }] {
        let port = matches!(ask, Ask::Tcp).then_some(80);
        let mut scene = Scene::new(Probe::new("db.example.com", port, ask));
        for _ in 0..20 {
            scene.hears(&no(Cause::NameUnknown));
            assert_eq!(scene.waits().code, "probe-name-unknown");
            scene.now += SignedDuration::from_secs(4);
        }
        scene.hears(&ProbeAnswer::yes("192.0.2.1", 3));
        assert!(matches!(decided(&scene), Verdict::Done(_)));
    }
}

#[test]
fn a_word_of_an_earlier_engine_does_not_count() {
    let mut scene = tcp();
    scene.acts();
    scene.answers(&ProbeAnswer::yes("connected", 3));
    // Killed here, started again.
    scene.attempt = 1;
    scene.ran = None;
    assert!(matches!(scene.acts().as_slice(), [Effect::Delete { .. }]));
    assert!(matches!(scene.acts().as_slice(), [Effect::Create { .. }]));
}

#[test]
fn a_pod_that_says_nothing_of_ours_is_no_answer() {
    let messages = [
        "",
        "{}",
        "yes",
        "{\"yes\":{}}",
        "[1]",
        "\u{0}",
        "{\"no\":{\"cause\":\"other-things\",\"said\":\"\",\"milliseconds\":1}}",
    ];
    for message in messages {
        let mut scene = tcp();
        scene.acts();
        scene.ends(message);
        scene.acts();
        let why = scene.waits();
        assert_eq!(why.code, "probe-pod-failed", "{message}");
        assert!(scene.probe_pod.is_none());
    }
    let mut scene = tcp();
    scene.acts();
    scene.probe_pod.as_mut().expect("a pod")["status"] =
        json!({ "phase": "Failed", "reason": "DeadlineExceeded" });
    scene.acts();
    assert!(scene.waits().message.contains("DeadlineExceeded"));
    let mut scene = tcp();
    scene.acts();
    scene.ends(r#"{"no":{"cause":"refused","said":"a\u001b[2J\nb","milliseconds":1}}"#);
    scene.acts();
    assert!(
        scene.waits().message.ends_with("a [2J b"),
        "{}",
        scene.waits().message
    );
}
